//! Somebody asks for a code: limits, then one step in the code store that keeps its hash and queues its mail.
//!
//! Nothing is written to the database, and nothing depends on whether the address has an account: that is found out by
//! whoever sends the mail, after the answer is gone.

use std::sync::Arc;
use std::time::Duration;

use super::audit::By;
use super::sealed::{ChallengeContext, LinkWish, MailFor};
use super::send_code::NewCode;
use super::{Flows, Visitor};
use crate::domain::{BrowserId, CodeChallenge, EmailAddress, KnownDevice, Site, UserMetadata};
use crate::ports::PortError;
use crate::ports::codes::Issue;
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
    /// Where the mailed link is to lead in the end, as wished by a client library. What the site does not list is taken for
    /// its home.
    pub redirect_to: Option<&'a str>,
    /// Whoever opens the mailed link gets a code that only the one who asked can trade for a session (RFC 7636).
    pub challenge: Option<CodeChallenge>,
    /// The browser that the code is to work in; `None` for a client library, which has no say in that.
    pub browser: Option<BrowserId>,
    /// The device, as its cookie tells on a hosted page. It counts where the address's owner has signed in with it.
    pub device: Option<&'a KnownDevice>,
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
    /// The mail host has had its mails for this hour.
    #[error("the mail host has had its mails for this hour")]
    HostBudget(Duration),
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

impl Flows {
    /// Sends a code to an address.
    ///
    /// # Errors
    /// A [`RequestCodeError`]; in every case nothing was sent and nothing changed but the client's own count.
    pub async fn request_code(&self, ask: RequestCode<'_>) -> Result<(), RequestCodeError> {
        self.count_act(Act::RequestCode, ask.site, ask.visitor.ip)
            .map_err(RequestCodeError::ClientLimited)?;
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
            link: LinkWish {
                redirect_to: ask.redirect_to.map(|wished| ask.site.redirect_target(wished).into()),
                challenge: ask.challenge,
            },
        };
        self.send_code(NewCode {
            site: ask.site,
            email: ask.email,
            by: By::visitor(ask.visitor),
            browser: ask.browser,
            device: ask.device,
            letter: MailFor::SignIn { create },
            locale: ask.visitor.locale,
            context: &context,
            how: Issue::New,
        })
        .await
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
        self.count_act(Act::RequestCode, site, visitor.ip).map_err(RequestCodeError::ClientLimited)?;
        self.send_code(NewCode {
            site,
            email,
            by: By::visitor(visitor),
            browser: None,
            device: None,
            letter: MailFor::SignIn { create: site.sign_up },
            locale: visitor.locale,
            // What the waiting code was for stays with it.
            context: &(),
            how: Issue::Replacement,
        })
        .await
    }
}
