//! `auth.imports`: people taken over in batches, each a transaction that also says how far the import has come.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::pool::Connection;
use super::{Db, db_error};
use crate::domain::{Newcomer, Outcome, SourceId, Tally};
use crate::ports::{Dependency, PortError};

/// How long a batch may take: thousands of accounts, on a disk that may be slow.
const BATCH_DEADLINE: Duration = Duration::from_secs(60);

/// How far an import has come.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportState {
    /// Which one.
    pub id: Uuid,
    /// Records read and settled.
    pub records: u64,
    /// Where a database is read on from.
    pub last_id: Option<Uuid>,
    /// What became of them.
    pub tally: Tally,
}

/// A batch on its way in. Dropped without [`keep`](ImportTx::keep), it never happened.
pub struct ImportTx {
    connection: Connection,
}

/// Somebody else has moved this import on, or ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another process is doing this import")]
pub struct ImportTaken;

/// People in columns, as a statement takes them.
#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    email: Vec<String>,
    email_confirmed_at: Vec<Option<DateTime<Utc>>>,
    user_metadata: Vec<Value>,
    app_metadata: Vec<Value>,
    locale: Vec<Option<String>>,
    banned_until: Vec<Option<DateTime<Utc>>>,
    last_sign_in_at: Vec<Option<DateTime<Utc>>>,
    created_at: Vec<DateTime<Utc>>,
    updated_at: Vec<DateTime<Utc>>,
}

impl Db {
    /// The unfinished import of a source, or a new one.
    pub async fn begin_import(&self, source: &SourceId) -> Result<ImportState, PortError> {
        let row = self
            .run(|sql| {
                let statement = sqlx::query!(
                    r#"with unfinished as (
                         select * from auth.imports where source = $1 and finished_at is null
                       ), begun as (
                         insert into auth.imports (source)
                         select $1 where not exists (select from unfinished)
                         returning *
                       )
                       select id as "id!", records as "records!", last_id, tally as "tally!" from unfinished
                        union all
                       select id, records, last_id, tally from begun"#,
                    source.as_bytes(),
                );
                Box::pin(statement.fetch_one(sql))
            })
            .await?;
        let unreadable = |error| PortError::unexpected(Dependency::Database, error);
        Ok(ImportState {
            id: row.id,
            records: u64::try_from(row.records).unwrap_or_default(),
            last_id: row.last_id,
            tally: serde_json::from_value(row.tally).map_err(unreadable)?,
        })
    }

    /// Ends an import: the source has nothing more.
    pub async fn finish_import(&self, import: Uuid) -> Result<(), PortError> {
        self.run(|sql| {
            let statement = sqlx::query!(
                "update auth.imports set finished_at = now(), updated_at = now() where id = $1 and finished_at is null",
                import,
            );
            Box::pin(statement.execute(sql))
        })
        .await
        .map(drop)
    }

    /// Begins a batch.
    pub async fn begin_batch(&self) -> Result<ImportTx, PortError> {
        within(async {
            let mut connection = self.pool.acquire().await?;
            connection.begin().await?;
            sqlx::raw_sql("set local statement_timeout = '60s'; set local lock_timeout = '60s'")
                .execute(&mut connection)
                .await?;
            Ok(ImportTx { connection })
        })
        .await
    }
}

