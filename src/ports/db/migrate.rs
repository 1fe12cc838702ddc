//! Bringing a database to the schema this server was built with: forward-only migrations, then all policies anew.
//!
//! Runs under the role that owns the tables, which is not the one the server logs in with.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::{Db, Owner, StatementLimits};
use crate::ports::{Dependency, PortError};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Where the applied migrations are recorded.
const RECORD: &str = "auth.schema_migrations";

/// Every file of `policies/`, in order of name.
const POLICIES: &[(&str, &str)] = &[
    ("00_roles.sql", include_str!("../../../policies/00_roles.sql")),
    ("01_staff_questions.sql", include_str!("../../../policies/01_staff_questions.sql")),
    ("10_users.sql", include_str!("../../../policies/10_users.sql")),
    ("11_sessions.sql", include_str!("../../../policies/11_sessions.sql")),
    ("12_signing_keys.sql", include_str!("../../../policies/12_signing_keys.sql")),
    ("13_audit_log.sql", include_str!("../../../policies/13_audit_log.sql")),
    ("14_mail_outbox.sql", include_str!("../../../policies/14_mail_outbox.sql")),
    ("15_email_changes.sql", include_str!("../../../policies/15_email_changes.sql")),
    ("16_service_keys.sql", include_str!("../../../policies/16_service_keys.sql")),
    ("17_idempotency_keys.sql", include_str!("../../../policies/17_idempotency_keys.sql")),
    ("18_audit_chain.sql", include_str!("../../../policies/18_audit_chain.sql")),
    ("19_imports.sql", include_str!("../../../policies/19_imports.sql")),
    ("20_user_profiles.sql", include_str!("../../../policies/20_user_profiles.sql")),
    ("21_user_preferences.sql", include_str!("../../../policies/21_user_preferences.sql")),
    ("22_mail_suppressions.sql", include_str!("../../../policies/22_mail_suppressions.sql")),
    ("23_mail_failures.sql", include_str!("../../../policies/23_mail_failures.sql")),
    ("24_wrong_guesses.sql", include_str!("../../../policies/24_wrong_guesses.sql")),
    ("30_role_permissions.sql", include_str!("../../../policies/30_role_permissions.sql")),
    ("31_libraries.sql", include_str!("../../../policies/31_libraries.sql")),
    ("32_library_staff.sql", include_str!("../../../policies/32_library_staff.sql")),
    ("33_library_members.sql", include_str!("../../../policies/33_library_members.sql")),
    ("34_library_invitations.sql", include_str!("../../../policies/34_library_invitations.sql")),
    (
        "35_library_invitation_responses.sql",
        include_str!("../../../policies/35_library_invitation_responses.sql"),
    ),
    ("36_library_access_requests.sql", include_str!("../../../policies/36_library_access_requests.sql")),
];

/// What stopped a migration. Whatever it was, nothing of the failing step is left behind.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A migration failed.
    #[error("a migration failed")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A policy file failed.
    #[error("policies/{file} could not be applied")]
    Policy {
        /// Which file.
        file: &'static str,
        /// What PostgreSQL said.
        source: sqlx::Error,
    },
    /// The server's login role could not be made or granted its rights.
    #[error("the login role {role} could not be prepared")]
    LoginRole {
        /// Its name.
        role: String,
        /// What PostgreSQL said.
        source: sqlx::Error,
    },
    /// The configured URL names no user.
    #[error("database.url names no user: the server needs a login role of its own")]
    NoLoginRole,
}

impl Owner {
    /// Applies what is missing, for a server that logs in as `login_url` says.
    ///
    /// A database that a newer version has migrated keeps that version's policies.
    ///
    /// The login role is made if it does not exist, with the password of its URL, and granted what the server needs: it
    /// owns nothing and is no superuser. Safe to run from several replicas at once and at any time.
    ///
    /// # Errors
    /// A [`MigrateError`].
    pub async fn migrate(&mut self, login_url: &SecretString) -> Result<(), MigrateError> {
        let login = LoginRole::from_url(login_url.expose_secret()).ok_or(MigrateError::NoLoginRole)?;
        let owner = &mut self.connection;
        recorded_migrations().run_direct(None, owner, false).await?;
        apply_policies(owner).await?;
        login.prepare(owner).await.map_err(|source| MigrateError::LoginRole { role: login.name, source })
    }

    /// Sets the limits of time on the login role itself, for connections that cannot be told when they are made.
    ///
    /// They hold on connections that PostgreSQL accepts from now on; a pooler keeps its older ones for a while.
    ///
    /// # Errors
    /// A [`MigrateError`].
    pub async fn limit_login_role(
        &mut self,
        login_url: &SecretString,
        limits: StatementLimits,
    ) -> Result<(), MigrateError> {
        let login = LoginRole::from_url(login_url.expose_secret()).ok_or(MigrateError::NoLoginRole)?;
        for (name, limit) in limits.settings() {
            // A statement like this takes no parameters; the name is quoted, the rest is ours.
            let statement = format!("alter role {} set {name} = '{limit}'", quoted_identifier(&login.name));
            let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection).await;
            done.map_err(|source| MigrateError::LoginRole { role: login.name.clone(), source })?;
        }
        Ok(())
    }
}

