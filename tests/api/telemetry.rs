//! What the server tells those who run it: numbers that move by exactly what happened.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::sign_in::wrong_codes;
use super::support::app::{READER, text};
use super::support::{TestApp, on_both_backends};

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
        app.send(READER, Method::from_bytes(b"BREW").unwrap(), "/nowhere", &[], None).await;
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
