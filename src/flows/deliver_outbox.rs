//! Mails that belong to a change in the database: taken from the outbox, written and sent until they are a day old.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::Instrument as _;
use url::Url;

use super::MailWorkers;
use super::library::{LibraryMail, StaffNews};
use super::mail_failures::About;
use crate::domain::{EmailAddress, Locale, MailFailure, Role, Site};
use crate::ports::PortError;
use crate::ports::db::{OutboxMail, Recipient};
use crate::ports::mail::templates::{Brand, Letter, StaffChange};
use crate::telemetry::{MailTry, Queue, causes, traces};

/// How long a taken mail is kept from other workers: longer than any one try takes.
const LEASE: Duration = Duration::from_secs(120);
/// How often the outbox is looked at without being rung: for mails that another replica left behind.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// After this a mail is no longer news.
const MOST_AGE_SECS: f64 = 86_400.0;

impl MailWorkers {
    /// Works until the server stops. What is under way is finished; what waits is in the database.
    pub(super) async fn empty_outbox(self: Arc<Self>, sending: Arc<Semaphore>) {
        loop {
            match self.flows.db.take_mail(LEASE).await {
                Ok(Some(mail)) => {
                    let Ok(_permit) = sending.acquire().await else { return };
                    let span = traces::mail_try(Queue::Outbox);
                    if let Err(error) = self.deliver_from_outbox(&mail).instrument(span).await {
                        tracing::warn!(
                            error = %causes(&error),
                            "a mail stays in the outbox"
                        );
                    }
                    if self.flows.finishing.is_cancelled() {
                        return;
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = %causes(&error), "the outbox cannot be read");
                }
            }
            tokio::select! {
                () = self.flows.finishing.cancelled() => return,
                () = self.flows.outbox_filled.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn deliver_from_outbox(&self, mail: &OutboxMail) -> Result<(), PortError> {
        let db = &self.flows.db;
        let Ok(job) = self.flows.open_outbox_job(&mail.sealed) else {
            tracing::error!(
                "a mail in the outbox could not be opened and was dropped: was the master secret changed?"
            );
            return self.drop_mail(mail).await;
        };
        let Some(site) = self.flows.sites.find(&job.site) else {
            tracing::warn!(site = job.site, "a mail in the outbox is of a site that is gone: dropped");
            return self.drop_mail(mail).await;
        };
        let is_old = mail.age_secs >= MOST_AGE_SECS;
        let recipient = match &job.mail {
            // One entry for each who may decide, so that one of them who cannot be reached holds up nobody.
            LibraryMail::AccessRequested { to: None, .. } if is_old => None,
            LibraryMail::AccessRequested { library_id, to: None, .. } => {
                let each = db.access_request_deciders(*library_id).await?;
                let sealed = each
                    .into_iter()
                    .map(|person| self.flows.seal_outbox_job(&job.to(person.email.as_str())))
                    .collect::<Result<Vec<_>, _>>()?;
                return db.replace_mail(mail.id, &sealed).await;
            }
            LibraryMail::AccessRequested { to: Some(email), .. } | LibraryMail::Invitation { email, .. } => {
                db.find_recipient_by_email(email).await?
            }
            LibraryMail::AccessDecided { user, .. } | LibraryMail::StaffChanged { user, .. } => {
                db.find_recipient(*user).await?
            }
            // Also where the account has gone since: the old owner may hear of it nowhere else.
            LibraryMail::AddressChanged { user, email, .. } => {
                let owner = db.find_recipient(*user).await?;
                let locale = owner.and_then(|owner| owner.locale);
                EmailAddress::parse(email).ok().map(|email| Recipient { email, locale })
            }
            // Only while the account still has the address.
            LibraryMail::AccountInvitation { email, .. } => match EmailAddress::parse(email) {
                Ok(email) => db
                    .find_account_for_mail(&email)
                    .await?
                    .map(|account| Recipient { email, locale: account.locale }),
                Err(_) => None,
            },
        };
        match recipient {
            Some(recipient) if is_old => {
                tracing::warn!(site = job.site, "a mail in the outbox was too old: dropped");
                let about = About::in_outbox(mail, &job.mail);
                self.flows.note_failure(site, &recipient.email, &about, MailFailure::Expired).await;
                self.drop_mail(mail).await
            }
            Some(recipient) => self.send_from_outbox(mail, &job.mail, site, &recipient).await,
            // The account is gone, and with it whoever wanted to know.
            None => self.drop_mail(mail).await,
        }
    }

    /// Takes a mail off that will never be sent.
    async fn drop_mail(&self, mail: &OutboxMail) -> Result<(), PortError> {
        self.flows.metrics.mail.tried(Queue::Outbox, MailTry::Dropped);
        self.flows.db.finish_mail(mail.id).await
    }

    async fn send_from_outbox(
        &self,
        mail: &OutboxMail,
        job: &LibraryMail,
        site: &Arc<Site>,
        recipient: &Recipient,
    ) -> Result<(), PortError> {
        let db = &self.flows.db;
        let brand = Brand { name: &site.name, url: site.url.as_str() };
        let locale: Locale = recipient.locale.unwrap_or(site.locale);
        let link = self.link(job, site);
        let rendered = match self.templates.render(&letter(job, &link), locale, &brand) {
            Ok(rendered) => rendered,
            Err(error) => {
                tracing::error!(
                    error = %causes(&error),
                    "a mail could not be written and was dropped"
                );
                return self.drop_mail(mail).await;
            }
        };
        let outcome = self.hand_over(site, &recipient.email, &rendered, &About::in_outbox(mail, job)).await;
        self.flows.metrics.mail.tried(Queue::Outbox, outcome);
        if outcome != MailTry::Retried {
            return db.finish_mail(mail.id).await;
        }
        // The try that just failed is counted among the attempts.
        let tries = usize::try_from(mail.attempts).unwrap_or(1).saturating_sub(1);
        db.put_off_mail(mail.id, self.pause_after(tries)).await
    }

    /// Where the mail's button leads: to the page that is about it, or where the site has no pages, to the site.
    ///
    /// An invitation goes to a site where the person can make the account it needs, and without pages of ours to one of
    /// the site's own.
    fn link(&self, job: &LibraryMail, site: &Arc<Site>) -> Url {
        let (site, page) = match job {
            LibraryMail::Invitation { token, .. } => {
                (self.flows.sites.sign_up_site().unwrap_or(site), format!("/invitations/{token}"))
            }
            LibraryMail::AccountInvitation { token, .. } => return invitation_link(site, token),
            LibraryMail::AccessRequested { .. } if site.look.pages => (site, "/access-requests".to_owned()),
            LibraryMail::AccessDecided { role: Some(_), .. } if site.look.pages => {
                (site, "/libraries".to_owned())
            }
            _ => return site.url.clone(),
        };
        site.url.join(&page).unwrap_or_else(|_| site.url.clone())
    }
}

/// The page that asks before it opens the account: the site's own, or ours; without either, the site.
fn invitation_link(site: &Site, token: &str) -> Url {
    let ours = || site.hosted_confirm_page().filter(|_| site.look.pages);
    match site.confirm_page().or_else(ours) {
        Some(mut page) => {
            page.query_pairs_mut().append_pair("token_hash", token).append_pair("type", "invite");
            page
        }
        None => site.url.clone(),
    }
}

fn letter<'a>(job: &'a LibraryMail, link: &'a Url) -> Letter<'a> {
    let link = link.as_str();
    match job {
        LibraryMail::Invitation { library, role, inviter, message, expires_at, .. } => Letter::Invitation {
            library,
            role: role.as_str(),
            inviter: inviter.as_deref(),
            message: message.as_deref(),
            link,
            expires_at: *expires_at,
        },
        LibraryMail::AccessRequested { library, requester, requester_email, message, .. } => {
            Letter::AccessRequested {
                library,
                requester: requester.as_deref(),
                requester_email,
                message: message.as_deref(),
                link,
            }
        }
        LibraryMail::AccessDecided { library, role, note, .. } => Letter::AccessDecided {
            library,
            approved: role.is_some(),
            role: role.map(Role::as_str),
            note: note.as_deref(),
            link,
        },
        LibraryMail::AddressChanged { by_administrator, .. } => {
            Letter::AddressChanged { by_administrator: *by_administrator }
        }
        LibraryMail::AccountInvitation { expires_at, .. } => {
            Letter::AccountInvitation { link, expires_at: *expires_at }
        }
        LibraryMail::StaffChanged { library, change, .. } => {
            let change = match change {
                StaffNews::Role { from, to } => StaffChange::RoleChanged { from, to },
                StaffNews::Granted { role } => StaffChange::Granted { role },
                StaffNews::Removed => StaffChange::Removed,
                StaffNews::Suspended => StaffChange::Suspended,
                StaffNews::Restored { role } => StaffChange::Restored { role },
            };
            Letter::StaffChanged { library, change, link }
        }
    }
}
