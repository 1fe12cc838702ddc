//! Service keys: made, listed, revoked.

use chrono::{DateTime, Utc};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::once::Begun;
use super::{AdminCaller, AdminError, Flows, Request};
use crate::domain::fields::{self, FieldError};
use crate::domain::{Page, Scope, ServiceKey, ServiceKeyRecord};
use crate::flows::{Part, system_rng};
use crate::ports::db::{ActError, NewServiceKey};
use crate::ports::{Dependency, PortError};

/// A site that is not there.
pub(super) const NO_SITE: FieldError =
    FieldError { field: "site", rule: "must be the id of a site of this server" };

/// A service key to be.
#[derive(Debug, Clone)]
pub struct ServiceKeyPlan {
    /// What it is for.
    pub name: String,
    /// How far it reaches.
    pub scope: Scope,
    /// The site that it speaks for where the host of a request names none. It limits nothing.
    pub site: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A new service key: the one time that it is shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct MadeServiceKey {
    /// Names it.
    pub id: Uuid,
    /// The key itself.
    pub key: String,
    /// What it is for.
    pub name: String,
    /// How far it reaches.
    pub scope: String,
    /// The site that it speaks for where the host of a request names none.
    pub site: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Flows {
    /// The service keys, newest first, revoked ones too.
    ///
    /// # Errors
    /// If the database is out of reach.
    pub async fn service_keys(&self, page: Page) -> Result<Part<ServiceKeyRecord>, AdminError> {
        Ok(Part::of(self.db.list_service_keys(page).await?, page, |key| key.id))
    }

    /// Makes a service key.
    ///
    /// # Errors
    /// An [`AdminError`]; then there is none.
    pub async fn make_service_key(
        &self,
        caller: &AdminCaller,
        plan: &ServiceKeyPlan,
        request: &Request<'_>,
    ) -> Result<MadeServiceKey, AdminError> {
        let name = fields::line("name", &plan.name, 100, "must be 1 to 100 printable characters")?;
        if plan.expires_at.is_some_and(|at| at <= self.now()) {
            return Err(FieldError { field: "expires_at", rule: "must be in the future" }.into());
        }
        if plan.site.as_deref().is_some_and(|site| self.sites.find(site).is_none()) {
            return Err(NO_SITE.into());
        }
        let mut once = match self.begin_once(caller, request).await? {
            Begun::Before(answer) => return Ok(answer),
            Begun::Now(once) => once,
        };
        let mut key = ServiceKey { id: Uuid::now_v7(), secret: [0; 32] };
        system_rng().fill_bytes(&mut key.secret);
        let sealed = self.keys.seal_service_key(&key);
        let sealed = sealed.map_err(|error| PortError::unexpected(Dependency::Database, error))?;
        let new = NewServiceKey {
            id: key.id,
            name: &name,
            scope: plan.scope.as_str(),
            site: plan.site.as_deref(),
            sealed: &sealed,
            expires_at: plan.expires_at,
        };
        let made = once.tx.insert_service_key(&caller.actor(), &new).await;
        self.finish_once(once, made.map(|stored| MadeServiceKey::of(stored, &key))).await
    }

    /// Revokes a service key: from now on it opens nothing.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`] if there is no such live key.
    pub async fn revoke_service_key(&self, caller: &AdminCaller, id: Uuid) -> Result<(), AdminError> {
        if self.db.revoke_service_key(&caller.actor(), id).await? {
            Ok(())
        } else {
            Err(ActError::Missing.into())
        }
    }
}

impl MadeServiceKey {
    fn of(stored: ServiceKeyRecord, key: &ServiceKey) -> Self {
        Self {
            id: stored.id,
            key: key.expose(),
            name: stored.name,
            scope: stored.scope,
            site: stored.site,
            expires_at: stored.expires_at,
            created_at: stored.created_at,
        }
    }
}
