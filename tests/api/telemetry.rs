//! What the server tells those who run it: numbers that move by exactly what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Method;
use serde_json::{Value, json};

use super::sign_in::wrong_codes;
use super::support::app::{MASTER, READER, text};
use super::support::process::Process;
use super::support::{Collector, Services, TestApp, on_both_backends};

/// Every series that was read, by its name with its labels; whole numbers are written as such.
type Numbers = BTreeMap<String, String>;

async fn numbers(app: &TestApp) -> Numbers {
    let (status, text) = app.get_private("/metrics").await;
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
    let series = text.lines().filter(|line| !line.starts_with('#'));
    series
        .map(|line| {
            let (name, number) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), number.strip_suffix(".0").unwrap_or(number).to_owned())
        })
        .collect()
}

/// Which counters moved, and by how much.
fn moved(before: &Numbers, after: &Numbers) -> Vec<String> {
    let counters = after.iter().filter(|(name, _)| name.split('{').next().unwrap().ends_with("_total"));
    counters
        .filter_map(|(name, now)| {
            let whole = |number: &String| number.parse::<u64>().unwrap();
            let by = whole(now) - before.get(name).map_or(0, whole);
            (by > 0).then(|| format!("{name} {by}"))
        })
        .collect()
}

/// Waits until the mail queues are empty: the answer does not wait for the mail.
async fn all_mails_gone(app: &TestApp) {
    for _ in 0..400 {
        let now = numbers(app).await;
        let depth = |queue| &now[&format!("doorcode_mail_queue_depth{{queue=\"{queue}\"}}")];
        if depth("codes") == "0" && depth("outbox") == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("mails wait");
}

on_both_backends! {
    async fn the_numbers_move_by_exactly_what_happened(app: TestApp) {
        let before = numbers(&app).await;
        app.request_code(READER, "ada@example.org").await.assert_ok();
        app.request_code(READER, "ada@example.org").await.assert_problem(429, "over_email_send_rate_limit");
        let code = app.code("ada@example.org", 1).await;
        for wrong in wrong_codes(&code, 2) {
            app.verify(READER, "ada@example.org", &wrong).await.assert_problem(403, "otp_expired");
        }
        let session = app.verify(READER, "ada@example.org", &code).await.assert_ok().body.clone();
        let refreshed = app.refresh(READER, text(&session, "refresh_token")).await.assert_ok().body.clone();
        app.refresh(READER, "dcrt_x").await.assert_problem(400, "validation_failed");
        let token = text(&refreshed, "access_token");
        app.get_with_token(READER, "/auth/v1/user", token).await.assert_ok();
        app.logout(READER, "?scope=local", token).await;
        app.send(READER, Method::from_bytes(b"BREW").unwrap(), "/login", &[], None).await;
        all_mails_gone(&app).await;
        let after = numbers(&app).await;
        assert_eq!(
            moved(&before, &after),
            [
                r#"doorcode_codes_presented_total{site="reader",purpose="sign_in",outcome="accepted"} 1"#,
                r#"doorcode_codes_presented_total{site="reader",purpose="sign_in",outcome="refused"} 2"#,
                r#"doorcode_codes_requested_total{site="reader",purpose="sign_in",outcome="short"} 1"#,
                r#"doorcode_codes_requested_total{site="reader",purpose="sign_in",outcome="too_soon"} 1"#,
                r#"doorcode_http_requests_total{operation="-",method="other",status="405"} 1"#,
                r#"doorcode_http_requests_total{operation="getUser",method="GET",status="200"} 1"#,
                r#"doorcode_http_requests_total{operation="refreshSession",method="POST",status="200"} 1"#,
                r#"doorcode_http_requests_total{operation="refreshSession",method="POST",status="400"} 1"#,
                r#"doorcode_http_requests_total{operation="requestCode",method="POST",status="200"} 1"#,
                r#"doorcode_http_requests_total{operation="requestCode",method="POST",status="429"} 1"#,
                r#"doorcode_http_requests_total{operation="signOut",method="POST",status="204"} 1"#,
                r#"doorcode_http_requests_total{operation="verifyCode",method="POST",status="200"} 1"#,
                r#"doorcode_http_requests_total{operation="verifyCode",method="POST",status="403"} 2"#,
                r#"doorcode_limits_hit_total{limit="address_mails"} 1"#,
                r#"doorcode_mails_total{queue="codes",outcome="sent"} 1"#,
                r#"doorcode_session_refreshes_total{site="reader",outcome="bad_token"} 1"#,
                r#"doorcode_session_refreshes_total{site="reader",outcome="refreshed"} 1"#,
                r#"doorcode_sessions_ended_total{reason="sign_out"} 1"#,
                r#"doorcode_sessions_opened_total{site="reader",account="new"} 1"#,
            ]
        );
        assert_eq!(after["doorcode_http_requests_in_flight"], "0");
        assert_eq!(after[r#"doorcode_site_can_sign{site="management"}"#], "1");
        assert_eq!(after[r#"doorcode_dependency_up{dependency="database"}"#], "1");
        assert_eq!(after[r#"doorcode_dependency_up{dependency="code_store"}"#], "1");
        assert_eq!(after[r#"doorcode_dependency_up{dependency="mail_server"}"#], "1");
        let statement = r#"doorcode_database_statement_duration_seconds_count{statement="try_open_session"}"#;
        assert_eq!(after.get(statement).map(String::as_str), Some("1"), "{after:#?}");
    }

    async fn the_private_listener_says_how_the_server_stands_and_the_public_one_does_not(app: TestApp) {
        let (status, body) = app.get_private("/health/ready").await;
        assert_eq!(status, 200);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["status"], "ready");
        assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(body["dependencies"]["database"]["up"], true);
        assert_eq!(body["dependencies"]["code_store"]["up"], true);
        assert_eq!(body["dependencies"]["code_store"]["mail_queue"], json!({"depth": 0, "oldest_age_secs": 0}));
        let keys = &body["sites"]["reader"];
        assert_eq!((&keys["can_sign"], &keys["keys_published"]), (&json!(true), &json!(1)), "{keys}");
        assert!(keys["key_age_secs"].as_u64().unwrap() < 600, "{keys}");
        let (status, body) = app.get_private("/health/live").await;
        assert_eq!((status.as_u16(), serde_json::from_str::<Value>(&body).unwrap()["status"].as_str()), (200, Some("live")));
        for path in ["/metrics", "/auth/v1/metrics", "/api/v1/metrics"] {
            let answer = app.send(READER, Method::GET, path, &[], None).await;
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
        }
        let public = app.send(READER, Method::GET, "/health/ready", &[], None).await;
        assert_eq!(public.body, json!({"status": "ready", "degraded": []}));
        let (status, _) = app.get_private("/auth/v1/settings").await;
        assert_eq!(status, 404, "nothing of the API is served there");
    }
}

/// The settings of a server that sends its traces to `collector`.
fn traced(services: &Services, collector: &Collector, proxies: &str) -> Vec<(String, String)> {
    let mut all = services.settings();
    let more = [
        ("DATABASE__MIGRATE_AT_START", "false"),
        ("SECRETS__MASTER", MASTER),
        ("SERVER__TRUSTED_PROXIES", proxies),
        ("TELEMETRY__OTLP_ENDPOINT", &collector.endpoint),
    ];
    all.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    all
}

fn names_below<'a>(spans: &'a [Span], parent: &Span) -> Vec<&'a str> {
    let below = spans.iter().filter(|span| span.parent_span_id == parent.span_id);
    below.map(|span| span.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_tell_which_steps_a_request_took_and_go_on_from_a_trusted_proxy_alone() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::new().await;
    for (proxies, trusted) in [("127.0.0.1", true), ("", false)] {
        let collector = Collector::start().await;
        let process = Process::start(&traced(&services, &collector, proxies), folder.path()).await;
        let email = format!("ada-{trusted}@example.org");
        process.post(READER, "/auth/v1/otp", json!({"email": email})).await;
        let code = process.code_from_inbox(&email).await;
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let body = json!({"type": "email", "email": email, "token": code});
        process.post_with(READER, "/auth/v1/verify", &[("traceparent", parent)], body).await;
        let (exit, log) = process.stop().await;
        assert_eq!(exit, Some(0), "{log}");
        // What was left was sent before the end.
        let spans = collector.spans();
        let named = |name: &str| {
            spans
                .iter()
                .find(|span| span.name == name)
                .unwrap_or_else(|| panic!("no {name} in {spans:#?}\n{log}"))
        };
        let asked = named("requestCode");
        assert_eq!(asked.kind, i32::from(SpanKind::Server));
        assert!(asked.parent_span_id.is_empty());
        assert_eq!(names_below(&spans, asked), ["issue"]);
        let verified = named("verifyCode");
        assert_eq!(names_below(&spans, verified), ["claim", "try_open_session", "release"]);
        let theirs = (
            verified.trace_id[..4] == [0x0a, 0xf7, 0x65, 0x19],
            verified.parent_span_id == [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31],
        );
        assert_eq!(theirs, (trusted, trusted), "{verified:?}");
        let mailed = named("deliver mail");
        assert_eq!(
            names_below(&spans, mailed),
            ["current", "find_account_for_mail", "is_suppressed", "send mail"]
        );
        let known = [
            "requestCode",
            "issue",
            "verifyCode",
            "claim",
            "try_open_session",
            "release",
            "deliver mail",
            "current",
            "find_account_for_mail",
            "is_suppressed",
            "send mail",
        ];
        assert!(spans.iter().all(|span| known.contains(&span.name.as_str())), "{spans:#?}");
        assert!(log.contains("answered") && !log.contains("otel."), "traces are not in the log: {log}");
    }
}

/// The names of metrics that a text mentions.
fn mentioned(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !is_name(c));
    words.filter(|word| word.starts_with("doorcode_") || word.starts_with("process_")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_alerts_and_readme_name_metrics_that_there_are_and_the_readme_all_of_them() {
    let app = TestApp::on_services().await;
    app.sign_in(READER, "ada@example.org").await;
    let read = numbers(&app).await;
    let there: BTreeSet<&str> = read.keys().map(|series| series.split('{').next().unwrap()).collect();
    for file in ["config/grafana-dashboard.json", "config/alerts.yml"] {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let named = mentioned(&text);
        assert!(named.len() > 8, "{file} names {named:?}");
        let unknown: Vec<_> = named.difference(&there).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    // A histogram is three series; people know it by its own name.
    let whole = |name: &&str| {
        ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    let wanted: BTreeSet<String> = there.iter().map(whole).collect();
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("\n### Watch it").nth(1).unwrap().split("\n### ").next().unwrap();
    let told: BTreeSet<String> = mentioned(section).iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(told, wanted);
    let dashboard = std::fs::read_to_string(root().join("config/grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let rows: Vec<_> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|panel| panel["type"] == "row")
        .map(|row| text(row, "title"))
        .collect();
    assert_eq!(rows, ["Traffic", "Sign-ins", "Mail", "Stores", "Keys", "Limits", "Processes"]);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_a_stolen_token_are_counted_each_by_its_name() {
    let app = TestApp::on_services_with(&[
        ("LIMITS__CODE_REQUESTS", "2"),
        ("LIMITS__VERIFIES", "1"),
        ("LIMITS__REFRESHES", "4"),
        ("SITES__READER__MAILS_PER_HOUR", "1"),
    ])
    .await;
    let before = numbers(&app).await;
    let session = app.sign_in(READER, "ada@example.org").await;
    app.request_code(READER, "eve@example.org").await.assert_problem(429, "over_email_send_rate_limit");
    app.request_code(READER, "bob@example.org").await.assert_problem(429, "over_request_rate_limit");
    app.verify(READER, "ada@example.org", "000000").await.assert_problem(429, "over_request_rate_limit");
    let mut token = text(&session, "refresh_token").to_owned();
    let first = token.clone();
    for _ in 0..2 {
        token = text(&app.refresh(READER, &token).await.assert_ok().body, "refresh_token").to_owned();
    }
    app.refresh(READER, &token).await.assert_ok();
    app.refresh(READER, &first).await.assert_problem(400, "refresh_token_already_used");
    app.refresh(READER, &token).await.assert_problem(429, "over_request_rate_limit");
    all_mails_gone(&app).await;
    let mut moved = moved(&before, &numbers(&app).await);
    moved.retain(|series| !series.starts_with("doorcode_http"));
    assert_eq!(
        moved,
        [
            r#"doorcode_codes_presented_total{site="reader",purpose="sign_in",outcome="accepted"} 1"#,
            r#"doorcode_codes_requested_total{site="reader",purpose="sign_in",outcome="short"} 1"#,
            r#"doorcode_codes_requested_total{site="reader",purpose="sign_in",outcome="site_budget"} 1"#,
            r#"doorcode_limits_hit_total{limit="client_code_requests"} 1"#,
            r#"doorcode_limits_hit_total{limit="client_refreshes"} 1"#,
            r#"doorcode_limits_hit_total{limit="client_verifies"} 1"#,
            r#"doorcode_limits_hit_total{limit="site_mails"} 1"#,
            r#"doorcode_mails_total{queue="codes",outcome="sent"} 1"#,
            r#"doorcode_session_refreshes_total{site="reader",outcome="limited"} 1"#,
            r#"doorcode_session_refreshes_total{site="reader",outcome="refreshed"} 3"#,
            r#"doorcode_session_refreshes_total{site="reader",outcome="reused"} 1"#,
            r#"doorcode_sessions_ended_total{reason="stolen"} 1"#,
            r#"doorcode_sessions_opened_total{site="reader",account="new"} 1"#,
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_that_a_dead_mail_server_does_not_take_are_seen_waiting() {
    // A port where nobody listens, and stays so: it is bound and never accepts.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let app = TestApp::on_services_with(&[
        ("MAIL__TRANSPORT", "smtp"),
        ("MAIL__SMTP_HOST", "127.0.0.1"),
        ("MAIL__SMTP_PORT", &port),
        ("MAIL__SMTP_TLS", "none"),
    ])
    .await;
    assert_eq!(numbers(&app).await[r#"doorcode_dependency_up{dependency="mail_server"}"#], "0");
    app.request_code(READER, "ada@example.org").await.assert_ok();
    let retried = r#"doorcode_mails_total{queue="codes",outcome="retried"}"#;
    let mut now = numbers(&app).await;
    for _ in 0..400 {
        if now[retried].parse::<u64>().unwrap() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
        now = numbers(&app).await;
    }
    assert!(now[retried].parse::<u64>().unwrap() >= 2, "{now:#?}");
    assert_eq!(now[r#"doorcode_mail_queue_depth{queue="codes"}"#], "1");
    assert!(now[r#"doorcode_mail_queue_oldest_age_seconds{queue="codes"}"#].parse::<f64>().unwrap() > 0.0);
    assert_eq!(now[r#"doorcode_mails_total{queue="codes",outcome="sent"}"#], "0");
    assert_eq!(now[r#"doorcode_dependency_up{dependency="mail_server"}"#], "0");
    let (status, ready) = app.get_private("/health/ready").await;
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!((status.as_u16(), &ready["dependencies"]["mail_server"]["up"]), (200, &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f14_a_server_that_the_database_alone_finds_wrong_says_so_and_serves() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Services::new().await.settings();
    all.retain(|(name, _)| name != "REDIS__URL");
    let more = [
        ("DATABASE__MIGRATE_AT_START", "false"),
        ("SECRETS__MASTER", MASTER),
        ("SERVER__METRICS_LISTEN", "127.0.0.1:0"),
    ];
    all.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let process = Process::start_with_clock(-90, &all, folder.path()).await;
    let ready = process.get(READER, "/health/ready").await;
    assert_eq!((ready.0.as_u16(), ready.1), (200, json!({"status": "ready", "degraded": ["clock"]})));
    let told: Value = serde_json::from_str(&process.private("/health/ready").await).unwrap();
    let ahead = told["dependencies"]["database"]["clock_ahead_secs"].as_i64().unwrap();
    assert!((-91..=-89).contains(&ahead), "{told}");
    assert_eq!(told["dependencies"]["code_store"]["clock_ahead_secs"], Value::Null);
    assert!(process.metrics().await.contains("doorcode_clock_ahead_seconds{dependency=\"database\"} -"));
    let (exit, log) = process.stop().await;
    assert_eq!(exit, Some(0));
    assert_eq!(log.matches("clock is not that of its stores").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f17_a_log_that_nobody_takes_holds_up_no_request_and_its_lost_lines_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Services::new().await.settings();
    let more = [
        ("DATABASE__MIGRATE_AT_START", "false"),
        ("SECRETS__MASTER", MASTER),
        ("SERVER__METRICS_LISTEN", "127.0.0.1:0"),
        ("LOG__FILTER", "trace"),
    ];
    all.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let process = Process::start_with_stuck_log(&all, folder.path()).await;
    let lost = async || {
        let metrics = process.metrics().await;
        let line = metrics.lines().find(|line| line.starts_with("doorcode_log_lines_dropped_total")).unwrap();
        line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
    };
    // Far more lines than are kept; each request is answered all the same.
    for _ in 0..20_000 {
        assert_eq!(process.get(READER, "/health/ready").await.0, 200);
        if lost().await > 0 {
            break;
        }
    }
    assert!(lost().await > 0);
    assert_eq!(process.get(READER, "/health/live").await.0, 200);
    assert_eq!(process.stop().await.0, Some(0), "a stop does not wait for whoever reads the log either");
}
