//! A new code for one purpose: its keyed hashes into the store and its mail into the queue, in one step.

use std::sync::Arc;

use serde::Serialize;

use super::audit::By;
use super::request_code::RequestCodeError;
use super::sealed::{DisownToken, LinkToken, MailFor, MailJob};
use super::{Flows, system_rng};
use crate::domain::keys::Sealed;
use crate::domain::{
    AddressTag, BrowserId, ChallengeId, CodeKind, EmailAddress, KnownDevice, Locale, SignInCode, Site, Slot,
};
use crate::ports::PortError;
use crate::ports::codes::{CountSend, Issue, IssueCode, Issued, Witness};
use crate::ports::limits::Act;
use crate::ports::refusals::Refusal;
use crate::telemetry::{CodeIssue, Limit};

/// A code to be sent.
pub(super) struct NewCode<'a, C> {
    pub site: &'a Arc<Site>,
    pub email: &'a EmailAddress,
    /// Who asks.
    pub by: By<'a>,
    /// The browser that it is to work in, where it was asked for on a hosted page.
    pub browser: Option<BrowserId>,
    /// The device, as its cookie tells there.
    pub device: Option<&'a KnownDevice>,
    /// What its mail says, and so what the code is for.
    pub letter: MailFor,
    /// The language asked for.
    pub locale: Option<Locale>,
    /// What claiming it needs to know.
    pub context: &'a C,
    pub how: Issue,
}

impl Flows {
    /// Sends a code. Nothing happens if it was to replace one and none waits.
    pub(super) async fn send_code<C: Serialize>(&self, new: NewCode<'_, C>) -> Result<(), RequestCodeError> {
        let NewCode { site, email, .. } = new;
        let mut rng = system_rng();
        let challenge = ChallengeId::new();
        let slot = new.letter.slot();
        let address = self.keys.address_tag(email);
        let device =
            self.device_of(site, email, new.device).map(|device| self.keys.device_tag(device, email));
        let place = device.unwrap_or(address);
        let link = LinkToken::generate(place, &mut rng);
        let disown = DisownToken::generate(address, place, &mut rng);
        let short = SignInCode::generate(CodeKind::Short, &mut rng);
        let long = SignInCode::generate(CodeKind::Long, &mut rng);
        let mut job = MailJob {
            challenge: challenge.0,
            site: site.id.clone(),
            email: email.as_str().to_owned(),
            code: short.expose().to_owned(),
            // Only signing in can be done by opening a link: what changes or ends an account is typed.
            link: (slot == Slot::SignIn && site.confirm_page().is_some()).then(|| link.encode()),
            disown: site.disown_page().map(|_| disown.encode()),
            letter: new.letter,
            locale: new.locale.map(|locale| locale.tag().to_owned()),
            requested_at: self.clock.now(),
            device: device.map(AddressTag::to_hex),
        };
        let short_job = self.seal(Sealed::MailJob, "", &job)?;
        long.expose().clone_into(&mut job.code);
        let long_job = self.seal(Sealed::MailJob, "", &job)?;
        let mac = |code: &SignInCode| self.keys.code_mac(&site.id, slot, email, new.browser.as_ref(), code);
        let witness = self.witness(new.by, Some(email));
        let sending = self.sending(site, email, slot, Some(new.by), Some(&witness));
        let issued = self
            .codes
            .issue(&IssueCode {
                send: CountSend {
                    device,
                    // What strangers at the same network do is nothing to a device that has mails of its own.
                    client: sending.client.filter(|_| device.is_none()),
                    ..sending
                },
                challenge,
                short_mac: &mac(&short),
                long_mac: &mac(&long),
                link_mac: &self.keys.link_mac(&site.id, slot, &link.secret),
                context: &self.seal(Sealed::Challenge, &context_of(site, slot), new.context)?,
                short_job: &short_job,
                long_job: &long_job,
                how: new.how,
                stop_mac: &self.keys.stop_mac(&site.id, slot, &disown.secret),
            })
            .await;
        self.count_issued(site, slot, Some(new.by), &issued);
        refusal(issued?)
    }

