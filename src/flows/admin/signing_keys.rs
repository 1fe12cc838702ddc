//! Signing keys, as an administrator sees and changes them.

use super::{AdminCaller, AdminError, Flows};
use crate::domain::SigningKey;
use crate::domain::fields::FieldError;
use crate::flows::{KeyRotation, SigningKeysError};
use crate::ports::db::{ActError, RevokedKey};
use crate::ports::{Dependency, PortError};

/// At most so many are shown: a site has a handful, and those that are gone are history.
const MOST: i64 = 100;

impl Flows {
    /// The signing keys of all sites or one, newest first, at most 100.
    ///
    /// # Errors
    /// An [`AdminError`].
    pub async fn list_keys(&self, site: Option<&str>) -> Result<Vec<SigningKey>, AdminError> {
        Ok(self.signing_keys(site, MOST).await?)
    }

    /// Lets a site's next key sign, as soon as it was published for long enough.
    ///
    /// # Errors
    /// An [`AdminError`]; [`AdminError::Field`] if there is no such site.
    pub async fn rotate_key(&self, caller: &AdminCaller, site: &str) -> Result<KeyRotation, AdminError> {
        let site =
            self.sites.find(site).ok_or(FieldError { field: "site", rule: "must be the id of a site" })?;
        self.rotate_signing_key(site, caller.key_actor()).await.map_err(refused)
    }

    /// Ends a key at once, with every token that it signed.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`] if there is no such key, or it is gone.
    pub async fn revoke_key(&self, caller: &AdminCaller, kid: &str) -> Result<RevokedKey, AdminError> {
        self.revoke_signing_key(kid, caller.key_actor()).await.map_err(refused)
    }
}

fn refused(error: SigningKeysError) -> AdminError {
    match error {
        SigningKeysError::NoSuchKey => ActError::Missing.into(),
        SigningKeysError::Rivalled => {
            ActError::IllegalState("others are changing these keys".to_owned()).into()
        }
        SigningKeysError::Unavailable(error) => error.into(),
        broken @ (SigningKeysError::OtherMaster { .. } | SigningKeysError::Broken(_)) => {
            PortError::unexpected(Dependency::Database, broken).into()
        }
    }
}
