//! The bearer of an access token looks at their account, or changes it.

use super::{Flows, Visitor};
use crate::domain::{MetadataError, SessionId, Site, User, UserId, UserMetadata};
use crate::ports::PortError;
use crate::ports::db::{Bearer, Recognised, UserChange};
use crate::ports::tokens::{Claims, TokenError};

/// Why the bearer of an access token gets nothing.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
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
    /// The metadata breaks a bound.
    #[error("the metadata was refused")]
    Metadata(#[from] MetadataError),
    /// A dependency failed.
    #[error("a dependency failed")]
    Unavailable(#[from] PortError),
}

impl Flows {
    /// Reads an access token of `site`, without any I/O unless it names a key that we have not heard of.
    ///
    /// # Errors
    /// [`TokenError`] for everything that is not a live one.
    pub async fn read_token(&self, site: &Site, token: &str) -> Result<Claims, TokenError> {
        match self.tokens.verify(site, token, self.clock.now()) {
            Err(TokenError::UnknownKey) if self.look_for_new_key().await => {
                self.tokens.verify(site, token, self.clock.now())
            }
            read => read,
        }
    }

    /// The account of a token's bearer, whose session must still exist.
    ///
    /// # Errors
    /// An [`AccountError`].
    pub async fn who_am_i(
        &self,
        site: &Site,
        (user, session): (UserId, SessionId),
    ) -> Result<User, AccountError> {
        account(self.db.recognise(&Bearer { user, session, site: &site.id }).await?)
    }

    /// Merges metadata into the account of a token's bearer.
    ///
    /// # Errors
    /// An [`AccountError`]; then nothing changed.
    pub async fn change_metadata(
        &self,
        site: &Site,
        (user, session): (UserId, SessionId),
        metadata: UserMetadata,
        visitor: &Visitor,
    ) -> Result<User, AccountError> {
        let change = UserChange { metadata, ip: Some(visitor.ip), agent: visitor.user_agent.clone() };
        account(self.db.update_user(&Bearer { user, session, site: &site.id }, &change).await?)
    }
}

pub(super) fn account(recognised: Recognised) -> Result<User, AccountError> {
    match recognised {
        Recognised::User(user) => Ok(*user),
        Recognised::NoUser => Err(AccountError::NoUser),
        Recognised::NoSession => Err(AccountError::NoSession),
        Recognised::Banned => Err(AccountError::Banned),
        Recognised::TooMuch => Err(AccountError::Metadata(MetadataError::TooLarge)),
    }
}
