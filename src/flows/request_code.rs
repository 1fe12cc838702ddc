//! Somebody asks for a code: limits, then one step in the code store that keeps its hash and queues its mail.
//!
//! Nothing is written to the database, and nothing depends on whether the address has an account: that is found out by
//! whoever sends the mail, after the answer is gone.

use std::sync::Arc;
use std::time::Duration;

use super::sealed::{ChallengeContext, LinkToken, MailJob};
use super::{Flows, Visitor, system_rng};
use crate::domain::keys::Sealed;
use crate::domain::{BrowserId, ChallengeId, CodeKind, EmailAddress, Locale, SignInCode, Site, UserMetadata};
use crate::ports::PortError;
use crate::ports::codes::{IssueCode, Issued};
use crate::ports::limits::Act;

/// A request for a code.
#[derive(Debug)]
pub struct RequestCode<'a> {
    /// The site it is for.
    pub site: &'a Arc<Site>,
    /// Where the code goes.
    pub email: &'a EmailAddress,
    /// Whether the person wants an account if there is none; the site decides whether one may be made.
    pub create_user: bool,
    /// For a new account only.
    pub metadata: UserMetadata,
    /// The browser that the code is to work in; `None` for a client library, which has no say in that.
    pub browser: Option<BrowserId>,
    /// Who asks.
    pub visitor: &'a Visitor,
}

/// Why no code was sent.
#[derive(Debug, thiserror::Error)]
pub enum RequestCodeError {
    /// This client asked too often.
    #[error("too many requests from this client")]
    ClientLimited(Duration),
    /// This address has had its mails for now.
    #[error("this address has had its mails for now")]
    TooSoon(Duration),
    /// The site has sent its mails for this hour.
    #[error("the site has sent its mails for this hour")]
    SiteBudget(Duration),
    /// No account, and the person did not ask for one. Only where the site reveals that.
    #[error("there is no account, and none was asked for")]
    NoAccount,
    /// No account, and the site makes none. Only where the site reveals that.
    #[error("there is no account, and the site makes none")]
    SignUpClosed,
    /// A dependency failed.
    #[error("a dependency failed")]
    Unavailable(#[from] PortError),
}

/// How a code was asked for.
struct Asked {
    browser: Option<BrowserId>,
    locale: Option<Locale>,
    only_replace: bool,
}

impl Flows {
    /// Sends a code to an address.
    ///
    /// # Errors
    /// A [`RequestCodeError`]; in every case nothing was sent and nothing changed but the client's own count.
    pub async fn request_code(&self, ask: RequestCode<'_>) -> Result<(), RequestCodeError> {
        self.limits.count(Act::RequestCode, ask.visitor.ip).map_err(RequestCodeError::ClientLimited)?;
        let create = ask.create_user && ask.site.sign_up;
        if ask.site.reveal_unknown_accounts && !create && !self.db.has_account(ask.email).await? {
            return Err(if ask.create_user {
                RequestCodeError::SignUpClosed
            } else {
                RequestCodeError::NoAccount
            });
        }
        let context = ChallengeContext {
            email: ask.email.as_str().to_owned(),
            create,
            metadata: ask.metadata.as_object().clone(),
            locale: ask.visitor.locale.map(|locale| locale.tag().to_owned()),
        };
        let asked = Asked { browser: ask.browser, locale: ask.visitor.locale, only_replace: false };
        self.issue(ask.site, ask.email, asked, context).await
    }

    /// Sends another code in place of one that still waits, for the same purpose; does nothing if none does.
    ///
    /// # Errors
    /// As [`request_code`](Self::request_code).
    pub async fn resend_code(
        &self,
        site: &Arc<Site>,
        email: &EmailAddress,
        visitor: &Visitor,
    ) -> Result<(), RequestCodeError> {
        self.limits.count(Act::RequestCode, visitor.ip).map_err(RequestCodeError::ClientLimited)?;
        let unused = ChallengeContext {
            email: String::new(),
            create: site.sign_up,
            metadata: serde_json::Map::new(),
            locale: None,
        };
        let asked = Asked { browser: None, locale: visitor.locale, only_replace: true };
        self.issue(site, email, asked, unused).await
    }

    async fn issue(
        &self,
        site: &Arc<Site>,
        email: &EmailAddress,
        asked: Asked,
        context: ChallengeContext,
    ) -> Result<(), RequestCodeError> {
        let mut rng = system_rng();
        let challenge = ChallengeId::new();
        let address = self.keys.address_tag(email);
        let link = LinkToken::generate(address, &mut rng);
        let short = SignInCode::generate(CodeKind::Short, &mut rng);
        let long = SignInCode::generate(CodeKind::Long, &mut rng);
        let job = |code: &SignInCode| {
            let job = MailJob {
                challenge: challenge.0,
                site: site.id.clone(),
                email: email.as_str().to_owned(),
                code: code.expose().to_owned(),
                link: site.confirm_url.is_some().then(|| link.encode()),
                create: context.create,
                locale: asked.locale.map(|locale| locale.tag().to_owned()),
                requested_at: self.clock.now(),
            };
            self.seal(Sealed::MailJob, "", &job)
        };
        let mac = |code: &SignInCode| self.keys.code_mac(&site.id, email, asked.browser.as_ref(), code);
        let issued = self
            .codes
            .issue(&IssueCode {
                address,
                site: &site.id,
                site_mails_per_hour: site.mails_per_hour,
                challenge,
                short_mac: &mac(&short),
                long_mac: &mac(&long),
                link_mac: &self.keys.link_mac(&site.id, &link.secret),
                context: &self.seal(Sealed::Challenge, &site.id, &context)?,
                short_job: &job(&short)?,
                long_job: &job(&long)?,
                only_replace: asked.only_replace,
            })
            .await?;
        match issued {
            Issued::Queued(_) | Issued::NothingToReplace => Ok(()),
            Issued::TooSoon(wait) => Err(RequestCodeError::TooSoon(wait)),
            Issued::SiteBudget(wait) => Err(RequestCodeError::SiteBudget(wait)),
        }
    }
}
