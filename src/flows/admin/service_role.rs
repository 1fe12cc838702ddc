//! Tokens of the role `service_role`: made for back ends of the wire's family, and recognised.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::once::Begun;
use super::service_keys::NO_SITE;
use super::{AdminCaller, AdminError, Flows, Request};
use crate::domain::fields::FieldError;
use crate::domain::{
    Administrator, AdministratorKind, Claim, Scope, ServiceKey, SessionId, Site, SiteError, UserId,
};
use crate::ports::db::{Bearer, Recognised};
use crate::ports::tokens::{RoleToken, TokenError};
use crate::ports::{Dependency, PortError};

/// The longest life of such a token. It cannot be taken back, but by revoking the key that signed it.
const LONGEST: u64 = 30 * 86_400;

/// A new token: the one time that it is shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct MadeServiceRoleToken {
    /// Names it in the audit log: its `jti`.
    pub id: Uuid,
    /// The token.
    pub token: String,
    /// The site that it is for.
    pub site: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

impl Flows {
    /// Makes a token of the role `service_role`, which may do what a service key of the scope `admin` may.
    ///
    /// # Errors
    /// An [`AdminError`]; then there is none.
    pub async fn make_service_role_token(
        &self,
        caller: &AdminCaller,
        site: &str,
        expires_in: u64,
        request: &Request<'_>,
    ) -> Result<MadeServiceRoleToken, AdminError> {
        let site = self.sites.find(site).ok_or(NO_SITE)?;
        if !(60..=LONGEST).contains(&expires_in) {
            let rule = "must be 60 seconds to 30 days (2592000)";
            return Err(FieldError { field: "expires_in", rule }.into());
        }
        let mut once = match self.begin_once(caller, request).await? {
            Begun::Before(answer) => return Ok(answer),
            Begun::Now(once) => once,
        };
        let id = Uuid::now_v7();
        let token = self
            .tokens
            .issue_service_role(site, id, Duration::from_secs(expires_in), self.now())
            .map_err(|error| PortError::unexpected(Dependency::Database, error))?;
        let expires_at = DateTime::from_timestamp(token.expires_at, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let noted = once.tx.note_service_role_token(&caller.actor(), id, &site.id, expires_at).await;
        let made = MadeServiceRoleToken { id, token: token.text, site: site.id.clone(), expires_at };
        self.finish_once(once, noted.map(|()| made)).await
    }

    /// Who administers with this bearer: a service key, or a token of the role `service_role` of any site.
    ///
    /// # Errors
    /// An [`AdminError`]: which one says what the bearer is instead.
    pub async fn recognise_administrator(&self, bearer: &str) -> Result<Administrator, AdminError> {
        if ServiceKey::is_meant(bearer) {
            return self.recognise_service_key(bearer).await;
        }
        let (site, read) = self.read_role(bearer).map_err(AdminError::Token)?;
        match read {
            RoleToken::Other => Err(AdminError::NotAdministrator),
            RoleToken::ServiceRole { session: None } => Ok(service_role()),
            RoleToken::ServiceRole { session: Some((session, user)) } => {
                let bearer = Bearer { user: UserId(user), session: SessionId(session), site: &site.id };
                match self.db.recognise(&bearer).await? {
                    Recognised::User(_) => Ok(service_role()),
                    _ => Err(AdminError::SessionOver),
                }
            }
        }
    }

    /// The site a request is for. Clients of the wire that administer send their secret key as the `apikey` too: it names
    /// the site that it speaks for, if any, and where nothing else names one, the only one there is.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn site_of(&self, claim: &Claim<'_>) -> Result<Result<&Arc<Site>, SiteError>, PortError> {
        let named = match claim.api_key {
            Some(key) if ServiceKey::is_meant(key) => match self.live_service_key(key).await {
                Ok((_, live)) => live.site.and_then(|site| self.sites.find(&site)),
                Err(AdminError::Unavailable(error)) => return Err(error),
                Err(_) => None,
            },
            Some(key) if key.starts_with("eyJ") => match self.read_role(key) {
                Ok((site, RoleToken::ServiceRole { .. })) => Some(site),
                _ => return Ok(self.sites.resolve(claim)),
            },
            _ => return Ok(self.sites.resolve(claim)),
        };
        let api_key = named.map(|site| site.publishable_key.as_str());
        let only = || self.sites.iter().next().filter(|_| self.sites.iter().count() == 1);
        Ok(match self.sites.resolve(&Claim { api_key, ..*claim }) {
            Err(SiteError::Unnamed) => only().ok_or(SiteError::Unnamed),
            resolved => resolved,
        })
    }

    /// Reads a token by the keys of whichever site has signed it.
    fn read_role(&self, token: &str) -> Result<(&Arc<Site>, RoleToken), TokenError> {
        let now = self.now();
        let read =
            self.sites.iter().map(|site| self.tokens.read_role(site, token, now).map(|read| (site, read)));
        let mut refusal = TokenError::UnknownKey;
        for outcome in read {
            match outcome {
                Err(TokenError::UnknownKey) => {}
                Err(error) => refusal = error,
                read => return read,
            }
        }
        Err(refusal)
    }
}

fn service_role() -> Administrator {
    Administrator { kind: AdministratorKind::ServiceRole, scope: Scope::Admin }
}
