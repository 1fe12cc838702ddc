//! What a browser keeps between asking for a code and typing it: sealed, so that nothing of it is in a page's address and
//! nobody who reads the cookie learns the mail address.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Flows;
use crate::domain::keys::Sealed;
use crate::domain::{EmailAddress, Site};
use crate::ports::PortError;

/// How far a sign-in on the hosted pages has come.
#[derive(Debug, Clone, PartialEq)]
pub struct SignInProgress {
    /// Where the code went.
    pub email: EmailAddress,
    /// Where the person wants to go; one of the site's destinations.
    pub redirect_to: Option<String>,
    /// When the newest code was asked for.
    pub asked_at: DateTime<Utc>,
    /// How often it was typed wrongly here: for the words on the page alone, the store keeps the count that matters.
    pub wrong: u8,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    email: String,
    redirect_to: Option<String>,
    asked_at: DateTime<Utc>,
    wrong: u8,
}

impl Flows {
    /// The text a browser of `site` keeps, in characters that a cookie may hold.
    ///
    /// # Errors
    /// Only if the system has no randomness left.
    pub fn seal_progress(&self, site: &Site, progress: &SignInProgress) -> Result<String, PortError> {
        let kept = Kept {
            email: progress.email.as_str().to_owned(),
            redirect_to: progress.redirect_to.clone(),
            asked_at: progress.asked_at,
            wrong: progress.wrong,
        };
        Ok(URL_SAFE_NO_PAD.encode(self.seal(Sealed::SignIn, &site.id, &kept)?))
    }

    /// Reads that text. `None` for what we did not seal for this site, and once the code it is about has died.
    #[must_use]
    pub fn open_progress(&self, site: &Site, sealed: &str) -> Option<SignInProgress> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let kept: Kept = self.open(Sealed::SignIn, &site.id, &sealed).ok()?;
        // Twice its life: a page that says "expired" is clearer than one that has forgotten.
        let age = self.clock.now().signed_duration_since(kept.asked_at).to_std().unwrap_or_default();
        (age < self.code_life * 2).then_some(())?;
        Some(SignInProgress {
            email: EmailAddress::parse(&kept.email).ok()?,
            redirect_to: kept.redirect_to,
            asked_at: kept.asked_at,
            wrong: kept.wrong,
        })
    }
}
