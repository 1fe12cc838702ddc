//! Commands that stay, and commands that ask: what is read while it comes, and what is typed at a terminal.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use super::administration::{Office, text};

/// A command that stays, and what it has answered.
struct Staying {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Staying {
    fn at(office: &Office, arguments: &[&str]) -> Self {
        let mut child = office.remote_open(arguments);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line());
        line.await.expect("it goes on").unwrap().expect("it has not ended")
    }

    /// Ctrl-C: what it says then, and what it exits with.
    async fn stop(mut self) -> (Vec<String>, Option<i32>) {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let mut rest = Vec::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            rest.push(line);
        }
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        (rest, status.expect("it ends").unwrap().code())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_the_log_sees_each_event_once_in_order_until_they_stop() {
    let office = Office::open().await;
    let create = async |name: &str| {
        let made = office.remote(&["user", "create", &format!("{name}@example.org"), "--json"]).await.json();
        text(&made, "id").to_owned()
    };
    let mut before = Vec::new();
    for name in ["ada", "bob"] {
        before.push(create(name).await);
    }

    let mut log = Staying::at(&office, &["audit", "follow", "--action", "user_created", "--json"]);
    let mut table = Staying::at(&office, &["audit", "follow", "--action", "user_created"]);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let event: Value = serde_json::from_str(&log.line().await).unwrap();
        seen.push(text(&event, "target_id").to_owned());
        assert!(table.line().await.contains("user_created"));
    }
    assert_eq!(seen, before, "what was there, oldest first");

    // Several rounds of asking: what was shown is not shown again.
    for name in ["cyd", "dan", "eve"] {
        let id = create(name).await;
        let event: Value = serde_json::from_str(&log.line().await).unwrap();
        assert_eq!((text(&event, "target_id"), text(&event, "action")), (id.as_str(), "user_created"));
        assert!(table.line().await.contains(&id));
    }
    assert_eq!(log.stop().await, (vec![], Some(0)));
    assert_eq!(table.stop().await, (vec![], Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_terminal_what_cannot_be_undone_is_asked_first() {
    let office = Office::open().await;
    let made = office.remote(&["user", "create", "ada@example.org", "--json"]).await.json();
    let ada = text(&made, "id").to_owned();

    for typed in ["n\n", "\n", "yea\n"] {
        let asked = office.remote_at_terminal(&["user", "delete", &ada], typed).await;
        assert!(
            asked.output.contains("[y/N]") && asked.output.contains("nothing was done"),
            "{}",
            asked.output
        );
        assert_eq!(asked.code, Some(64), "{}", asked.output);
    }
    assert_eq!(office.remote(&["user", "show", &ada]).await.code, Some(0), "the account is there");

    let asked = office.remote_at_terminal(&["user", "delete", &ada], "y\n").await;
    assert_eq!(asked.code, Some(0), "{}", asked.output);
    assert_eq!(office.remote(&["user", "show", &ada]).await.code, Some(66), "the account is gone");

    let made = office.remote(&["user", "create", "bob@example.org", "--json"]).await.json();
    let unasked = office.remote_at_terminal(&["user", "delete", text(&made, "id"), "--yes"], "").await;
    assert!(unasked.code == Some(0) && !unasked.output.contains("[y/N]"), "{}", unasked.output);
}
