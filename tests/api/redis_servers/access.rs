//! Who may reach Redis, and what a server must find there before it starts.

use std::path::Path;
use std::time::Duration;

use super::super::support::process::{Process, run};
use super::super::support::redis::guarded;
use super::super::support::services::setting;
use super::super::support::{OwnRedis, Services};
use super::{serve, settings};

#[tokio::test]
async fn t43_the_servers_user_can_neither_look_around_nor_break_anything() {
    let redis = guarded().await;
    let client = redis::Client::open(redis.url.as_str()).unwrap();
    let mut user = client.get_multiplexed_async_connection().await.unwrap();
    for command in [
        "CONFIG GET requirepass",
        "CONFIG SET maxmemory-policy allkeys-lru",
        "KEYS t-*",
        "SCAN 0",
        "RANDOMKEY",
        "DBSIZE",
        "FLUSHALL",
        "FLUSHDB",
        "SHUTDOWN",
        "SAVE",
        "REPLICAOF 127.0.0.1 1",
        "ACL LIST",
        "ACL SETUSER eve on",
        "CLIENT LIST",
        "CLIENT KILL ID 1",
        "MONITOR",
        "MODULE LIST",
        "SCRIPT FLUSH",
        "CLUSTER RESET",
        "SLAVEOF NO ONE",
        "MIGRATE 127.0.0.1 1 t-x 0 1",
        "DUMP t-x",
        "RESTORE t-x 0 x",
        "SUBSCRIBE all",
        "PUBLISH all word",
        "EVAL return 0",
        "FUNCTION LIST",
        "GET other:{0}:code",
        "SET other:{0}:code 1",
        "DEL other:{0}:code",
        "XADD other:{0}:mail * a b",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let answer: redis::RedisResult<redis::Value> =
            redis::cmd(words[0]).arg(&words[1..]).query_async(&mut user).await;
        let refusal = answer.expect_err(command);
        assert_eq!(refusal.code(), Some("NOPERM"), "{command}: {refusal}");
    }
    // A script is no way around it.
    let script = redis::Script::new("return redis.call(unpack(ARGV))");
    for command in ["KEYS *", "FLUSHALL", "GET other:{0}:code"] {
        let mut call = script.prepare_invoke();
        for word in command.split(' ') {
            call.arg(word);
        }
        let answer: redis::RedisResult<redis::Value> = call.invoke_async(&mut user).await;
        let refusal = answer.expect_err(command).to_string();
        // In the words of versions: the user "can't", "ACL failure in script", "NOPERM".
        let said = ["can't", "ACL failure", "NOPERM"].iter().any(|words| refusal.contains(words));
        assert!(said, "{command}: {refusal}");
    }
}

#[tokio::test]
async fn f05_production_does_not_start_on_a_redis_that_forgets_and_development_says_so() {
    let redis = OwnRedis::start(&["one", "--maxmemory-policy", "allkeys-lru"]).await;
    let (services, folder) = (Services::on(&redis).await, tempfile::tempdir().unwrap());
    let process = serve(&redis, &services, &[], folder.path()).await;
    let log = process.log();
    assert!(log.contains("set maxmemory-policy noeviction") && log.contains("allkeys-lru"), "{log}");
    assert_eq!(process.stop().await.0, Some(0));
    // What production asks for besides is in the file that is shipped for it.
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.example.toml");
    let more = [("SERVER__LISTEN", "127.0.0.1:0"), ("MAIL__SMTP_HOST", "127.0.0.1"), ("MAIL__SMTP_USER", "")];
    let started = run(
        &["serve", "--config", shipped.to_str().unwrap()],
        &settings(&redis, &services, &more),
        folder.path(),
    )
    .await;
    assert_ne!(started.code, Some(0), "{}", started.output);
    assert!(
        started.output.contains("has maxmemory-policy allkeys-lru")
            && started.output.contains("set it to noeviction"),
        "{}",
        started.output
    );
    assert!(!started.output.contains("secret@"), "{}", started.output);
}

/// A Redis that speaks TLS, with the certificate of `tests/run` for the name localhost.
async fn with_tls() -> (OwnRedis, String) {
    let authority = setting("DOORCODE_TEST_SMTP_CA");
    let folder = Path::new(&authority).parent().unwrap();
    let file = |name| folder.join(name).to_str().unwrap().to_owned();
    let redis = OwnRedis::start(&["tls", &file("localhost.pem"), &file("localhost.key"), &authority]).await;
    (redis, authority)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t43_redis_is_spoken_to_over_tls_and_only_if_it_is_whom_its_certificate_names() {
    let (mut redis, authority) = with_tls().await;
    let services = Services::new().await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = [("REDIS__CA_FILE", authority.as_str())];
    let process = serve(&redis, &services, &trusted, folder.path()).await;
    let email = "ada@example.org";
    let asked = serde_json::json!({"email": email});
    assert_eq!(process.post(super::super::support::app::READER, "/auth/v1/otp", asked).await.0.as_u16(), 200);
    let code = process.code_from_inbox(email).await;
    let (status, session) = process.verify(super::super::support::app::READER, email, &code).await;
    assert_eq!(status.as_u16(), 200, "{session}");
    assert_eq!(process.stop().await.0, Some(0));
    // An authority that the system does not know.
    refused(&settings(&redis, &services, &[])).await;
    // Another name for the same server.
    redis.url = redis.url.replace("localhost", "127.0.0.1");
    refused(&settings(&redis, &services, &trusted)).await;
    // And one that does not speak TLS at all is no server to fall back to.
    redis.url = guarded().await.url.replace("redis://", "rediss://");
    refused(&settings(&redis, &services, &trusted)).await;
}

async fn refused(settings: &[(String, String)]) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings.to_vec();
    settings.push(("SERVER__LISTEN".to_owned(), "127.0.0.1:0".to_owned()));
    settings.push(("MAIL__INBOX_LISTEN".to_owned(), "127.0.0.1:0".to_owned()));
    let started = std::time::Instant::now();
    let ended = run(&["serve"], &settings, folder.path()).await;
    assert_eq!(ended.code, Some(69), "{}", ended.output);
    assert!(ended.output.contains("cannot reach the Redis at rediss://doorcode@"), "{}", ended.output);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_does_not_say_what_it_does_when_full_is_used_with_a_word_of_warning() {
    let redis = OwnRedis::start(&["one", "--rename-command", "INFO", "SECRET-INFO"]).await;
    let (services, folder) = (Services::on(&redis).await, tempfile::tempdir().unwrap());
    let process: Process = serve(&redis, &services, &[], folder.path()).await;
    assert!(process.log().contains("see that its maxmemory-policy is noeviction"), "{}", process.log());
    assert_eq!(process.stop().await.0, Some(0));
}
