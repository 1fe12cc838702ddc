//! What administrators do with signing keys: look, hasten the next one, revoke.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{KeyActor, KeyRow, NewSigningKey, seconds};
use crate::domain::SigningKey;
use crate::ports::PortError;
use crate::ports::db::Db;

/// A key that was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedKey {
    /// The site that signed with it.
    pub site: String,
    /// The key that signs in its place, if it signed.
    pub successor: Option<String>,
}

impl Db {
    /// Keys of all sites, or of one, the newest first; those that are gone too, at most so many.
    pub async fn list_key_records(
        &self,
        site: Option<&str>,
        limit: i64,
    ) -> Result<Vec<SigningKey>, PortError> {
        let rows = self
            .run(|sql| {
                let statement = sqlx::query_as!(
                    KeyRow,
                    "select kid, site, alg, state, created_at, activated_at, promote_at, retired_at, drop_at,
                            token_life_secs
                       from auth.signing_keys where $1::text is null or site = $1
                      order by created_at desc, kid limit $2",
                    site,
                    limit,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        rows.into_iter().map(SigningKey::try_from).collect()
    }

    /// Lets a next key become active as soon as it was published for long enough: when that is. `None` if it is not next.
    pub async fn hasten_key(
        &self,
        kid: &str,
        publish_ahead: Duration,
        actor: KeyActor<'_>,
    ) -> Result<Option<DateTime<Utc>>, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_scalar!(
                r#"with hastened as (
                     update auth.signing_keys
                        set promote_at = least(promote_at,
                                               greatest(now(), created_at + make_interval(secs => $2)))
                      where kid = $1 and state = 'next'
                     returning kid, site, alg, promote_at
                   ), logged as (
                     insert into auth.audit_log (actor_id, actor_kind, action, site, ip, agent, details)
                     select $3, $4, 'signing_key_hastened', site, $5::text::inet, $6,
                            jsonb_build_object('kid', kid, 'alg', alg, 'promote_at', promote_at)
                       from hastened
                   )
                   select promote_at as "promote_at!" from hastened"#,
                kid,
                publish_ahead.as_secs_f64(),
                actor.id,
                actor.kind,
                actor.ip(),
                actor.agent,
            );
            Box::pin(statement.fetch_optional(sql))
        })
        .await
    }

    /// Ends a key at once, whatever its state. If it signed, `successor` does from now on. `None` if there is no such key,
    /// or it is gone already.
    pub async fn revoke_key(
        &self,
        kid: &str,
        successor: &NewSigningKey,
        actor: KeyActor<'_>,
    ) -> Result<Option<RevokedKey>, PortError> {
        let row = self
            .run(|sql| {
                // The successor is made after the end of the other, which is counted first: see `promote_key`.
                let statement = sqlx::query!(
                    r#"with doomed as (
                         select kid, site, state from auth.signing_keys
                          where kid = $1 and site = $3 and state <> 'gone' for update
                       ), gone as (
                         update auth.signing_keys k set state = 'gone'
                           from doomed where k.kid = doomed.kid
                         returning k.kid, k.site, k.alg
                       ), made as (
                         insert into auth.signing_keys (kid, site, alg, public_jwk, wrapped_private_key, state,
                                                        activated_at, token_life_secs)
                         select $2, $3, $4, $5, $6, 'active', now(), $7
                           from doomed where doomed.state = 'active' and (select count(*) from gone) > 0
                             on conflict do nothing
                         returning kid, site, alg
                       ), logged as (
                         insert into auth.audit_log (actor_id, actor_kind, action, site, ip, agent, details)
                         select $8, $9, act.action, act.site, $10::text::inet, $11,
                                jsonb_build_object('kid', act.kid, 'alg', act.alg)
                           from (select 'signing_key_revoked' as action, site, kid, alg from gone
                                 union all
                                 select action, site, kid, alg
                                   from made, unnest(array['signing_key_made', 'signing_key_activated']) as a (action)
                                ) as act
                       )
                       select gone.site, made.kid as "successor?" from gone left join made on true"#,
                    kid,
                    successor.kid,
                    successor.site,
                    successor.algorithm.as_str(),
                    successor.public_jwk,
                    successor.wrapped_private_key,
                    seconds(successor.token_life),
                    actor.id,
                    actor.kind,
                    actor.ip(),
                    actor.agent,
                );
                Box::pin(statement.fetch_optional(sql))
            })
            .await?;
        Ok(row.map(|row| RevokedKey { site: row.site, successor: row.successor }))
    }
}
