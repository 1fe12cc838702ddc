//! The table `auth.users` of another database, read in pages of one read-only transaction: a Supabase project's, or
//! that of another Doorcode.
//!
//! Its columns are not ours and differ between versions, so these statements are not checked when we compile. What a
//! version does not have reads as null; passwords and tokens are not asked for.

use std::collections::VecDeque;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use uuid::Uuid;

use super::{connect_options, db_error};
use crate::domain::{ImportRecord, SourceId};
use crate::ports::{Dependency, PortError};

/// How long another's database may take to answer at all.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// People fetched at once.
const PAGE: i32 = 2000;

/// Every field that `domain` may ask for.
const NEXT_PAGE: &str = "
    select jsonb_object_agg(field.key, field.value) as record
      from (select * from auth.users u where $1::uuid is null or u.id > $1 order by u.id limit $2) u,
           jsonb_each(to_jsonb(u)) as field
     where field.key = any (array['id', 'email', 'phone', 'email_confirmed_at', 'raw_user_meta_data',
                                  'raw_app_meta_data', 'banned_until', 'deleted_at', 'is_anonymous',
                                  'last_sign_in_at', 'created_at', 'updated_at', 'locale'])
     group by u.id order by u.id";

/// Another database's people.
#[derive(Debug)]
pub struct SupabaseUsers {
    connection: PgConnection,
    source: SourceId,
    page: VecDeque<ImportRecord>,
    after: Option<Uuid>,
    read: u64,
    total: u64,
    ended: bool,
}

impl SupabaseUsers {
    /// Connects and looks.
    ///
    /// # Errors
    /// If the database cannot be reached, or has no such table that we may read.
    pub async fn open(url: &SecretString) -> Result<Self, PortError> {
        // Without prepared statements, which a pooler between us may not know.
        let options = connect_options(url.expose_secret())?.statement_cache_capacity(0);
        let source = SourceId::of_place(&place(&options));
        let connection = tokio::time::timeout(CONNECT_PATIENCE, options.connect()).await;
        let mut connection = connection
            .map_err(|elapsed| PortError::unavailable(Dependency::Database, elapsed))?
            .map_err(db_error)?;
        // One moment of the table, however long it takes; times as UTC.
        sqlx::raw_sql(
            "begin transaction isolation level repeatable read, read only;
             set local timezone = 'UTC'; set local statement_timeout = '60s'",
        )
        .execute(&mut connection)
        .await
        .map_err(db_error)?;
        let total: i64 = sqlx::query_scalar("select count(*) from auth.users")
            .fetch_one(&mut connection)
            .await
            .map_err(db_error)?;
        let total = u64::try_from(total).unwrap_or_default();
        Ok(Self { connection, source, page: VecDeque::new(), after: None, read: 0, total, ended: false })
    }

    /// Goes on after the person with this id, the last of `read` before.
    pub fn skip(&mut self, after: Option<Uuid>, read: u64) {
        self.after = after;
        self.read = read;
    }

    /// The next person, in the order of ids; `None` at the end.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn next(&mut self) -> Result<Option<ImportRecord>, PortError> {
        if self.page.is_empty() && !self.ended {
            self.fetch().await?;
        }
        let record = self.page.pop_front();
        self.read += u64::from(record.is_some());
        Ok(record)
    }

    /// The database's name.
    #[must_use]
    pub fn source(&self) -> SourceId {
        self.source
    }

    /// People read, and in all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.read, self.total.max(self.read))
    }

    async fn fetch(&mut self) -> Result<(), PortError> {
        let rows: Vec<Value> = sqlx::query_scalar(NEXT_PAGE)
            .bind(self.after)
            .bind(PAGE)
            .fetch_all(&mut self.connection)
            .await
            .map_err(db_error)?;
        self.ended = rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        for row in rows {
            let Value::Object(record) = row else { return Err(unreadable()) };
            self.after = record.get("id").and_then(Value::as_str).and_then(|id| Uuid::parse_str(id).ok());
            self.page.push_back(record);
        }
        Ok(())
    }
}

fn unreadable() -> PortError {
    PortError::unexpected(Dependency::Database, "a user that is no object")
}

/// Where a database is, without who logs in.
fn place(options: &PgConnectOptions) -> String {
    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default())
}
