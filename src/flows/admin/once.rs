//! Creations that happen once, however often they are asked for under the same name (`Idempotency-Key`).

use aws_lc_rs::digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{AdminCaller, AdminError, Flows};
use crate::domain::fields::FieldError;
use crate::domain::keys::Sealed;
use crate::ports::db::{ActError, Creation, CreationTx, Repeated};
use crate::ports::{Dependency, PortError};

/// A request to create something, as it was sent.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The operation.
    pub operation: &'static str,
    /// Its body, in one form.
    pub body: String,
    /// What the sender calls it, if they care.
    pub key: Option<&'a str>,
}

/// A creation that has begun, or that was done before.
pub(super) enum Begun<T> {
    Now(Once),
    Before(T),
}

/// A creation under way.
pub(super) struct Once {
    pub tx: CreationTx,
    creation: Option<Creation>,
}

impl Flows {
    /// Begins a creation, unless it was done before.
    pub(super) async fn begin_once<T: DeserializeOwned>(
        &self,
        caller: &AdminCaller,
        request: &Request<'_>,
    ) -> Result<Begun<T>, AdminError> {
        let creation = creation(caller, request)?;
        if let Some(creation) = &creation
            && let Some(answer) = self.answered(creation).await?
        {
            return Ok(Begun::Before(answer));
        }
        Ok(Begun::Now(Once { tx: self.db.begin_creation().await?, creation }))
    }

    /// Keeps what was created, and its answer for the same request sent again.
    pub(super) async fn finish_once<T: Serialize + DeserializeOwned>(
        &self,
        once: Once,
        created: Result<T, ActError>,
    ) -> Result<T, AdminError> {
        let Once { tx, creation } = once;
        let Some(creation) = creation else {
            let answer = created?;
            tx.commit().await?;
            return Ok(answer);
        };
        let kept = match created {
            Ok(answer) => {
                let sealed = self.seal_answer(&creation, &answer)?;
                tx.commit_once(&creation, &sealed).await.map(|()| answer)
            }
            Err(error) => {
                drop(tx);
                Err(error)
            }
        };
        match kept {
            // There may be one already because an equal request made it a moment ago.
            Err(ActError::Duplicate) => self.answered(&creation).await?.ok_or(ActError::Duplicate.into()),
            kept => Ok(kept?),
        }
    }

    async fn answered<T: DeserializeOwned>(&self, creation: &Creation) -> Result<Option<T>, AdminError> {
        match self.db.find_answer(creation).await? {
            None => Ok(None),
            Some(Repeated::Differs) => Err(AdminError::KeyReused),
            Some(Repeated::Answer(sealed)) => {
                let json = self.keys.open(Sealed::Answer, &context(creation), &sealed).ok();
                let answer = json.and_then(|json| serde_json::from_slice(&json).ok());
                // Sealed under a master that is gone, or written by another version: it cannot be told again.
                Ok(Some(answer.ok_or_else(|| {
                    PortError::unexpected(Dependency::Database, "a kept answer cannot be read")
                })?))
            }
        }
    }

    fn seal_answer<T: Serialize>(&self, creation: &Creation, answer: &T) -> Result<Vec<u8>, AdminError> {
        let sealed = serde_json::to_vec(answer)
            .ok()
            .and_then(|json| self.keys.seal(Sealed::Answer, &context(creation), &json).ok());
        Ok(sealed
            .ok_or_else(|| PortError::unexpected(Dependency::Database, "an answer could not be sealed"))?)
    }
}

fn creation(caller: &AdminCaller, request: &Request<'_>) -> Result<Option<Creation>, FieldError> {
    let Some(key) = request.key else { return Ok(None) };
    if !(1..=255).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let rule = "must be 1 to 255 visible ASCII characters, such as a UUID";
        return Err(FieldError { field: "Idempotency-Key", rule });
    }
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(request.operation.as_bytes());
    hash.update(b"\n");
    hash.update(request.body.as_bytes());
    let mut request_hash = [0; 32];
    request_hash.copy_from_slice(hash.finish().as_ref());
    let administrator = caller.administrator.kind.id().unwrap_or(Uuid::nil());
    Ok(Some(Creation { administrator, key: key.to_owned(), request_hash }))
}

/// Binds a sealed answer to its request.
fn context(creation: &Creation) -> String {
    format!("{}/{}", creation.administrator, creation.key)
}
