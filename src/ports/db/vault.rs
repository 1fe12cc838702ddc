//! What is kept encrypted at rest, read and written anew by the owner of the tables: the server's own role may rewrite
//! neither the private part of a key nor anything else here.

use chrono::{DateTime, Utc};

use super::{Owner, db_error};
use crate::ports::PortError;

/// Rows that are read at once.
pub const VAULT_PAGE: i64 = 500;

/// A table with something sealed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultTable {
    /// The private parts of signing keys that are not gone.
    SigningKeys,
    /// The hashes of service keys that are not revoked.
    ServiceKeys,
    /// Mails in the outbox.
    Mails,
    /// Answers to creations, kept for a day.
    Answers,
}

/// Something sealed.
#[derive(Debug, Clone)]
pub struct SealedRow {
    /// Names it in its table.
    pub id: String,
    /// What is sealed.
    pub sealed: Vec<u8>,
}

/// The tables, as their owner sees them.
#[derive(Debug)]
pub struct Vault {
    owner: Owner,
}

impl Vault {
    /// What the owner of the tables can open.
    #[must_use]
    pub fn of(owner: Owner) -> Self {
        Self { owner }
    }

    /// The next page of a table, in order of id.
    pub async fn page(&mut self, table: VaultTable, after: &str) -> Result<Vec<SealedRow>, PortError> {
        let rows = match table {
            VaultTable::SigningKeys => {
                sqlx::query_as!(
                    SealedRow,
                    "select kid as id, wrapped_private_key as sealed from auth.signing_keys
                      where state <> 'gone' and kid > $1 order by kid limit $2",
                    after,
                    VAULT_PAGE,
                )
                .fetch_all(&mut self.owner.connection)
                .await
            }
            VaultTable::ServiceKeys => {
                sqlx::query_as!(
                    SealedRow,
                    r#"select id::text as "id!", sealed_hash as sealed from auth.service_keys
                        where revoked_at is null and coalesce(expires_at > now(), true) and id::text > $1
                        order by 1 limit $2"#,
                    after,
                    VAULT_PAGE,
                )
                .fetch_all(&mut self.owner.connection)
                .await
            }
            VaultTable::Mails => {
                sqlx::query_as!(
                    SealedRow,
                    r#"select id::text as "id!", sealed from auth.mail_outbox where id::text > $1 order by 1 limit $2"#,
                    after,
                    VAULT_PAGE,
                )
                .fetch_all(&mut self.owner.connection)
                .await
            }
            VaultTable::Answers => {
                sqlx::query_as!(
                    SealedRow,
                    r#"select administrator || '/' || key as "id!", answer as sealed from auth.idempotency_keys
                        where administrator || '/' || key > $1 order by 1 limit $2"#,
                    after,
                    VAULT_PAGE,
                )
                .fetch_all(&mut self.owner.connection)
                .await
            }
        };
        rows.map_err(db_error)
    }

    /// Puts `anew` in the place of what was read, unless somebody else has done so: whether this was it.
    pub async fn replace(
        &mut self,
        table: VaultTable,
        row: &SealedRow,
        anew: &[u8],
    ) -> Result<bool, PortError> {
        let (id, before) = (row.id.as_str(), row.sealed.as_slice());
        let done = match table {
            VaultTable::SigningKeys => {
                sqlx::query!(
                    "with rewrapped as (
                       update auth.signing_keys set wrapped_private_key = $3
                        where kid = $1 and wrapped_private_key = $2 and state <> 'gone'
                       returning kid, site, alg
                     )
                     insert into auth.audit_log (actor_kind, action, site, details)
                     select 'operator', 'signing_key_rewrapped', site, jsonb_build_object('kid', kid, 'alg', alg)
                       from rewrapped",
                    id,
                    before,
                    anew,
                )
                .execute(&mut self.owner.connection)
                .await
            }
            VaultTable::ServiceKeys => {
                sqlx::query!(
                    "update auth.service_keys set sealed_hash = $3 where id::text = $1 and sealed_hash = $2",
                    id,
                    before,
                    anew,
                )
                .execute(&mut self.owner.connection)
                .await
            }
            VaultTable::Mails => {
                sqlx::query!(
                    "update auth.mail_outbox set sealed = $3 where id::text = $1 and sealed = $2",
                    id,
                    before,
                    anew,
                )
                .execute(&mut self.owner.connection)
                .await
            }
            VaultTable::Answers => {
                sqlx::query!(
                    "update auth.idempotency_keys set answer = $3
                      where administrator || '/' || key = $1 and answer = $2",
                    id,
                    before,
                    anew,
                )
                .execute(&mut self.owner.connection)
                .await
            }
        };
        Ok(done.map_err(db_error)?.rows_affected() > 0)
    }

    /// When the last session that is open now ends at the latest.
    pub async fn last_session_end(&mut self) -> Result<Option<DateTime<Utc>>, PortError> {
        sqlx::query_scalar!("select max(not_after) from auth.sessions where not_after > now()")
            .fetch_one(&mut self.owner.connection)
            .await
            .map_err(db_error)
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.owner.close().await;
    }
}
