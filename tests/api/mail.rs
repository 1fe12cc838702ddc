//! Mail as a mail server sees it, in a real conversation.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::support::TestApp;
use super::support::app::READER;
use super::support::process::code_in;
use super::support::services::{mail_folder, setting};

fn smtp() -> Vec<(&'static str, String)> {
    vec![
        ("MAIL__TRANSPORT", "smtp".to_owned()),
        ("MAIL__SMTP_HOST", "localhost".to_owned()),
        ("MAIL__SMTP_PORT", setting("DOORCODE_TEST_SMTP_PORT")),
        ("MAIL__SMTP_TLS", "starttls".to_owned()),
        ("MAIL__SMTP_CA_FILE", setting("DOORCODE_TEST_SMTP_CA")),
    ]
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

async fn app_with_smtp() -> TestApp {
    TestApp::on_services_with(&borrowed(&smtp())).await
}

/// An address nobody else uses.
fn fresh(local: &str) -> String {
    format!("{local}-{}@example.org", Uuid::new_v4().simple())
}

/// What the mail server has accepted for an address, oldest first.
fn accepted(email: &str) -> Vec<Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(mail_folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    files.sort();
    files
        .iter()
        .filter_map(|path| serde_json::from_str::<Value>(&std::fs::read_to_string(path).ok()?).ok())
        .filter(|mail| mail["to"].as_array().is_some_and(|to| to.iter().any(|to| to == email)))
        .collect()
}

async fn wait_for_mail(email: &str, count: usize) -> Vec<Value> {
    for _ in 0..800 {
        let mails = accepted(email);
        if mails.len() >= count {
            return mails;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("mail {count} to {email} did not come");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t11_a_code_goes_over_tls_to_one_person_and_stands_in_the_body_alone() {
    let app = app_with_smtp().await;
    let email = fresh("ada");
    app.request_code(READER, &email).await.assert_ok();
    let mail = wait_for_mail(&email, 1).await.remove(0);
    assert_eq!(mail["tls"], true);
    assert_eq!(mail["to"], json!([email]));
    let code = code_in(mail["text"].as_str().unwrap());
    assert!(mail["html"].as_str().unwrap().contains(&code));
    assert!(mail["text"].as_str().unwrap().contains("reader.localhost:8080"), "says which site asked");
    let raw = mail["raw"].as_str().unwrap();
    let headers = raw.split("\r\n\r\n").next().unwrap();
    assert!(!headers.contains(&code), "{headers}");
    assert!(
        headers.contains("Auto-Submitted: auto-generated") && headers.contains("Message-ID: <"),
        "{headers}"
    );
    app.verify(READER, &email, &code).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_a_mail_server_that_asks_to_come_back_gets_the_mail_at_the_second_try() {
    let app = app_with_smtp().await;
    for local in ["greylist", "busy"] {
        let email = fresh(local);
        app.request_code(READER, &email).await.assert_ok();
        let mails = wait_for_mail(&email, 1).await;
        let code = code_in(mails[0]["text"].as_str().unwrap());
        app.verify(READER, &email, &code).await.assert_ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_an_address_that_bounces_gets_the_same_answer_and_holds_up_nobody() {
    let app = app_with_smtp().await;
    let (bounce, ada) = (fresh("bounce"), fresh("ada"));
    let refused = app.request_code(READER, &bounce).await;
    let sent = app.request_code(READER, &ada).await;
    assert_eq!((refused.status, &refused.body), (sent.status, &sent.body));
    wait_for_mail(&ada, 1).await;
    assert!(accepted(&bounce).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_mails_wait_for_a_mail_server_that_is_down_even_over_a_restart() {
    let mut settings = smtp();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    settings[2].1 = nobody.to_string();
    let app = TestApp::on_services_with(&borrowed(&settings)).await;
    let email = fresh("ada");
    app.request_code(READER, &email).await.assert_ok();
    let services = app.services.as_ref().unwrap();
    // A worker holds the mail and tries; then it has to give it back.
    for _ in 0..400 {
        let mut redis = services.redis().await;
        let key = services.keys().await.into_iter().find(|key| key.ends_with(":mail")).unwrap();
        let pending: Vec<redis::Value> = redis::cmd("XPENDING")
            .arg(&key)
            .arg("mailers")
            .arg("-")
            .arg("+")
            .arg(10)
            .query_async(&mut redis)
            .await
            .unwrap_or_default();
        if !pending.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let app = app.restart_with(&borrowed(&smtp())).await;
    let mails = wait_for_mail(&email, 1).await;
    let code = code_in(mails[0]["text"].as_str().unwrap());
    app.verify(READER, &email, &code).await.assert_ok();
    assert_eq!(accepted(&email).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_a_mail_server_without_tls_is_told_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mailed, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (saw_mail, saw_hello) = (Arc::clone(&mailed), Arc::clone(&asked));
    // Speaks SMTP and does not offer STARTTLS, as after somebody has stripped it.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (saw_mail, saw_hello) = (Arc::clone(&saw_mail), Arc::clone(&saw_hello));
            tokio::spawn(async move {
                let (reading, mut writing) = stream.into_split();
                let mut lines = BufReader::new(reading).lines();
                let _ = writing.write_all(b"220 stripped ESMTP\r\n").await;
                while let Ok(Some(line)) = lines.next_line().await {
                    let verb = line.to_ascii_uppercase();
                    let reply: &[u8] = if verb.starts_with("EHLO") {
                        saw_hello.store(true, Ordering::SeqCst);
                        b"250 stripped\r\n"
                    } else if verb.starts_with("QUIT") {
                        b"221 bye\r\n"
                    } else {
                        saw_mail.store(true, Ordering::SeqCst);
                        b"250 ok\r\n"
                    };
                    if writing.write_all(reply).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let mut settings = smtp();
    settings[2].1 = port.to_string();
    let app = TestApp::on_services_with(&borrowed(&settings)).await;
    asked.store(false, Ordering::SeqCst);
    app.request_code(READER, &fresh("ada")).await.assert_ok();
    for _ in 0..400 {
        if asked.load(Ordering::SeqCst) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(asked.load(Ordering::SeqCst), "the server was tried");
    drop(app);
    assert!(!mailed.load(Ordering::SeqCst), "something was said without TLS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t15_text_of_a_stranger_writes_no_header_and_no_second_mail() {
    let app = app_with_smtp().await;
    let email = fresh("ada");
    let data = json!({"display_name": "Eve\r\nBcc: eve@example.org\r\n.\r\nMAIL FROM:<eve@example.org>", "full_name": "{{7*7}}<b>"});
    let body = json!({"email": email, "data": data}).to_string();
    app.send(READER, Method::POST, "/auth/v1/otp", &[], Some(body)).await.assert_ok();
    let mail = wait_for_mail(&email, 1).await.remove(0);
    let raw = mail["raw"].as_str().unwrap();
    assert_eq!(mail["to"], json!([email]));
    assert!(!raw.contains("Bcc") && !raw.contains("eve@example.org"), "{raw}");
    // Nothing that a person says of themselves is in a code's mail, evaluated or not.
    for part in ["text", "html"] {
        let written = mail[part].as_str().unwrap();
        assert!(
            !written.contains("Eve") && !written.contains("{{7*7}}") && !written.contains("<b>"),
            "{written}"
        );
    }
}
