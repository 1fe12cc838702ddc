//! How the server stops: first it says so, then it stops accepting, then it finishes.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::raw::Raw;
use crate::support::app::READER;
use crate::support::process::Process;
use crate::support::{Services, embedded};

async fn process(changes: &[(&str, &str)], folder: &std::path::Path) -> Process {
    let services = Services::new().await;
    let mut settings = services.settings();
    settings.push(("DATABASE__MIGRATE_AT_START".to_owned(), "false".to_owned()));
    settings.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Process::start(&settings, folder).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_a_stop_is_told_first_then_nothing_new_is_taken_and_what_was_begun_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let process = process(&[("SERVER__GRACE_SECS", "3"), ("SERVER__DRAIN_SECS", "8")], folder.path()).await;
    let address = process.authority().to_owned();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {READER}\r\n\r\n");
    let mut idle = Raw::to(&address).await;
    idle.say(get("/health/ready")).await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    let mut begun = Raw::to(&address).await;
    let body = r#"{"email": "ada@example.org"}"#;
    // Blanks may stand around it.
    let length = 2000;
    let mut blanks = 0;
    let head = format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\nContent-Length: {length}");
    begun.say(format!("{head}\r\n\r\n")).await;

    let told = Instant::now();
    process.signal("TERM");
    let refused = async {
        let (mut said, mut last) = (None, Instant::now());
        loop {
            let Ok(stream) = TcpStream::connect(&address).await else { return (said, last) };
            drop(stream);
            last = Instant::now();
            if said.is_none() {
                let (status, body) = process.get(READER, "/health/ready").await;
                if status.as_u16() == 503 {
                    assert_eq!(body["status"], "draining");
                    // Everything else goes on.
                    assert_eq!(process.get(READER, "/health/live").await.0.as_u16(), 200);
                    said = Some(told.elapsed());
                }
            }
            // The body goes on coming: slowly, but it comes.
            begun.say(" ").await;
            blanks += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (said, last) = tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
    let (said, last) = (said.expect("it said that it was draining"), last.duration_since(told));
    assert!(said < Duration::from_secs(2) && last >= Duration::from_secs(2), "{said:?}, {last:?}");
    // The listener is gone; what was idle has ended, and what was begun is answered, as the last answer there.
    idle.assert_ends().await;
    begun.say(format!("{body:<0$}", length - blanks)).await;
    let answer = begun.answer().await.expect("an answer to what was begun");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
    let (code, log) = process.ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(told.elapsed() < Duration::from_secs(25), "{:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_what_does_not_finish_is_cut_and_the_exit_is_clean_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let process = process(&[("SERVER__DRAIN_SECS", "1")], folder.path()).await;
    let mut begun = Raw::to(process.authority()).await;
    begun.say(format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\nContent-Length: 9\r\n\r\n")).await;
    // Answered after what was begun: the server has read it.
    assert_eq!(process.get(READER, "/health/live").await.0.as_u16(), 200);
    let told = Instant::now();
    let (code, log) = process.stop().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(told.elapsed() < Duration::from_secs(15), "{:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let process = process(&[("SERVER__GRACE_SECS", "60")], folder.path()).await;
    process.signal("INT");
    while !process.log().contains("Once more stops at once") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let told = Instant::now();
    process.signal("TERM");
    let (code, log) = process.ended().await;
    assert_eq!(code, Some(130), "{log}");
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_in_the_instant_of_being_ready_is_a_stop_like_any_other() {
    let folder = embedded::data_folder().await;
    let settings = embedded::settings(folder.path());
    for _ in 0..3 {
        let process = Process::start(&settings, folder.path()).await;
        let (code, log) = process.stop().await;
        assert_eq!(code, Some(0), "{log}");
    }
}