fn recorded_migrations() -> Migrator {
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
    migrator.create_schema("auth");
    migrator.dangerous_set_table_name(RECORD);
    // A newer version of the server may have gone first in a rolling upgrade.
    migrator.set_ignore_missing(true);
    migrator
}

async fn apply_policies(owner: &mut PgConnection) -> Result<(), MigrateError> {
    let at = |file| move |source| MigrateError::Policy { file, source };
    let mut transaction = owner.begin().await.map_err(at(POLICIES[0].0))?;
    // Two replicas that start together: the second waits, then repeats the same declarations.
    sqlx::raw_sql("select pg_advisory_xact_lock(hashtext('doorcode policies'))")
        .execute(&mut *transaction)
        .await
        .map_err(at(POLICIES[0].0))?;
    // Ours would take from a newer version, which may be serving by now, what it was granted on what only it knows.
    if is_ahead(&mut transaction).await.map_err(at(POLICIES[0].0))? {
        tracing::info!("a newer version has migrated this database: its policies stay");
        return Ok(());
    }
    for (file, declarations) in POLICIES {
        sqlx::raw_sql(*declarations).execute(&mut *transaction).await.map_err(at(file))?;
    }
    transaction.commit().await.map_err(at(POLICIES[0].0))
}

/// Whether a newer version has applied a migration that this one does not have.
async fn is_ahead(owner: &mut PgConnection) -> sqlx::Result<bool> {
    let ours: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    sqlx::query_scalar(
        "select exists (select from auth.schema_migrations where success and version <> all($1))",
    )
    .bind(&ours)
    .fetch_one(owner)
    .await
}

/// The role the server logs in with.
struct LoginRole {
    name: String,
    password: Option<String>,
}

impl LoginRole {
    fn from_url(url: &str) -> Option<Self> {
        let url = url::Url::parse(url).ok()?;
        let decoded =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let name = decoded(url.username());
        (!name.is_empty()).then(|| Self { name, password: url.password().map(decoded) })
    }

    async fn prepare(&self, owner: &mut PgConnection) -> sqlx::Result<()> {
        let exists: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
            .bind(&self.name)
            .fetch_one(&mut *owner)
            .await?;
        let role = quoted_identifier(&self.name);
        if !exists {
            let password = match &self.password {
                Some(password) => format!(" password {}", quoted_literal(password)),
                None => String::new(),
            };
            // A statement like this takes no parameters; both texts are quoted above.
            sqlx::raw_sql(AssertSqlSafe(format!("create role {role} login{password}")))
                .execute(&mut *owner)
                .await?;
        }
        sqlx::raw_sql(AssertSqlSafe(format!(
            "grant doorcode_server, doorcode_admin, authenticated, anon to {role}"
        )))
        .execute(&mut *owner)
        .await
        .map(drop)
    }
}

fn quoted_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted_literal(text: &str) -> String {
    // The E form reads the same whatever standard_conforming_strings says.
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// See [`Db::check`].
pub(super) async fn check_schema(db: &Db) -> Result<DateTime<Utc>, PortError> {
    let wanted: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    let found = db
        .run(|sql| {
            let statement = sqlx::query!(
                r#"select count(*) as "applied!", clock_timestamp() as "now!"
                     from auth.schema_migrations where success and version = any($1)"#,
                &wanted,
            );
            Box::pin(statement.fetch_one(sql))
        })
        .await;
    let missing = |count: usize| {
        PortError::unexpected(
            Dependency::Database,
            format!("{count} migrations are missing in the database: run `doorcode migrate`"),
        )
    };
    match found {
        Ok(found) => match wanted.len().saturating_sub(usize::try_from(found.applied).unwrap_or(0)) {
            0 => Ok(found.now),
            behind => Err(missing(behind)),
        },
        // An unknown table or schema: nothing was ever migrated here.
        Err(PortError::Unexpected { source, .. })
            if source
                .downcast_ref::<sqlx::Error>()
                .and_then(sqlx::Error::as_database_error)
                .and_then(|error| error.code().map(|code| code == "42P01" || code == "3F000"))
                == Some(true) =>
        {
            Err(missing(wanted.len()))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_file_is_applied_in_order_of_name() {
        let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"))
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
            .collect();
        files.sort();
        assert_eq!(POLICIES.iter().map(|(file, _)| (*file).to_owned()).collect::<Vec<_>>(), files);
    }

    #[test]
    fn a_login_role_is_read_from_its_url_and_quoted() {
        let role = LoginRole::from_url("postgres://door%22code:p%27a%5Css@localhost/db").expect("a user");
        assert_eq!(quoted_identifier(&role.name), "\"door\"\"code\"");
        assert_eq!(quoted_literal(role.password.as_deref().unwrap_or_default()), "E'p''a\\\\ss'");
        assert!(LoginRole::from_url("postgres://localhost/db").is_none());
    }
}
