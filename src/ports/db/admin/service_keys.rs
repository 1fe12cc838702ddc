//! `auth.service_keys`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Actor, CreationTx};
use crate::domain::{Page, ServiceKeyRecord};
use crate::ports::PortError;
use crate::ports::db::{ActError, Db};

/// A service key to be.
#[derive(Debug, Clone)]
pub struct NewServiceKey<'a> {
    /// Names it.
    pub id: Uuid,
    /// What it is for.
    pub name: &'a str,
    /// `read`, `support` or `admin`.
    pub scope: &'a str,
    /// The site that it speaks for where the host of a request names none.
    pub site: Option<&'a str>,
    /// The hash of its secret, sealed.
    pub sealed: &'a [u8],
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What is known of a live key.
#[derive(Debug)]
pub struct LiveServiceKey {
    /// `read`, `support` or `admin`.
    pub scope: String,
    /// The site that it speaks for where the host of a request names none.
    pub site: Option<String>,
    /// The hash of its secret, sealed.
    pub sealed_hash: Vec<u8>,
}

impl Db {
    /// A key that is live, of which it is noted that it was used.
    pub async fn use_service_key(&self, id: Uuid) -> Result<Option<LiveServiceKey>, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_as!(
                LiveServiceKey,
                r#"with live as (
                         select id, scope, site, sealed_hash, last_used_at from auth.service_keys
                          where id = $1 and revoked_at is null and coalesce(expires_at > now(), true)
                       ), noted as (
                         update auth.service_keys k set last_used_at = now()
                           from live where k.id = live.id
                            and coalesce(live.last_used_at < now() - interval '1 minute', true)
                       )
                       select scope, site, sealed_hash from live"#,
                id,
            );
            Box::pin(statement.fetch_optional(sql))
        })
        .await
    }

    /// The service keys, newest first, revoked ones too.
    pub async fn list_service_keys(&self, page: Page) -> Result<Vec<ServiceKeyRecord>, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_as!(
                ServiceKeyRecord,
                "select id, name, scope, site, expires_at, revoked_at, last_used_at, created_at
                   from auth.service_keys
                  where $2::uuid is null
                     or (created_at, id) < (select k.created_at, k.id from auth.service_keys k where k.id = $2)
                  order by created_at desc, id desc limit $1",
                page.limit,
                page.after,
            );
            Box::pin(statement.fetch_all(sql))
        })
        .await
    }

    /// Revokes a key for good. `false` if there is none, or it was revoked before.
    pub async fn revoke_service_key(&self, actor: &Actor<'_>, id: Uuid) -> Result<bool, PortError> {
        let revoked = self
            .run(|sql| {
                let statement = sqlx::query!(
                    "with revoked as (
                       update auth.service_keys set revoked_at = now() where id = $1 and revoked_at is null
                       returning id, name, scope
                     )
                     insert into auth.audit_log (actor_kind, actor_id, action, target_id, ip, agent, details)
                     select $2, $3, 'service_key_revoked', id, $4::text::inet, $5,
                            jsonb_build_object('name', name, 'scope', scope)
                       from revoked",
                    id,
                    actor.kind(),
                    actor.id(),
                    actor.ip(),
                    actor.agent,
                );
                Box::pin(statement.execute(sql))
            })
            .await?;
        Ok(revoked.rows_affected() > 0)
    }
}

impl CreationTx {
    /// Keeps a new service key.
    pub async fn insert_service_key(
        &mut self,
        actor: &Actor<'_>,
        key: &NewServiceKey<'_>,
    ) -> Result<ServiceKeyRecord, ActError> {
        Ok(sqlx::query_as!(
            ServiceKeyRecord,
            "with made as (
               insert into auth.service_keys (id, name, scope, sealed_hash, expires_at, site)
               values ($1, $2, $3, $4, $5, $10)
               returning id, name, scope, site, expires_at, revoked_at, last_used_at, created_at
             ), noted as (
               insert into auth.audit_log (actor_kind, actor_id, action, target_id, ip, agent, details)
               select $6, $7, 'service_key_made', id, $8::text::inet, $9,
                      jsonb_build_object('name', name, 'scope', scope, 'site', site, 'expires_at', expires_at)
                 from made
             )
             select id, name, scope, site, expires_at, revoked_at, last_used_at, created_at from made",
            key.id,
            key.name,
            key.scope,
            key.sealed,
            key.expires_at,
            actor.kind(),
            actor.id(),
            actor.ip(),
            actor.agent,
            key.site,
        )
        .fetch_one(self.connection())
        .await?)
    }
}
