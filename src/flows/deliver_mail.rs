//! Workers take mails from the queue, write them and send them, until the code in them has died.
//!
//! Only here is it found out whether an address has an account: the person who asked has long had their answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use tokio::sync::Semaphore;
use tracing::Instrument as _;
use url::Url;

use super::mail_failures::About;
use super::sealed::{MailFor, MailJob};
use super::{Flows, system_rng};
use crate::domain::keys::Sealed;
use crate::domain::{AddressTag, ChallengeId, EmailAddress, Locale, MailFailure, Site};
use crate::ports::PortError;
use crate::ports::codes::{MAIL_LEASE, QueuedMail};
use crate::ports::mail::templates::{Brand, Letter, RenderedMail, Templates};
use crate::ports::mail::{MailError, Mailer, Outgoing};
use crate::telemetry::{MailTry, Queue, causes, traces};

/// Mails in the hands of one process at once; most of them wait for their next try.
const MOST_IN_HAND: usize = 1000;
/// "No account here" goes to an address at most once in this time, so that asking cannot be used to pester.
const NO_ACCOUNT_EVERY: Duration = Duration::from_secs(86_400);
/// How long the queue is left alone after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What sending mail needs besides the flows.
pub struct MailWorkers {
    /// The stories' ports.
    pub flows: Arc<Flows>,
    /// How mail leaves.
    pub mailer: Mailer,
    /// What it says.
    pub templates: Templates,
    /// Mails handed to the mail server at once.
    pub workers: usize,
    /// The pauses between tries; the last repeats until the code has died.
    pub retry_after: Vec<Duration>,
}

impl MailWorkers {
    /// Works until the server stops; then what is not finished is given back.
    pub fn start(self) {
        let workers = Arc::new(self);
        let sending = Arc::new(Semaphore::new(workers.workers));
        let outbox = Arc::clone(&workers).empty_outbox(Arc::clone(&sending));
        workers.flows.unfinished.spawn(outbox);
        for partition in 0..workers.flows.codes.partitions() {
            let (workers, sending) = (Arc::clone(&workers), Arc::clone(&sending));
            let tracker = workers.flows.unfinished.clone();
            tracker.spawn(async move { workers.read_queue(partition, &sending).await });
        }
    }