impl ImportTx {
    /// Makes accounts of those who can have one; says of each of `people`, in order, what became of them.
    pub async fn take_in(&mut self, people: &[Newcomer]) -> Result<Vec<Outcome>, PortError> {
        let columns = Columns::of(people);
        let imported = within(
            sqlx::query_scalar!(
                "insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data, raw_app_meta_data, locale,
                                         banned_until, last_sign_in_at, created_at, updated_at)
                 select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::jsonb[], $5::jsonb[], $6::text[],
                                      $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
                     on conflict do nothing
                 returning id",
                &columns.id,
                &columns.email,
                &columns.email_confirmed_at as &[Option<DateTime<Utc>>],
                &columns.user_metadata,
                &columns.app_metadata,
                &columns.locale as &[Option<String>],
                &columns.banned_until as &[Option<DateTime<Utc>>],
                &columns.last_sign_in_at as &[Option<DateTime<Utc>>],
                &columns.created_at,
                &columns.updated_at,
            )
            .fetch_all(&mut self.connection),
        )
        .await?;
        let mut outcomes: HashMap<Uuid, Outcome> =
            imported.into_iter().map(|id| (id, Outcome::Imported)).collect();
        // Whoever was not inserted met an account that is there by now; this statement sees it.
        let others: Vec<_> = people.iter().filter(|person| !outcomes.contains_key(&person.id.0)).collect();
        let found = self.compare(&others).await?;
        outcomes.extend(others.iter().zip(found).map(|(person, outcome)| (person.id.0, outcome)));
        Ok(people.iter().filter_map(|person| outcomes.get(&person.id.0).copied()).collect())
    }

    /// Says of each of `people`, in order, what would become of them.
    pub async fn compare(&mut self, people: &[&Newcomer]) -> Result<Vec<Outcome>, PortError> {
        if people.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = people.iter().map(|person| person.id.0).collect();
        let emails: Vec<_> = people.iter().map(|person| person.email.as_str().to_owned()).collect();
        let rows = within(
            sqlx::query!(
                r#"select same_id.email = given.email as "same?",
                          same_id.id is not null as "id_taken!", same_email.id is not null as "email_taken!"
                     from unnest($1::uuid[], $2::text[]) with ordinality as given (id, email, n)
                     left join auth.users same_id on same_id.id = given.id
                     left join auth.users same_email on same_email.email = given.email
                    order by given.n"#,
                &ids,
                &emails,
            )
            .fetch_all(&mut self.connection),
        )
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| match (row.same, row.id_taken, row.email_taken) {
                (Some(true), ..) => Outcome::AlreadyHere,
                (_, true, _) => Outcome::IdTaken,
                (_, _, true) => Outcome::AddressTaken,
                _ => Outcome::Imported,
            })
            .collect())
    }

    /// Keeps the batch, with how far the import has come by it, if it was at `import` before.
    ///
    /// One audit row a batch: it is written with the accounts it tells of, so that it says neither more nor less than
    /// was done, wherever the import is cut off.
    pub async fn keep(
        mut self,
        import: &ImportState,
        tally: &Tally,
        last_id: Option<Uuid>,
    ) -> Result<Result<ImportState, ImportTaken>, PortError> {
        let total = import.tally.clone().plus(tally);
        let encoded = |tally: &Tally| {
            serde_json::to_value(tally).map_err(|error| PortError::unexpected(Dependency::Database, error))
        };
        let moved = within(
            sqlx::query_scalar!(
                r#"with moved as (
                     update auth.imports set records = $3, tally = $4, last_id = $5, updated_at = now()
                      where id = $1 and records = $2 and finished_at is null
                     returning id
                   ), logged as (
                     insert into auth.audit_log (actor_kind, action, details)
                     select 'operator', 'users_imported', jsonb_build_object('import', id, 'from', $2::bigint, 'batch', $6::jsonb)
                       from moved
                   )
                   select count(*) as "moved!" from moved"#,
                import.id,
                signed(import.records),
                signed(total.records),
                encoded(&total)?,
                last_id,
                encoded(tally)?,
            )
            .fetch_one(&mut self.connection),
        )
        .await?;
        if moved == 0 {
            return Ok(Err(ImportTaken));
        }
        within(self.connection.commit()).await?;
        Ok(Ok(ImportState { id: import.id, records: total.records, last_id, tally: total }))
    }
}

impl Columns {
    fn of(people: &[Newcomer]) -> Self {
        let mut columns = Self::default();
        for person in people {
            columns.id.push(person.id.0);
            columns.email.push(person.email.as_str().to_owned());
            columns.email_confirmed_at.push(person.email_confirmed_at);
            columns.user_metadata.push(Value::Object(person.user_metadata.clone()));
            columns.app_metadata.push(Value::Object(person.app_metadata.clone()));
            columns.locale.push(person.locale.map(|locale| locale.tag().to_owned()));
            columns.banned_until.push(person.banned_until);
            columns.last_sign_in_at.push(person.last_sign_in_at);
            columns.created_at.push(person.created_at);
            columns.updated_at.push(person.updated_at);
        }
        columns
    }
}

async fn within<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T, PortError> {
    tokio::time::timeout(BATCH_DEADLINE, work)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(db_error)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
