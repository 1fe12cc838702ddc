//! The command line: what it says, what it refuses, and how it ends.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use super::support::app::{MANAGE, READER, text};
use super::support::process::{Process, run};
use super::support::services::{as_superuser, login_url, make_owner, owner_url};
use super::support::{Collector, Services, embedded};

fn settings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn every_problem_of_a_configuration_is_told_at_once_before_a_port_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(
        &file,
        "[codes]\nttl_secs = 5\ntries = 50\n[server]\nlisten = \"here\"\ncolour = \"blue\"\n",
    )
    .unwrap();
    let arguments = ["--config", file.to_str().unwrap()];
    for command in ["check-config", "serve", "migrate"] {
        let ended = run(
            &[&[command], arguments.as_slice()].concat(),
            &settings(&[("LIMITS__VERIFYS", "3")]),
            folder.path(),
        )
        .await;
        assert_eq!(ended.code, Some(64), "{}", ended.output);
        for part in [
            "codes.ttl_secs = 5",
            "60 to 600",
            "DOORCODE__CODES__TTL_SECS",
            "codes.tries",
            "server.listen",
            "server.colour",
            "LIMITS__VERIFYS",
        ] {
            assert!(ended.output.to_lowercase().contains(&part.to_lowercase()), "{part} in {}", ended.output);
        }
    }
}

#[tokio::test]
async fn the_production_example_is_accepted_with_its_secret_and_development_settings_are_refused_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = root.join("config/production.example.toml");
    let master = settings(&[("SECRETS__MASTER", "h1QeZbJkN0s3x5vY8aBcD2fGiKlMnOpQrStUwXzA46E=")]);
    let arguments = ["check-config", "--config", example.to_str().unwrap()];
    let ended = run(&arguments, &master, root).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    let ended = run(&["check-config"], &settings(&[("SERVER__ENVIRONMENT", "production")]), root).await;
    assert_eq!(ended.code, Some(64));
    for part in [
        "database.url",
        "redis.url",
        "mail.transport",
        "secrets.master",
        "sites.reader.url",
        "sites.management.publishable_key",
    ] {
        assert!(ended.output.contains(part), "{part} in {}", ended.output);
    }
}

