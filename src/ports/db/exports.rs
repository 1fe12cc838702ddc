//! People read out of `auth.users` in pages, whole, in the order of their ids.

use uuid::Uuid;

use super::answer::object;
use super::{Db, PortError};
use crate::domain::{EmailAddress, Locale, Newcomer, UserId};
use crate::ports::Dependency;

impl Db {
    /// The next people after an id, at most `limit`.
    pub async fn people_after(&self, after: Option<Uuid>, limit: i64) -> Result<Vec<Newcomer>, PortError> {
        let rows = self
            .read(|sql| {
                let statement = sqlx::query!(
                    "select id, email, email_confirmed_at, raw_user_meta_data, raw_app_meta_data, locale, banned_until,
                            last_sign_in_at, created_at, updated_at
                       from auth.users
                      where deleted_at is null and ($1::uuid is null or id > $1)
                      order by id limit $2",
                    after,
                    limit,
                );
                Box::pin(statement.fetch_all(sql))
            })
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Newcomer {
                    id: UserId(row.id),
                    email: EmailAddress::parse(&row.email)
                        .map_err(|error| PortError::unexpected(Dependency::Database, error))?,
                    email_confirmed_at: row.email_confirmed_at,
                    user_metadata: object(Some(row.raw_user_meta_data)),
                    app_metadata: object(Some(row.raw_app_meta_data)),
                    banned_until: row.banned_until,
                    last_sign_in_at: row.last_sign_in_at,
                    created_at: row.created_at,
                    updated_at: row.updated_at,
                    locale: row.locale.as_deref().and_then(Locale::from_tag),
                    trimmed: false,
                    demoted: false,
                })
            })
            .collect()
    }

    /// How many accounts there are.
    pub async fn count_people(&self) -> Result<u64, PortError> {
        let count = self
            .read(|sql| {
                let statement = sqlx::query_scalar!(
                    r#"select count(*) as "count!" from auth.users where deleted_at is null"#
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Writes down that everybody's data is about to leave.
    pub async fn audit_export(&self) -> Result<(), PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "insert into auth.audit_log (actor_kind, action, details)
                 select 'operator', 'users_exported', jsonb_build_object('users', (select count(*) from auth.users where deleted_at is null))",
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }
}