    /// Counts a sending that has not happened: for a code that follows, or an answer that is worth as much to a stranger.
    /// Who asks is named where nothing else puts it on record.
    pub(super) async fn count_send(
        &self,
        site: &Site,
        email: &EmailAddress,
        slot: Slot,
        by: Option<By<'_>>,
    ) -> Result<(), RequestCodeError> {
        let witness = by.map(|by| self.witness(by, Some(email)));
        let issued = self.codes.count_send(&self.sending(site, email, slot, by, witness.as_ref())).await;
        self.count_issued(site, slot, by, &issued);
        refusal(issued?)
    }

    /// The device that a cookie tells of, where the owner of an address has signed in with it.
    pub(super) fn device_of<'a>(
        &self,
        site: &Site,
        email: &EmailAddress,
        told: Option<&'a KnownDevice>,
    ) -> Option<&'a KnownDevice> {
        told.filter(|device| device.knows(&site.id, email, &self.keys))
    }

    /// A sending, as limits count it. A client counts where one asks.
    fn sending<'a>(
        &self,
        site: &'a Site,
        email: &EmailAddress,
        slot: Slot,
        by: Option<By<'_>>,
        witness: Option<&'a Witness<'a>>,
    ) -> CountSend<'a> {
        CountSend {
            address: self.keys.address_tag(email),
            device: None,
            site: &site.id,
            slot,
            site_mails_per_hour: site.mails_per_hour,
            host: self.keys.mail_host_tag(email.domain()),
            client: by.map(|by| self.client_tags(by.visitor.ip)),
            witness,
        }
    }

    fn count_issued(&self, site: &Site, slot: Slot, by: Option<By<'_>>, issued: &Result<Issued, PortError>) {
        let (outcome, limit) = match issued {
            Ok(Issued::Queued(CodeKind::Short)) => (CodeIssue::Short, None),
            Ok(Issued::Queued(CodeKind::Long)) => (CodeIssue::Long, Some(Limit::AddressGuesses)),
            Ok(Issued::Counted) => (CodeIssue::Counted, None),
            Ok(Issued::NothingToReplace) => (CodeIssue::Nothing, None),
            Ok(Issued::TooSoon(_)) => (CodeIssue::TooSoon, Some(Limit::AddressMails)),
            Ok(Issued::Cooling(_)) => (CodeIssue::Cooling, Some(Limit::AddressCooling)),
            Ok(Issued::SiteBudget(_)) => (CodeIssue::SiteBudget, Some(Limit::SiteMails)),
            Ok(Issued::HostBudget(_)) => (CodeIssue::HostBudget, Some(Limit::HostMails)),
            Ok(Issued::ClientLimited(_)) => (CodeIssue::Client, Some(Limit::NetworkSends)),
            Err(_) => (CodeIssue::Failed, None),
        };
        self.metrics.codes.issued(&site.id, slot.as_str(), outcome);
        if let Some(limit) = limit {
            self.metrics.limits.hit(limit);
        }
        if let (Some(by), Ok(Issued::ClientLimited(_))) = (by, issued) {
            self.refusals.count(Refusal::Limited(Act::RequestCode), &site.id, by.visitor.ip);
        }
    }
}

/// What a challenge's sealed text is bound to: another site or purpose cannot open it.
pub(super) fn context_of(site: &Site, slot: Slot) -> String {
    format!("{}:{}", site.id, slot.as_str())
}

fn refusal(issued: Issued) -> Result<(), RequestCodeError> {
    match issued {
        Issued::Queued(_) | Issued::Counted | Issued::NothingToReplace => Ok(()),
        // Whether somebody disowned a code is nobody else's business.
        Issued::TooSoon(wait) | Issued::Cooling(wait) => Err(RequestCodeError::TooSoon(wait)),
        Issued::SiteBudget(wait) => Err(RequestCodeError::SiteBudget(wait)),
        Issued::HostBudget(wait) => Err(RequestCodeError::HostBudget(wait)),
        Issued::ClientLimited(wait) => Err(RequestCodeError::ClientLimited(wait)),
    }
}
