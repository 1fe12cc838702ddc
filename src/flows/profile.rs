//! A signed-in person reads and changes what the platform keeps about them, and asks what they may do where.
//!
//! From here on the database decides: every statement runs in the caller's name, and its policies say which rows there
//! are. Nothing here knows who may do what.

use std::sync::Arc;

use serde_json::Value;

use super::{Flows, Visitor};
use crate::domain::fields::FieldError;
use crate::domain::{Change, Preferences, Profile, PublicProfile, Site, UserId};
use crate::ports::db::{ActError, Admitted, Bearer, CallerTx, Identity};
use crate::ports::tokens::{Claims, TokenError};
use crate::ports::{Dependency, PortError};

/// The bearer of an access token that was found in order.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The site it was issued for and presented on.
    pub site: Arc<Site>,
    /// What it says.
    pub claims: Claims,
    /// Who presents it.
    pub visitor: Visitor,
}

/// Why the platform's data stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The token is no live one of this site.
    #[error("the token was refused")]
    Token(#[from] TokenError),
    /// The account is gone.
    #[error("there is no such account")]
    NoUser,
    /// The session was ended.
    #[error("there is no such session")]
    NoSession,
    /// The account is banned.
    #[error("the account is banned")]
    Banned,
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
    /// Begins a transaction in the caller's name.
    pub(super) async fn admit(&self, caller: &Caller) -> Result<CallerTx, LibraryError> {
        let claims = caller.claims_as_json()?;
        admitted(self.db.admit(&caller.bearer(), &caller.identity(&claims)).await?)
    }

    /// The caller's own profile.
    ///
    /// # Errors
    /// A [`LibraryError`].
    pub async fn own_profile(&self, caller: &Caller) -> Result<Profile, LibraryError> {
        Ok(self.admit(caller).await?.own_profile().await?)
    }

    /// Changes the caller's own profile, if it still is the version that the change was made on.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing changed.
    pub async fn change_profile(
        &self,
        caller: &Caller,
        version: i32,
        change: &Change,
    ) -> Result<Profile, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let profile = transaction.change_profile(version, change).await?;
        transaction.commit().await?;
        Ok(profile)
    }

    /// What the caller may see of somebody's profile.
    ///
    /// # Errors
    /// A [`LibraryError`]; a profile that its owner keeps to themselves is missing.
    pub async fn public_profile(&self, caller: &Caller, id: UserId) -> Result<PublicProfile, LibraryError> {
        Ok(self.admit(caller).await?.public_profile(id).await?)
    }

    /// The caller's own preferences.
    ///
    /// # Errors
    /// A [`LibraryError`].
    pub async fn own_preferences(&self, caller: &Caller) -> Result<Preferences, LibraryError> {
        Ok(self.admit(caller).await?.own_preferences().await?)
    }

    /// Changes the caller's own preferences, if they still are the version that the change was made on.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing changed.
    pub async fn change_preferences(
        &self,
        caller: &Caller,
        version: i32,
        change: &Change,
    ) -> Result<Preferences, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let preferences = transaction.change_preferences(version, change).await?;
        transaction.commit().await?;
        Ok(preferences)
    }

    /// What the caller may do at which library, fresh from the database.
    ///
    /// # Errors
    /// A [`LibraryError`].
    pub async fn permissions(&self, caller: &Caller) -> Result<Value, LibraryError> {
        let claims = caller.claims_as_json()?;
        admitted(self.db.permissions(&caller.bearer(), &caller.identity(&claims)).await?)
    }
}

impl Caller {
    fn bearer(&self) -> Bearer<'_> {
        let (user, session) = self.claims.bearer();
        Bearer { user, session, site: &self.site.id }
    }

    fn claims_as_json(&self) -> Result<String, PortError> {
        serde_json::to_string(&self.claims)
            .map_err(|error| PortError::unexpected(Dependency::Database, error))
    }

    fn identity<'a>(&'a self, claims: &'a str) -> Identity<'a> {
        Identity { claims, ip: self.visitor.ip, user_agent: self.visitor.user_agent.as_deref() }
    }
}

fn admitted<T>(admitted: Admitted<T>) -> Result<T, LibraryError> {
    match admitted {
        Admitted::Yes(admitted) => Ok(admitted),
        Admitted::NoUser => Err(LibraryError::NoUser),
        Admitted::NoSession => Err(LibraryError::NoSession),
        Admitted::Banned => Err(LibraryError::Banned),
    }
}
