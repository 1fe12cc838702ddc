//! What administrators do: look at people, sites and queues, help, and change what only the server's owner may.
//!
//! How far an administrator's scope must reach is said where an operation is described, and checked there, before a
//! flow is called.

mod access_requests;
mod by_number;
mod figures;
mod libraries;
mod links;
mod mail;
mod once;
mod service_keys;
mod service_role;
mod sessions;
mod signing_keys;
mod staff;
mod users;

use std::net::IpAddr;

pub use self::libraries::LibraryPlan;
pub use self::links::{GenerateLink, GeneratedLink, LinkKind};
pub use self::once::Request;
pub use self::service_keys::{MadeServiceKey, ServiceKeyPlan};
pub use self::service_role::MadeServiceRoleToken;
pub use self::staff::{Person, StaffPlan};
use super::{Flows, RequestCodeError};
use crate::domain::fields::FieldError;
use crate::domain::{
    Administrator, AdministratorKind, AppMetadataError, EmailError, MetadataError, Scope, ServiceKey,
};
use crate::ports::db::{ActError, Actor, KeyActor, LiveServiceKey};
use crate::ports::tokens::TokenError;
use crate::ports::{Dependency, PortError};

/// An administrator, and where they call from.
#[derive(Debug, Clone)]
pub struct AdminCaller {
    /// Who it is.
    pub administrator: Administrator,
    /// Where the request came from; `None` on the machine itself.
    pub ip: Option<IpAddr>,
    /// What the client calls itself, at most 256 characters.
    pub agent: Option<String>,
}

impl AdminCaller {
    /// Whoever holds the server's configuration, at its command line.
    #[must_use]
    pub fn operator() -> Self {
        Self {
            administrator: Administrator { kind: AdministratorKind::Operator, scope: Scope::Admin },
            ip: None,
            agent: Some(concat!("doorcode/", env!("CARGO_PKG_VERSION")).to_owned()),
        }
    }

    /// Goes on only for who may do what needs this scope.
    pub(super) fn require(&self, scope: Scope) -> Result<(), AdminError> {
        if self.administrator.scope < scope { Err(AdminError::Scope(scope)) } else { Ok(()) }
    }

    pub(super) fn actor(&self) -> Actor<'_> {
        Actor { administrator: &self.administrator, ip: self.ip, agent: self.agent.as_deref() }
    }

    /// The same, as what is done to signing keys names them.
    #[must_use]
    pub fn key_actor(&self) -> KeyActor<'_> {
        let kind = self.administrator.kind;
        KeyActor { kind: kind.as_str(), id: kind.id(), ip: self.ip, agent: self.agent.as_deref() }
    }
}

/// Why an administrator's wish was not done. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The key is unknown, revoked or has ended.
    #[error("the service key was refused")]
    UnknownKey,
    /// The bearer is no service key, and no live token of ours.
    #[error("the token was refused")]
    Token(#[source] TokenError),
    /// The token is somebody's access token.
    #[error("the token is of another role")]
    NotAdministrator,
    /// The token names a session that is over.
    #[error("the session of the token is over")]
    SessionOver,
    /// Another request was sent under the same name before.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The server's owner does not allow links to be handed out.
    #[error("links are not handed out")]
    LinksOff,
    /// No mail can be sent now.
    #[error("no mail can be sent")]
    Mail(#[from] RequestCodeError),
    /// There is no account of this id or address; the field that named it.
    #[error("no such account")]
    NoSuchAccount(&'static str),
    /// Another account has the address, or the id.
    #[error("another account has the address or the id")]
    AccountExists,
    /// The scope does not reach so far.
    #[error("this needs a wider scope")]
    Scope(Scope),
    /// The address cannot be one.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// App metadata breaks a rule.
    #[error(transparent)]
    AppMetadata(#[from] AppMetadataError),
    /// User metadata breaks a rule.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The database refused the act.
    #[error("the act was refused")]
    Act(#[from] ActError),
    /// A value is out of its bounds.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A dependency failed.
    #[error("a dependency failed")]
    Unavailable(#[from] PortError),
}

impl Flows {
    /// Who administers with this service key.
    ///
    /// # Errors
    /// [`AdminError::UnknownKey`] for every text that is not a live key.
    pub async fn recognise_service_key(&self, text: &str) -> Result<Administrator, AdminError> {
        let (key, live) = self.live_service_key(text).await?;
        let scope = Scope::parse(&live.scope).ok_or_else(|| {
            PortError::unexpected(
                Dependency::Database,
                "a service key has a scope that this version does not know",
            )
        })?;
        Ok(Administrator { kind: AdministratorKind::ServiceKey(key.id), scope })
    }

    async fn live_service_key(&self, text: &str) -> Result<(ServiceKey, LiveServiceKey), AdminError> {
        let key = ServiceKey::parse(text).ok_or(AdminError::UnknownKey)?;
        let live = self.db.use_service_key(key.id).await?.ok_or(AdminError::UnknownKey)?;
        if self.keys.knows_service_key(&key, &live.sealed_hash) {
            Ok((key, live))
        } else {
            Err(AdminError::UnknownKey)
        }
    }
}
