//! Somebody at the console: let in with a service key, or as the account that they are signed in with.
//!
//! Both are looked up anew at every request: a key that was revoked, or an account that lost its scope, is out at once.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AdminCaller, AdminError, Flows, Visitor};
use crate::domain::keys::Sealed;
use crate::domain::{Administrator, AdministratorKind, Scope, SessionId, Site, SiteKind};
use crate::ports::PortError;

/// Whoever is at the console.
#[derive(Debug, Clone)]
pub struct ConsoleEntry {
    /// The administrator, as the admin API takes them.
    pub caller: AdminCaller,
    /// What forms are bound to: this stay at the console.
    pub stay: SessionId,
    /// The address of the account; `None` for somebody with a service key.
    pub person: Option<String>,
}

/// A service key as a browser keeps it, for one stay at the console.
#[derive(Debug)]
pub struct ConsoleKey {
    /// Sealed, in characters that a cookie may hold.
    pub sealed: String,
    /// How long it is taken.
    pub life: Duration,
}

/// Why somebody does not get in.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The account has no part in administration.
    #[error("the account may not administer")]
    NotStaff,
    /// The database is out of reach.
    #[error("a dependency failed")]
    Unavailable(#[from] PortError),
}

#[derive(Serialize, Deserialize)]
struct Kept {
    stay: Uuid,
    key: String,
    until: DateTime<Utc>,
}

impl Flows {
    /// How long a service key stays in a browser. It is pasted again after that: keys are for machines.
    const CONSOLE_LIFE: Duration = Duration::from_secs(60 * 60);

    /// Lets somebody with a service key into the console on this host.
    ///
    /// # Errors
    /// [`AdminError::UnknownKey`] for every text that is not a live key.
    pub async fn open_console(&self, host: &str, key: &str) -> Result<ConsoleKey, AdminError> {
        self.recognise_service_key(key).await?;
        let until = self.now() + Self::CONSOLE_LIFE;
        let kept = Kept { stay: Uuid::now_v7(), key: key.to_owned(), until };
        let sealed = URL_SAFE_NO_PAD.encode(self.seal(Sealed::Console, host, &kept)?);
        Ok(ConsoleKey { sealed, life: Self::CONSOLE_LIFE })
    }

    /// Who is at the console with what [`open_console`](Self::open_console) gave their browser. `None` once it is over, or
    /// the key is.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn recognise_console_key(
        &self,
        host: &str,
        sealed: &str,
        visitor: &Visitor,
    ) -> Result<Option<ConsoleEntry>, AdminError> {
        let opened = URL_SAFE_NO_PAD.decode(sealed).ok();
        let kept = opened.and_then(|sealed| self.open::<Kept>(Sealed::Console, host, &sealed).ok());
        let Some(kept) = kept.filter(|kept| self.now() < kept.until) else { return Ok(None) };
        match self.recognise_service_key(&kept.key).await {
            Ok(administrator) => {
                let caller = caller(administrator, visitor);
                Ok(Some(ConsoleEntry { caller, stay: SessionId(kept.stay), person: None }))
            }
            Err(AdminError::UnknownKey) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Who is at the console with the session that a cookie of a management site stands for. `None` without a session.
    ///
    /// What counts is the account's `app_metadata.admin_scope` as the database has it now; nothing of a token.
    ///
    /// # Errors
    /// [`ConsoleError::NotStaff`] for an account without a scope, whatever else it may.
    pub async fn recognise_console_staff(
        &self,
        site: &Site,
        cookie: &str,
        visitor: &Visitor,
    ) -> Result<Option<ConsoleEntry>, ConsoleError> {
        let Some(session) = self.recognise_cookie(site, cookie, visitor).await? else { return Ok(None) };
        let named = session.user.app_metadata.get("admin_scope").and_then(serde_json::Value::as_str);
        let scope = named.and_then(Scope::parse).filter(|_| site.kind == SiteKind::Management);
        let scope = scope.ok_or(ConsoleError::NotStaff)?;
        let administrator = Administrator { kind: AdministratorKind::Staff(session.user.id.0), scope };
        let person = Some(session.user.email.as_str().to_owned());
        Ok(Some(ConsoleEntry { caller: caller(administrator, visitor), stay: session.id, person }))
    }

    /// The console of a host, as the proofs of its forms name it: no site has an id with a slash.
    #[must_use]
    pub fn console_place(host: &str) -> String {
        format!("/admin@{host}")
    }
}

fn caller(administrator: Administrator, visitor: &Visitor) -> AdminCaller {
    AdminCaller { administrator, ip: Some(visitor.ip), agent: visitor.user_agent.clone() }
}
