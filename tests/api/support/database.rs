//! A database without a server in front: what it guarantees whoever asks, on PostgreSQL and on the embedded one.

use doorcode::ports::db::EmbeddedPostgres;
use secrecy::ExposeSecret;
use serde_json::Value;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};
use uuid::Uuid;

use super::{Services, embedded};

/// Rows that a statement saw or changed, or how it failed: the SQLSTATE, and for our own ones the reason.
pub(crate) type Outcome = Result<u64, String>;

/// A superuser's connection, which takes on the other roles: it may take on any, and has no more rights than the one
/// it has taken on.
pub(crate) struct Db {
    pub(crate) connection: PgConnection,
    /// Set where there is a server that takes more connections than this one.
    pub(crate) services: Option<Services>,
}

impl Db {
    pub(crate) async fn on_services() -> Self {
        let services = Services::new().await;
        let connection = PgConnection::connect(&services.superuser_url()).await.unwrap();
        Self { connection, services: Some(services) }
    }

    pub(crate) async fn run(&mut self, statement: &str) -> sqlx::Result<u64> {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut self.connection)
            .await
            .map(|done| done.rows_affected())
    }

    /// The first column of a query's rows, past every policy.
    pub(crate) async fn texts(&mut self, query: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(&mut self.connection).await.unwrap()
    }

    /// The one value of a query, past every policy.
    pub(crate) async fn value<T>(&mut self, query: &str) -> T
    where
        T: for<'row> sqlx::Decode<'row, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut self.connection).await.unwrap()
    }

    /// Tries a statement as PostgREST would run it for the bearer of a token, and takes it back.
    pub(crate) async fn as_role(&mut self, role: &str, claims: &Value, statement: &str) -> Outcome {
        let mut transaction = self.connection.begin().await.unwrap();
        let outcome = run_as(&mut transaction, role, claims, statement).await;
        transaction.rollback().await.unwrap();
        outcome
    }

    /// Runs a statement for the bearer of a token, for good.
    pub(crate) async fn act(&mut self, claims: &Value, statement: &str) -> Outcome {
        act(&mut self.connection, claims, statement).await
    }

    /// The first column of a query's rows, as text, as the bearer of a token gets them.
    pub(crate) async fn ask(&mut self, claims: &Value, query: &str) -> Vec<String> {
        let mut transaction = self.connection.begin().await.unwrap();
        become_role(&mut transaction, "authenticated", claims).await;
        let query =
            AssertSqlSafe(format!("select to_jsonb(answer) #>> '{{}}' from ({query}) as row (answer)"));
        let rows: Vec<PgRow> = sqlx::query(query).fetch_all(&mut *transaction).await.unwrap();
        transaction.rollback().await.unwrap();
        rows.iter().map(|row| row.get::<Option<String>, _>(0).unwrap_or_default()).collect()
    }

    /// An account whose address was proven.
    pub(crate) async fn make_user(&mut self, email: &str, metadata: Value) -> Uuid {
        let id = Uuid::new_v4();
        self.run(&format!(
            "insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data)
             values ('{id}', '{email}', now(), '{metadata}')"
        ))
        .await
        .unwrap();
        id
    }
}

/// Runs a statement on any connection for the bearer of a token, for good.
pub(crate) async fn act(connection: &mut PgConnection, claims: &Value, statement: &str) -> Outcome {
    let mut transaction = connection.begin().await.unwrap();
    let outcome = run_as(&mut transaction, "authenticated", claims, statement).await;
    match outcome {
        Ok(rows) => transaction.commit().await.map(|()| rows).map_err(|error| reason(&error)),
        Err(reason) => {
            transaction.rollback().await.unwrap();
            Err(reason)
        }
    }
}

/// Takes on a role and an identity until the transaction ends.
pub(crate) async fn become_role(transaction: &mut PgConnection, role: &str, claims: &Value) {
    let claims = claims.to_string().replace('\'', "''");
    let setup = format!("set local role {role}; select set_config('request.jwt.claims', '{claims}', true)");
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(transaction).await.unwrap();
}

async fn run_as(transaction: &mut PgConnection, role: &str, claims: &Value, statement: &str) -> Outcome {
    become_role(transaction, role, claims).await;
    let outcome = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(transaction).await;
    outcome.map(|done| done.rows_affected()).map_err(|error| reason(&error))
}

fn reason(error: &sqlx::Error) -> String {
    let Some(error) = error.as_database_error() else { panic!("{error}") };
    let code = error.code().unwrap_or_default();
    let detail = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|error| error.detail());
    match detail {
        Some(detail) if code.starts_with("DC") => format!("{code} {detail}"),
        _ => code.into_owned(),
    }
}

/// Runs a story on real PostgreSQL, where the owner of the tables is no superuser, and on the embedded one.
pub(crate) async fn on_both(story: impl AsyncFn(&mut Db)) {
    story(&mut Db::on_services().await).await;
    let folder = embedded::data_folder().await;
    let server = EmbeddedPostgres::start(&folder.path().join("postgres")).await.unwrap();
    let connection = PgConnection::connect(server.owner_url().expose_secret()).await.unwrap();
    let mut db = Db { connection, services: None };
    story(&mut db).await;
    db.connection.close().await.unwrap();
    server.stop().await.unwrap();
}
