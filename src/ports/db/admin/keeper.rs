//! Acting on libraries in the name of an administrator.
//!
//! Policies keep libraries and their staff even from the server. An administrator's transaction takes on a role of its
//! own, `doorcode_admin`, with who they are as the claims that the triggers of these tables write into the audit log. It
//! ends with the transaction, as every identity does.

use serde_json::json;

use super::{Actor, CreationTx};
use crate::ports::PortError;
use crate::ports::db::{Db, db_error};

impl Db {
    /// Begins an act on libraries, in the name of an administrator.
    pub async fn begin_as_keeper(&self, actor: &Actor<'_>) -> Result<CreationTx, PortError> {
        let mut transaction = self.begin_creation().await?;
        transaction.become_keeper(actor).await?;
        Ok(transaction)
    }
}

impl CreationTx {
    /// Takes on the role that may act on libraries, until [`CreationTx::step_back`].
    pub async fn become_keeper(&mut self, actor: &Actor<'_>) -> Result<(), PortError> {
        let claims = json!({"role": "doorcode_admin", "actor_kind": actor.kind(), "actor_id": actor.id()});
        sqlx::query!(
            r#"select set_config('request.jwt.claims', $1, true) as "claims!",
                      set_config('request.ip', $2, true) as "ip!",
                      set_config('request.user_agent', $3, true) as "agent!",
                      set_config('role', 'doorcode_admin', true) as "role!""#,
            claims.to_string(),
            actor.ip().unwrap_or_default(),
            actor.agent.unwrap_or_default(),
        )
        .fetch_one(self.connection())
        .await
        .map_err(db_error)?;
        Ok(())
    }

    /// Is the server itself again: the keeper's role cannot write to the server's own tables.
    pub async fn step_back(&mut self) -> Result<(), PortError> {
        sqlx::query!(
            r#"select set_config('role', 'none', true) as "role!", set_config('request.jwt.claims', '', true) as "claims!""#
        )
        .fetch_one(self.connection())
        .await
        .map_err(db_error)?;
        Ok(())
    }

    /// Queues a mail that goes out if, and only if, this transaction is kept. The server's own to do.
    pub async fn queue_mail(&mut self, sealed: &[u8]) -> Result<(), PortError> {
        sqlx::query!("insert into auth.mail_outbox (sealed) values ($1)", sealed)
            .execute(self.connection())
            .await
            .map_err(db_error)?;
        Ok(())
    }
}
