//! A creation and what it answered, kept together: the same request sent again creates nothing twice.
//!
//! The answer goes into `auth.idempotency_keys` in the transaction of the creation itself. Of two equal requests at once
//! the second waits at the unique key, is undone, and reads what the first answered.

use uuid::Uuid;

use crate::ports::PortError;
use crate::ports::db::pool::Connection;
use crate::ports::db::{ActError, Db, db_error};

/// A request to create something, as its sender names it.
#[derive(Debug, Clone)]
pub struct Creation {
    /// Who sends it; nil for those of whom there is one.
    pub administrator: Uuid,
    /// What they call the request.
    pub key: String,
    /// SHA-256 of the operation and the request.
    pub request_hash: [u8; 32],
}

/// A creation under way. Dropped without [`commit`](CreationTx::commit), it never happened.
pub struct CreationTx {
    connection: Connection,
}

/// What was answered before under the same name.
#[derive(Debug)]
pub enum Repeated {
    /// The same request: its sealed answer.
    Answer(Vec<u8>),
    /// Another request.
    Differs,
}

impl Db {
    /// Begins a creation, or another act that takes several statements.
    pub async fn begin_creation(&self) -> Result<CreationTx, PortError> {
        self.within_deadline(async {
            let mut connection = self.pool.acquire().await?;
            match connection.begin().await {
                Ok(()) => Ok(CreationTx { connection }),
                Err(error) => {
                    connection.give_back_after(&error);
                    Err(error)
                }
            }
        })
        .await
        .map_err(db_error)
    }

    /// What an earlier request of this name was answered.
    pub async fn find_answer(&self, creation: &Creation) -> Result<Option<Repeated>, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    "select request_hash, answer from auth.idempotency_keys where administrator = $1 and key = $2",
                    creation.administrator,
                    creation.key,
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        Ok(row.map(|row| {
            if row.request_hash == creation.request_hash {
                Repeated::Answer(row.answer)
            } else {
                Repeated::Differs
            }
        }))
    }

    /// Forgets answers that are older than a day.
    pub async fn forget_answers(&self) -> Result<(), PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "delete from auth.idempotency_keys where created_at < now() - interval '24 hours'"
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }
}

impl CreationTx {
    /// The connection, for the statements of this folder.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Keeps what was created.
    pub async fn commit(self) -> Result<(), PortError> {
        self.connection.commit().await.map_err(db_error)
    }

    /// Keeps what was created together with its answer.
    ///
    /// # Errors
    /// [`ActError::Duplicate`] if an equal request was quicker; then nothing of this one is kept.
    pub async fn commit_once(mut self, creation: &Creation, answer: &[u8]) -> Result<(), ActError> {
        sqlx::query!(
            "insert into auth.idempotency_keys (administrator, key, request_hash, answer) values ($1, $2, $3, $4)",
            creation.administrator,
            creation.key,
            &creation.request_hash[..],
            answer,
        )
        .execute(self.connection())
        .await?;
        Ok(self.commit().await?)
    }
}
