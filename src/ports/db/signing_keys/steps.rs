//! The steps in a key's life that the server takes of itself, and promotion, which an administrator can ask for too.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{KeyActor, NewSigningKey, seconds};
use crate::ports::PortError;
use crate::ports::db::Db;

impl Db {
    /// Keeps a new key that signs at once, unless the site has one that does.
    pub async fn insert_active_key(&self, key: &NewSigningKey) -> Result<bool, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_scalar!(
                r#"with made as (
                     insert into auth.signing_keys (kid, site, alg, public_jwk, wrapped_private_key, state,
                                                    activated_at, token_life_secs)
                     select $1, $2, $3, $4, $5, 'active', now(), $6
                      where not exists (select from auth.signing_keys where site = $2 and state = 'active')
                         on conflict do nothing
                     returning kid, site, alg
                   ), logged as (
                     insert into auth.audit_log (actor_kind, action, site, details)
                     select 'system', act.action, made.site, jsonb_build_object('kid', made.kid, 'alg', made.alg)
                       from made, unnest(array['signing_key_made', 'signing_key_activated']) as act (action)
                   )
                   select count(*) > 0 as "made!" from made"#,
                key.kid,
                key.site,
                key.algorithm.as_str(),
                key.public_jwk,
                key.wrapped_private_key,
                seconds(key.token_life),
            );
            Box::pin(statement.fetch_one(sql))
        })
        .await
    }

    /// Keeps a new key that will sign, unless `after` does not sign any more or has a successor. It becomes active when
    /// `after` has signed for `signs_for` and it was itself published for `publish_ahead`: the answer says when.
    pub async fn insert_next_key(
        &self,
        key: &NewSigningKey,
        after: &str,
        signs_for: Duration,
        publish_ahead: Duration,
        actor: KeyActor<'_>,
    ) -> Result<Option<DateTime<Utc>>, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_scalar!(
                r#"with made as (
                     insert into auth.signing_keys (kid, site, alg, public_jwk, wrapped_private_key, state,
                                                    promote_at, token_life_secs)
                     select $1, $2, $3, $4, $5, 'next',
                            greatest(coalesce(k.activated_at, k.created_at) + make_interval(secs => $8),
                                     now() + make_interval(secs => $9)), $6
                       from auth.signing_keys k where k.kid = $7 and k.site = $2 and k.state = 'active'
                         on conflict do nothing
                     returning kid, site, alg, promote_at
                   ), logged as (
                     insert into auth.audit_log (actor_id, actor_kind, action, site, ip, agent, details)
                     select $10, $11, 'signing_key_made', site, $12::text::inet, $13,
                            jsonb_build_object('kid', kid, 'alg', alg, 'promote_at', promote_at)
                       from made
                   )
                   select promote_at as "promote_at!" from made"#,
                key.kid,
                key.site,
                key.algorithm.as_str(),
                key.public_jwk,
                key.wrapped_private_key,
                seconds(key.token_life),
                after,
                signs_for.as_secs_f64(),
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

    /// Lets a next key sign, in place of whichever did on its site, if its time has come and it was published for long
    /// enough. Those that signed are kept for `token_life`, or for as long as a token of theirs may live, and `beyond`.
    pub async fn promote_key(
        &self,
        kid: &str,
        publish_ahead: Duration,
        token_life: Duration,
        beyond: Duration,
        actor: KeyActor<'_>,
    ) -> Result<bool, PortError> {
        let promoted = self
            .run(|sql| {
                // The next key is locked first, so that of two promotions the second finds nothing due. A site's active key
                // is unique at every moment: the old one steps back before the new one steps forward, because the count of
                // the former is asked for before the latter is looked for.
                let statement = sqlx::query_scalar!(
                    r#"with due as (
                         select kid, site from auth.signing_keys
                          where kid = $1 and state = 'next' and promote_at <= now()
                            and created_at + make_interval(secs => $2) <= now()
                            for update
                       ), retired as (
                         update auth.signing_keys k
                            set state = 'retiring', retired_at = now(),
                                drop_at = now() + make_interval(secs => greatest(k.token_life_secs, $3) + $4)
                           from due where k.site = due.site and k.state = 'active'
                         returning k.kid, k.site, k.alg, k.drop_at
                       ), promoted as (
                         update auth.signing_keys k
                            set state = 'active', activated_at = now(), token_life_secs = $3
                           from due where k.kid = due.kid and (select count(*) from retired) >= 0
                         returning k.kid, k.site, k.alg
                       ), logged as (
                         insert into auth.audit_log (actor_id, actor_kind, action, site, ip, agent, details)
                         select $5, $6, act.action, act.site, $7::text::inet, $8, act.details
                           from (select 'signing_key_retired' as action, site,
                                        jsonb_build_object('kid', kid, 'alg', alg, 'drop_at', drop_at) as details
                                   from retired
                                 union all
                                 select 'signing_key_activated', site, jsonb_build_object('kid', kid, 'alg', alg)
                                   from promoted) as act
                       )
                       select count(*) > 0 as "promoted!" from promoted"#,
                    kid,
                    publish_ahead.as_secs_f64(),
                    seconds(token_life),
                    seconds(beyond),
                    actor.id,
                    actor.kind,
                    actor.ip(),
                    actor.agent,
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await;
        lost_if_rivalled(promoted)
    }

    /// Lets an active key sign no more, if another of its site does.
    pub async fn retire_key(
        &self,
        kid: &str,
        token_life: Duration,
        beyond: Duration,
    ) -> Result<bool, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_scalar!(
                r#"with retired as (
                     update auth.signing_keys k
                        set state = 'retiring', retired_at = now(),
                            drop_at = now() + make_interval(secs => greatest(k.token_life_secs, $2) + $3)
                      where k.kid = $1 and k.state = 'active'
                        and exists (select from auth.signing_keys o
                                     where o.site = k.site and o.state = 'active' and o.kid <> k.kid)
                     returning k.kid, k.site, k.alg, k.drop_at
                   ), logged as (
                     insert into auth.audit_log (actor_kind, action, site, details)
                     select 'system', 'signing_key_retired', site,
                            jsonb_build_object('kid', kid, 'alg', alg, 'drop_at', drop_at)
                       from retired
                   )
                   select count(*) > 0 as "retired!" from retired"#,
                kid,
                seconds(token_life),
                seconds(beyond),
            );
            Box::pin(statement.fetch_one(sql))
        })
        .await
    }

    /// Lets a retiring key go whose last token has died, or a next key that is nobody's.
    pub async fn drop_key(&self, kid: &str) -> Result<bool, PortError> {
        self.run(|sql| {
            let statement = sqlx::query_scalar!(
                r#"with gone as (
                     update auth.signing_keys set state = 'gone'
                      where kid = $1 and ((state = 'retiring' and drop_at <= now())
                                          or (state = 'next' and promote_at <= now()))
                     returning kid, site, alg
                   ), logged as (
                     insert into auth.audit_log (actor_kind, action, site, details)
                     select 'system', 'signing_key_gone', site, jsonb_build_object('kid', kid, 'alg', alg) from gone
                   )
                   select count(*) > 0 as "gone!" from gone"#,
                kid,
            );
            Box::pin(statement.fetch_one(sql))
        })
        .await
    }

    /// Notes that an active key signs tokens of this life from now on.
    pub async fn prolong_key(&self, kid: &str, token_life: Duration) -> Result<(), PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "update auth.signing_keys set token_life_secs = $2
                  where kid = $1 and state = 'active' and token_life_secs < $2",
                kid,
                seconds(token_life),
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }
}

/// Somebody else made a key active at the same moment (`unique_violation`): theirs counts.
fn lost_if_rivalled(done: Result<bool, PortError>) -> Result<bool, PortError> {
    match done {
        Err(PortError::Unexpected { source, .. })
            if source
                .downcast_ref::<sqlx::Error>()
                .and_then(sqlx::Error::as_database_error)
                .is_some_and(sqlx::error::DatabaseError::is_unique_violation) =>
        {
            Ok(false)
        }
        done => done,
    }
}
