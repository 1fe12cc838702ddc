//! Mail as a mail server sees it, in a real conversation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::support::app::READER;
use super::support::process::{Process, code_in};
use super::support::services::{mail_files, setting};
use super::support::{Services, TestApp};

pub(crate) fn smtp() -> Vec<(&'static str, String)> {
    vec![
        ("MAIL__TRANSPORT", "smtp".to_owned()),
        ("MAIL__SMTP_HOST", "localhost".to_owned()),
        ("MAIL__SMTP_PORT", setting("DOORCODE_TEST_SMTP_PORT")),
        ("MAIL__SMTP_TLS", "starttls".to_owned()),
        ("MAIL__SMTP_CA_FILE", setting("DOORCODE_TEST_SMTP_CA")),
    ]
}

pub(crate) fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

pub(crate) async fn app_with_smtp() -> TestApp {
    TestApp::on_services_with(&borrowed(&smtp())).await
}

/// An address nobody else uses.
pub(crate) fn fresh(local: &str) -> String {
    format!("{local}-{}@example.org", Uuid::new_v4().simple())
}

/// What the mail server has accepted for an address, oldest first.
fn accepted(email: &str) -> Vec<Value> {
    mail_files()
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

/// A mail in a worker's hands: its id, whose they are, since how many milliseconds, how often it was taken.
type Taken = (String, String, u64, u64);

async fn taken(services: &Services) -> Vec<Taken> {
    let mut ask = redis::cmd("XPENDING");
    ask.arg(mail_key(services).await).arg("mailers").arg("-").arg("+").arg(10);
    // Nobody has looked for mail yet.
    ask.query_async(&mut services.redis().await).await.unwrap_or_default()
}

async fn mail_key(services: &Services) -> String {
    services.keys().await.into_iter().find(|key| key.ends_with(":mail")).unwrap()
}

async fn wait_until_taken(services: &Services, count: usize) -> Vec<Taken> {
    for _ in 0..400 {
        let taken = taken(services).await;
        if taken.len() >= count {
            return taken;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no worker took mail {count}");
}

/// The lease is a minute, and is renewed three times in it: this takes a third of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_a_mail_on_its_way_and_one_that_waits_behind_it_stay_with_the_worker_that_took_them() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = smtp();
    settings[2].1 = silent.local_addr().unwrap().port().to_string();
    settings.push(("MAIL__WORKERS", "1".to_owned()));
    settings.push(("MAIL__COMMAND_TIMEOUT_SECS", "60".to_owned()));
    let app = TestApp::on_services_with(&borrowed(&settings)).await;
    for local in ["ada", "eve"] {
        app.request_code(READER, &fresh(local)).await.assert_ok();
    }
    let services = app.services.as_ref().unwrap();
    let half_over = 30_000;
    for (id, worker, ..) in wait_until_taken(services, 2).await {
        let mut age = redis::cmd("XCLAIM");
        age.arg(mail_key(services).await).arg("mailers").arg(worker).arg(0).arg(id);
        age.arg("IDLE").arg(half_over).arg("JUSTID");
        age.exec_async(&mut services.redis().await).await.unwrap();
    }
    for _ in 0..400 {
        let taken = taken(services).await;
        if taken.iter().all(|(.., idle, _)| *idle < half_over) {
            // Renewing does not count; taking it over does, whoever does it.
            assert!(taken.iter().all(|(.., times)| *times == 1), "{taken:?}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a lease is left to end: {:?}", taken(services).await);
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
    wait_until_taken(services, 1).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t40_a_mail_on_its_way_is_not_in_the_log_even_when_all_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::new().await;
    let mut all = services.settings();
    let more = [
        ("LOG__FILTER", "trace".to_owned()),
        ("DATABASE__MIGRATE_AT_START", "false".to_owned()),
        ("SECRETS__MASTER", "h1QeZbJkN0s3x5vY8aBcD2fGiKlMnOpQrStUwXzA46E=".to_owned()),
    ];
    all.extend(smtp().into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)));
    let process = Process::start(&all, folder.path()).await;
    let email = fresh("ada");
    process.post(READER, "/auth/v1/otp", json!({"email": email})).await;
    let mail = wait_for_mail(&email, 1).await.remove(0);
    let (_, log) = process.stop().await;
    assert!(log.contains("mail sent"), "the log is on: {log}");
    assert!(!log.contains(&email), "the address is in the log");
    let words = "Keep this code to yourself";
    assert!(mail["text"].as_str().unwrap().contains(words), "{mail}");
    assert!(!log.contains(words), "what the mail says is in the log");
}

/// A mail server that takes anything, one mail for each connection it is allowed to serve; counts connections, and
/// mails whose end came with their text.
#[derive(Default)]
struct Relay {
    connections: AtomicUsize,
    whole: AtomicUsize,
    torn: AtomicUsize,
}

impl Relay {
    /// Speaks with one client; after so many mails it is too busy for more, and hangs up.
    async fn serve(self: Arc<Self>, mut stream: TcpStream, mails: usize) -> std::io::Result<()> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        stream.write_all(b"220 relay ESMTP\r\n").await?;
        let (mut buffer, mut taken) = (vec![0; 1 << 20], 0);
        loop {
            let length = stream.read(&mut buffer).await?;
            let said = buffer[..length].to_ascii_uppercase();
            if length == 0 || said.starts_with(b"QUIT") {
                return Ok(());
            }
            let reply: &[u8] = if said.starts_with(b"DATA") {
                stream.write_all(b"354 go on\r\n").await?;
                // What one read finds is what one write sent: the machine does not split a few kilobytes to itself.
                stream.readable().await?;
                let mut length = stream.read(&mut buffer).await?;
                let whole = buffer[..length].ends_with(b"\r\n.\r\n");
                if whole { &self.whole } else { &self.torn }.fetch_add(1, Ordering::SeqCst);
                while !buffer[..length].ends_with(b"\r\n.\r\n") {
                    length += stream.read(&mut buffer[length..]).await?;
                }
                taken += 1;
                b"250 taken\r\n"
            } else if said.starts_with(b"MAIL") && taken == mails {
                stream.write_all(b"421 too many mails\r\n").await?;
                return Ok(());
            } else {
                b"250 ok\r\n"
            };
            stream.write_all(reply).await?;
        }
    }

    /// An app that sends its mails here, over one connection at a time.
    async fn start(mails: usize) -> (Arc<Self>, TestApp) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let relay = Arc::new(Self::default());
        let serving = Arc::clone(&relay);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream, mails));
            }
        });
        let settings = [
            ("MAIL__TRANSPORT", "smtp"),
            ("MAIL__SMTP_HOST", "127.0.0.1"),
            ("MAIL__SMTP_PORT", &port),
            ("MAIL__SMTP_TLS", "none"),
            ("MAIL__SMTP_POOL", "1"),
        ];
        let app = TestApp::on_services_with(&settings).await;
        (relay, app)
    }

    /// Asks for so many codes and waits until as many mails have come.
    async fn take(&self, app: &TestApp, mails: usize) {
        for _ in 0..mails {
            app.request_code(READER, &fresh("ada")).await.assert_ok();
        }
        for _ in 0..800 {
            if self.whole.load(Ordering::SeqCst) + self.torn.load(Ordering::SeqCst) >= mails {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{} of {mails} mails came", self.whole.load(Ordering::SeqCst));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_mails_go_over_one_connection_and_none_waits_for_its_last_dot() {
    let (relay, app) = Relay::start(usize::MAX).await;
    relay.take(&app, 20).await;
    assert_eq!(relay.connections.load(Ordering::SeqCst), 1);
    assert_eq!(relay.torn.load(Ordering::SeqCst), 0, "mails whose end came after their text");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_ends_its_connections_gets_the_next_mail_over_a_new_one() {
    let (relay, app) = Relay::start(3).await;
    relay.take(&app, 10).await;
    assert_eq!(relay.connections.load(Ordering::SeqCst), 4);
    // Each was taken once, and none had to wait for another try.
    assert_eq!(relay.whole.load(Ordering::SeqCst), 10);
}