#[tokio::test]
async fn a_busy_port_names_the_setting_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (setting, variable) in
        [("server.listen", "SERVER__LISTEN"), ("mail.inbox_listen", "MAIL__INBOX_LISTEN")]
    {
        let other = if variable == "SERVER__LISTEN" { "MAIL__INBOX_LISTEN" } else { "SERVER__LISTEN" };
        let ended =
            run(&["serve"], &settings(&[(variable, &address), (other, "127.0.0.1:0")]), folder.path()).await;
        assert_eq!(ended.code, Some(69), "{}", ended.output);
        assert!(ended.output.contains(setting) && ended.output.contains(variable), "{}", ended.output);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_dependency_is_named_within_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::new().await;
    // One port where nobody listens, one where somebody listens and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [closed, silent.local_addr().unwrap()] {
        let cases = [
            ("serve", "REDIS__URL", format!("redis://user:hidden@{address}/0"), "redis.url"),
            ("serve", "DATABASE__URL", format!("postgres://user:hidden@{address}/db"), "database.url"),
            (
                "serve",
                "DATABASE__OWNER_URL",
                format!("postgres://user:hidden@{address}/db"),
                "database.owner_url",
            ),
            (
                "migrate",
                "DATABASE__OWNER_URL",
                format!("postgres://user:hidden@{address}/db"),
                "database.owner_url",
            ),
        ];
        for (command, variable, url, setting) in cases {
            let mut all = services.settings();
            let migrates = (variable == "DATABASE__OWNER_URL").to_string();
            all.extend(settings(&[
                (variable, &url),
                ("DATABASE__MIGRATE_AT_START", &migrates),
                ("DATABASE__ACQUIRE_TIMEOUT_MS", "1000"),
                ("SERVER__LISTEN", "127.0.0.1:0"),
                ("MAIL__INBOX_LISTEN", "127.0.0.1:0"),
            ]));
            let started = Instant::now();
            let ended = run(&[command], &all, folder.path()).await;
            assert!(started.elapsed() < Duration::from_secs(5), "{setting} took {:?}", started.elapsed());
            assert_eq!(ended.code, Some(69), "{}", ended.output);
            assert!(
                ended.output.contains(setting) && ended.output.contains(&address.to_string()),
                "{}",
                ended.output
            );
            assert!(!ended.output.contains("hidden"), "{}", ended.output);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_never_migrated_says_which_command_to_run_and_then_works() {
    let folder = tempfile::tempdir().unwrap();
    make_owner().await;
    let name = format!("doorcode_fresh_{}", uuid::Uuid::new_v4().simple());
    as_superuser(&format!("create database {name} owner doorcode_owner")).await.unwrap();
    let mut all = settings(&[
        ("DATABASE__URL", &login_url(&name)),
        ("DATABASE__OWNER_URL", &owner_url(&name)),
        ("DATABASE__MIGRATE_AT_START", "false"),
        ("SERVER__LISTEN", "127.0.0.1:0"),
        ("MAIL__INBOX_LISTEN", "127.0.0.1:0"),
    ]);
    // Another test's template has made the login role; it must exist for the message to be about the schema.
    Services::new().await;
    let ended = run(&["serve"], &all, folder.path()).await;
    assert_eq!(ended.code, Some(69), "{}", ended.output);
    assert!(ended.output.contains("run `doorcode migrate`"), "{}", ended.output);
    let ended = run(&["migrate"], &all, folder.path()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    all.retain(|(setting, _)| setting != "SERVER__LISTEN");
    let process = Process::start(&all, folder.path()).await;
    assert_eq!(process.get(READER, "/health/ready").await.0.as_u16(), 200);
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_and_starting_again_keeps_people_and_sessions() {
    let folder = embedded::data_folder().await;
    let all = embedded::settings(folder.path());
    let process = Process::start(&all, folder.path()).await;
    assert!(
        process.log().contains("doorcode_pub_reader_dev") && process.log().contains("curl "),
        "{}",
        process.log()
    );
    process.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org"})).await;
    let code = process.code_from_inbox("ada@example.org").await;
    let (status, session) = process.verify(READER, "ada@example.org", &code).await;
    assert_eq!(status.as_u16(), 200, "{session}");
    let (code, log) = process.stop().await;
    assert_eq!(code, Some(0), "{log}");
    let process = Process::start(&all, folder.path()).await;
    let refresh = json!({"refresh_token": text(&session, "refresh_token")});
    let (status, refreshed) = process.post(READER, "/auth/v1/token?grant_type=refresh_token", refresh).await;
    assert_eq!(status.as_u16(), 200, "{refreshed}");
    assert_eq!(refreshed["user"]["id"], session["user"]["id"]);
    // A pulled plug, then a third start: what was committed is there.
    process.kill().await;
    let process = Process::start(&all, folder.path()).await;
    let refresh = json!({"refresh_token": text(&refreshed, "refresh_token")});
    let (status, body) = process.post(READER, "/auth/v1/token?grant_type=refresh_token", refresh).await;
    assert_eq!(status.as_u16(), 200, "{body}");
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t40_nothing_secret_is_in_logs_metrics_or_traces_even_when_all_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::new().await;
    let collector = Collector::start().await;
    let mut all = services.settings();
    all.extend(settings(&[
        ("SERVER__METRICS_LISTEN", "127.0.0.1:0"),
        ("TELEMETRY__OTLP_ENDPOINT", &collector.endpoint),
        ("LOG__FILTER", "trace"),
        ("LOG__FORMAT", "json"),
        ("DATABASE__MIGRATE_AT_START", "false"),
        ("SECRETS__MASTER", "h1QeZbJkN0s3x5vY8aBcD2fGiKlMnOpQrStUwXzA46E="),
    ]));
    let process = Process::start(&all, folder.path()).await;
    let mut secrets = vec![
        "ada.secret@example.org".to_owned(),
        "h1QeZbJkN0s3x5vY8aBcD2fGiKlMnOpQrStUwXzA46E".to_owned(),
        "secret@127".to_owned(),
    ];
    process.post(READER, "/auth/v1/otp", json!({"email": "ada.secret@example.org"})).await;
    let code = process.code_from_inbox("ada.secret@example.org").await;
    process.verify(READER, "ada.secret@example.org", "000000").await;
    process.verify(MANAGE, "ada.secret@example.org", &code).await;
    let (_, session) = process.verify(READER, "ada.secret@example.org", &code).await;
    let (_, refreshed) = process
        .post(
            READER,
            "/auth/v1/token?grant_type=refresh_token",
            json!({"refresh_token": text(&session, "refresh_token")}),
        )
        .await;
    process.post(READER, "/auth/v1/otp", json!({"email": "ada.secret@example.org"})).await;
    process.post(READER, "/auth/v1/otp", json!({"email": "not-an-address ada.secret@example.org"})).await;
    for session in [&session, &refreshed] {
        secrets.push(text(session, "refresh_token").to_owned());
        secrets.push(text(session, "access_token").to_owned());
    }
    secrets.push(code);
    let metrics = process.metrics().await;
    let health = process.private("/health/ready").await;
    let (exit, log) = process.stop().await;
    assert_eq!(exit, Some(0));
    let traces = collector.text();
    assert!(metrics.contains("verifyCode") && health.contains("up_secs") && traces.contains("verifyCode"));
    assert!(
        log.lines().filter(|line| line.starts_with('{')).count() > 20 && log.contains("verifyCode"),
        "the log is on: {log}"
    );
    for line in log.lines().filter(|line| line.starts_with('{')) {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    }
    for secret in secrets {
        // A six-digit code can stand in a time or an id by chance: there it is surrounded by other digits.
        let everything = [&log, &metrics, &health, &traces];
        let found = everything.into_iter().flat_map(|text| text.lines()).find(|line| {
            line.match_indices(&secret).any(|(at, _)| {
                let near = |byte: Option<&u8>| {
                    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.' || *byte == b'-')
                };
                let bytes = line.as_bytes();
                secret.len() > 6
                    || !(near(at.checked_sub(1).and_then(|at| bytes.get(at)))
                        || near(bytes.get(at + secret.len())))
            })
        });
        assert!(found.is_none(), "{secret} in {found:?}");
    }
}

#[tokio::test]
async fn mails_can_be_looked_at_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(&["mail", "preview", "--out", "mails"], &[], folder.path()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    let files: Vec<_> = std::fs::read_dir(folder.path().join("mails")).unwrap().collect();
    assert!(files.len() >= 9 && folder.path().join("mails/index.html").exists(), "{files:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demonstration_data_lets_anybody_sign_in_as_any_role_and_goes_into_an_empty_database_only() {
    let folder = embedded::data_folder().await;
    let all = embedded::settings(folder.path());
    let filled = run(&["demo"], &all, folder.path()).await;
    assert_eq!(filled.code, Some(0), "{}", filled.output);
    let again = run(&["demo"], &all, folder.path()).await;
    assert_eq!(again.code, Some(69), "{}", again.output);
    assert!(again.output.contains("not empty"), "{}", again.output);
    let process = Process::start(&all, folder.path()).await;
    for (email, libraries, role) in [
        ("owner-1", 1, "owner"),
        ("manager-7", 1, "manager"),
        ("librarian-1", 2, "librarian"),
        ("reader-3", 0, ""),
    ] {
        let email = format!("{email}@demo.example");
        process.post(MANAGE, "/auth/v1/otp", json!({"email": email})).await;
        let code = process.code_from_inbox(&email).await;
        let (_, session) = process.verify(MANAGE, &email, &code).await;
        let mine = process.get_with_token(MANAGE, "/api/v1/libraries", text(&session, "access_token")).await;
        let items = mine["items"].as_array().unwrap();
        assert_eq!(items.len(), libraries, "{email}: {mine}");
        assert!(items.iter().all(|library| library["role"] == role), "{email}: {mine}");
    }
    assert_eq!(process.stop().await.0, Some(0));
    let production = run(
        &["demo", "--config", concat!(env!("CARGO_MANIFEST_DIR"), "/config/production.example.toml")],
        &settings(&[("SECRETS__MASTER", "h1QeZbJkN0s3x5vY8aBcD2fGiKlMnOpQrStUwXzA46E=")]),
        folder.path(),
    )
    .await;
    assert_eq!(production.code, Some(69), "{}", production.output);
    assert!(production.output.contains("production"), "{}", production.output);
}