    async fn read_queue(self: Arc<Self>, partition: u16, sending: &Arc<Semaphore>) {
        let in_hand = Arc::new(Semaphore::new(MOST_IN_HAND));
        let finishing = &self.flows.finishing;
        loop {
            let Ok(place) = Arc::clone(&in_hand).acquire_owned().await else { return };
            // A read that is dropped may have taken a mail; its lease would end unused. So a stop waits for the read,
            // which itself waits only for a moment.
            let next = self.flows.codes.next_mail(partition).await;
            let waiting_is_over = !matches!(next, Ok(Some(_)));
            match next {
                Ok(Some(mail)) => {
                    let (workers, sending) = (Arc::clone(&self), Arc::clone(sending));
                    self.flows.unfinished.spawn(async move {
                        workers.deliver(mail, &sending).await;
                        drop(place);
                    });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = %causes(&error), "the mail queue cannot be read");
                    tokio::select! {
                        () = finishing.cancelled() => {}
                        () = tokio::time::sleep(STORE_PAUSE) => {}
                    }
                }
            }
            // What waits in Redis is for the other replicas; what waits in memory would be lost.
            if finishing.is_cancelled() && (waiting_is_over || self.flows.codes.outlive_process()) {
                return;
            }
        }
    }

    /// Tries until it is done, keeping the mail from other workers meanwhile.
    async fn deliver(&self, mail: QueuedMail, sending: &Semaphore) {
        let Ok(job) = self.flows.open::<MailJob>(Sealed::MailJob, "", &mail.job) else {
            tracing::error!(
                "a queued mail could not be opened and was dropped: was the master secret changed?"
            );
            self.flows.metrics.mail.tried(Queue::Codes, MailTry::Dropped);
            return self.done(&mail).await;
        };
        let is_done = tokio::select! {
            is_done = self.try_until_done(&job, sending) => is_done,
            never = self.keep(&mail) => match never {},
        };
        if is_done {
            self.done(&mail).await;
        } else if let Err(error) = self.flows.codes.mail_give_back(mail).await {
            tracing::warn!(error = %causes(&error), "a mail waits for its lease to end");
        }
    }

    /// Renews the lease of a mail in hand, whether it waits for its turn, is on its way or waits for the next try.
    async fn keep(&self, mail: &QueuedMail) -> Infallible {
        loop {
            tokio::time::sleep(MAIL_LEASE / 3).await;
            // If this fails the lease may end, and another worker sends the mail too: twice is better than never.
            let _ = self.flows.codes.mail_renew(mail).await;
        }
    }

    /// False if the server stops before it is done.
    async fn try_until_done(&self, job: &MailJob, sending: &Semaphore) -> bool {
        let mut tries = 0;
        let mut draft = None;
        loop {
            let outcome = match sending.acquire().await {
                Ok(_permit) => {
                    let span = traces::mail_try(Queue::Codes);
                    self.try_once(job, &mut draft, tries == 0).instrument(span).await
                }
                Err(_) => MailTry::Retried,
            };
            self.flows.metrics.mail.tried(Queue::Codes, outcome);
            if outcome != MailTry::Retried {
                return true;
            }
            // A fifth more or less, so that mails that failed together do not come back together.
            let pause = self.pause_after(tries).mul_f64(system_rng().random_range(0.8..1.2));
            tokio::select! {
                () = self.flows.finishing.cancelled() => return false,
                () = tokio::time::sleep(pause) => {}
            }
            tries += 1;
        }
    }

    /// Writes the mail, unless an earlier try has, and hands it over. All but [`MailTry::Retried`] is the end of it.
    async fn try_once(&self, job: &MailJob, draft: &mut Option<RenderedMail>, is_first_try: bool) -> MailTry {
        let (Some(site), Ok(email)) = (self.flows.sites.find(&job.site), EmailAddress::parse(&job.email))
        else {
            tracing::error!(site = job.site, "a queued mail for an unknown site was dropped");
            return MailTry::Dropped;
        };
        let site = Arc::clone(site);
        let prepared = async {
            // Expired, used, or followed by a newer one: a dead code in the mailbox only confuses.
            if !self.is_current(&email, &site, job).await? {
                return Ok(None);
            }
            match draft.take() {
                Some(written) => Ok(Some(written)),
                None => self.write(job, &site, &email).await,
            }
        };
        let rendered = match prepared.await {
            Ok(Some(rendered)) => &*draft.insert(rendered),
            Ok(None) => return MailTry::Dropped,
            Err::<_, PortError>(error) => {
                tracing::warn!(
                    error = %causes(&error),
                    site = site.id,
                    "a mail has to wait"
                );
                return if error.is_unavailable() { MailTry::Retried } else { MailTry::Dropped };
            }
        };
        let about = About { mail: job.letter.slot().as_str(), is_first_try, kept: None };
        self.hand_over(&site, &email, rendered, &about).await
    }

    /// Gives a written mail to the mail server, and logs what it said of it.
    ///
    /// Its words may quote the address, so only the kind of failure is logged.
    pub(super) async fn hand_over(
        &self,
        site: &Site,
        to: &EmailAddress,
        mail: &RenderedMail,
        about: &About<'_>,
    ) -> MailTry {
        match self.flows.gets_no_mail(to).await {
            Ok(false) => {}
            Ok(true) => {
                self.flows.note_failure(site, to, about, MailFailure::Suppressed).await;
                return MailTry::Dropped;
            }
            Err(error) => {
                tracing::warn!(
                    error = %causes(&error),
                    site = site.id,
                    "a mail has to wait"
                );
                return MailTry::Retried;
            }
        }
        let outgoing = Outgoing {
            sender_name: &site.sender_name,
            sender: &site.sender,
            to,
            mail,
            date: self.flows.clock.now(),
        };
        let domain = to.domain();
        let began = Instant::now();
        let said = self.mailer.send(&outgoing).instrument(traces::send_mail(&site.id)).await;
        let counts = &self.flows.metrics.mail;
        counts.handed_over(began.elapsed());
        counts.server_answered(!matches!(said, Err(MailError::Temporary(_))));
        match said {
            Ok(()) => {
                tracing::info!(site = site.id, mail.domain = domain, "mail sent");
                MailTry::Sent
            }
            Err(MailError::Temporary(_)) => {
                tracing::warn!(
                    site = site.id,
                    mail.domain = domain,
                    "the mail server cannot take a mail now"
                );
                if about.is_first_try {
                    self.flows.note_failure(site, to, about, MailFailure::Deferred).await;
                }
                MailTry::Retried
            }
            Err(refusal @ (MailError::Bounced(_) | MailError::Permanent(_))) => {
                tracing::warn!(
                    site = site.id,
                    mail.domain = domain,
                    "the mail server refused a mail for good"
                );
                let bounced = matches!(refusal, MailError::Bounced(_));
                let reason = if bounced { MailFailure::Bounced } else { MailFailure::Refused };
                self.flows.note_failure(site, to, about, reason).await;
                MailTry::Refused
            }
        }
    }

    /// Whether the code in a mail is the one that works; it may wait under an older master of the ring.
    async fn is_current(&self, email: &EmailAddress, site: &Site, job: &MailJob) -> Result<bool, PortError> {
        let (slot, challenge) = (job.letter.slot(), ChallengeId(job.challenge));
        let device = job.device.as_deref().and_then(AddressTag::parse);
        for address in device.into_iter().chain(self.flows.keys.address_tags(email)) {
            if self.flows.codes.is_current(address, &site.id, slot, challenge).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How long to wait after so many tries that failed.
    pub(super) fn pause_after(&self, tries: usize) -> Duration {
        self.retry_after.get(tries).or(self.retry_after.last()).copied().unwrap_or_default()
    }

    /// The mail; nothing if its address has no account and was told so today.
    async fn write(
        &self,
        job: &MailJob,
        site: &Site,
        email: &EmailAddress,
    ) -> Result<Option<RenderedMail>, PortError> {
        let address = self.flows.keys.address_tag(email);
        let account = self.flows.db.find_account_for_mail(email).await?;
        let locale = account
            .and_then(|account| account.locale)
            .or_else(|| job.locale.as_deref().and_then(Locale::parse))
            .unwrap_or(site.locale);
        let brand = Brand { name: &site.name, url: site.url.as_str() };
        let link =
            site.confirm_page().zip(job.link.as_deref()).map(|(page, token)| confirm_link(page, token));
        let slot = job.letter.slot().as_str();
        let disown = site.disown_page().zip(job.disown.as_deref());
        let disown = disown.map(|(page, token)| disown_link(page, token, slot));
        let disown = disown.as_ref().map(Url::as_str);
        let sign_up = self.flows.sites.sign_up_site();
        let (code, requested_at) = (job.code.as_str(), job.requested_at);
        let valid_for_minutes = self.flows.code_life.as_secs().div_ceil(60);
        let letter = match &job.letter {
            MailFor::SignIn { create } if account.is_some() || *create => {
                let link = link.as_ref().map(Url::as_str);
                Letter::SignInCode { code, valid_for_minutes, requested_at, link, disown }
            }
            MailFor::SignIn { .. } => {
                if !self.flows.codes.once_per(address, "no-account", NO_ACCOUNT_EVERY).await? {
                    return Ok(None);
                }
                let sign_up = sign_up.map(|site| Brand { name: &site.name, url: site.url.as_str() });
                Letter::NoAccount { sign_up, requested_at }
            }
            MailFor::EmailChangeCurrent { new_email } => {
                let new_address = Some(new_email.as_str());
                Letter::EmailChange { code, valid_for_minutes, requested_at, new_address, disown }
            }
            MailFor::EmailChangeNew => {
                Letter::EmailChange { code, valid_for_minutes, requested_at, new_address: None, disown }
            }
            MailFor::DeleteAccount => Letter::DeleteAccount { code, valid_for_minutes, requested_at, disown },
        };
        self.templates
            .render(&letter, locale, &brand)
            .map(Some)
            .map_err(|error| PortError::unexpected(crate::ports::Dependency::Mail, error))
    }

    async fn done(&self, mail: &QueuedMail) {
        if let Err(error) = self.flows.codes.mail_done(mail).await {
            // It will be taken again when its lease ends, and sent twice if its code still works then.
            tracing::warn!(
                error = %causes(&error),
                "a finished mail could not be taken off the queue"
            );
        }
    }
}

/// The site's own page, with the proof as it expects it.
fn confirm_link(page: Url, token: &str) -> Url {
    let mut link = page;
    link.query_pairs_mut().append_pair("token_hash", token).append_pair("type", "email");
    link
}

/// The site's page for whoever did not ask for a code.
fn disown_link(page: Url, token: &str, slot: &str) -> Url {
    let mut link = page;
    link.query_pairs_mut().append_pair("token", token).append_pair("type", slot);
    link
}
