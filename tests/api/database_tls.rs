//! TLS between the server and PostgreSQL: a certificate is looked at, and so is the name in it.

use doorcode::ports::db::Pooler;
use sqlx::{Connection, PgConnection};

use super::pool::connect;
use super::support::cluster::Cluster;
use super::support::process::run;
use super::support::services::setting;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_taken_for_what_its_certificate_says_and_for_nothing_else() {
    let cluster = Cluster::started();
    cluster.certify();
    let ca = setting("DOORCODE_TEST_SMTP_CA");
    let at = |host: &str, user: &str, query: &str| {
        cluster.url(user).replace("127.0.0.1", host) + "?" + &query.replace("CA", &ca)
    };
    let verified = "sslmode=verify-full&sslrootcert=CA";
    let folder = tempfile::tempdir().unwrap();
    let migrate = async |owner: &str, login: &str| {
        let settings = [("DATABASE__URL", login), ("DATABASE__OWNER_URL", owner), ("REDIS__URL", "memory")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        run(&["migrate"], &settings, folder.path()).await
    };
    let login = at("localhost", "doorcode:secret", verified);
    let done = migrate(&at("localhost", "postgres", verified), &login).await;
    assert_eq!(done.code, Some(0), "{}", done.output);
    let server = connect(login.clone(), Pooler::None, 2);
    server.check().await.unwrap();
    let mut superuser = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    let encrypted: Vec<bool> = sqlx::query_scalar(
        "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'doorcode'",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert_eq!(encrypted, [true]);
    server.close().await;
    // Another name for the same place, and an authority that nobody named.
    let strangers = [("127.0.0.1", verified), ("localhost", "sslmode=verify-full")];
    for (host, query) in strangers {
        let refused = migrate(&at(host, "postgres", query), &login).await;
        assert_eq!(refused.code, Some(69), "{}", refused.output);
        assert!(refused.output.contains("certificate"), "{}", refused.output);
        let error = connect(at(host, "doorcode:secret", query), Pooler::None, 1).check().await.unwrap_err();
        let told = format!("{:#}", anyhow::Error::new(error));
        assert!(told.contains("certificate") && !told.contains("secret"), "{told}");
    }
    // A PostgreSQL that speaks no TLS is not spoken to without.
    let plain =
        setting("DOORCODE_TEST_DATABASE_URL").replace("127.0.0.1", "localhost") + "?sslmode=verify-full";
    let error = connect(plain, Pooler::None, 1).check().await.unwrap_err();
    assert!(format!("{:#}", anyhow::Error::new(error)).contains("TLS"));
}
