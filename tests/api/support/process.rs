//! The server as a process of its own, for what only a process can show: exit codes, signals, its log, its death.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// A running `doorcode`, and everything it has written.
pub(crate) struct Process {
    child: Child,
    lines: watch::Receiver<String>,
    address: String,
    client: reqwest::Client,
}

/// How a `doorcode` ended that was not meant to stay.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// Standard output, then standard error.
    pub(crate) output: String,
    /// What it answered.
    pub(crate) stdout: String,
}

impl Ended {
    /// The answer of a command with `--json` that went well.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.output);
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.output))
    }
}

/// The server as it was built with the tests.
pub(crate) const PRESENT: &str = env!("CARGO_BIN_EXE_doorcode");

fn command(arguments: &[&str], settings: &[(String, String)], folder: &Path) -> Command {
    command_of(Path::new(PRESENT), arguments, settings, folder)
}

fn command_of(program: &Path, arguments: &[&str], settings: &[(String, String)], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    for (name, value) in settings {
        command.env(format!("DOORCODE__{name}"), value);
    }
    command
}

/// Starts a command, for a test that does not let it end.
pub(crate) fn spawn(arguments: &[&str], settings: &[(String, String)], folder: &Path) -> Child {
    command(arguments, settings, folder).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Starts a command whose answers are read while it runs.
pub(crate) fn open(
    arguments: &[&str],
    settings: &[(String, String)],
    variables: &[(&str, &str)],
    folder: &Path,
) -> Child {
    let mut command = command(arguments, settings, folder);
    command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Runs a command at a terminal, at which somebody types.
pub(crate) async fn run_at_terminal(
    arguments: &[&str],
    settings: &[(String, String)],
    variables: &[(&str, &str)],
    typed: &str,
) -> Ended {
    let program = [&[PRESENT], arguments].concat();
    // util-linux's: it gives the command a terminal, and copies what is typed to it.
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &program.join(" "), "/dev/null"]);
    command.envs(settings.iter().map(|(name, value)| (format!("DOORCODE__{name}"), value)));
    command.envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("script, of util-linux, is there");
    let mut keyboard = child.stdin.take().unwrap();
    let work = async {
        keyboard.write_all(typed.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        drop(keyboard);
        output
    };
    let output = tokio::time::timeout(Duration::from_secs(60), work).await.expect("the command ends");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ended { code: output.status.code(), output: stdout.clone(), stdout }
}

/// Runs a command that ends by itself.
pub(crate) async fn run(arguments: &[&str], settings: &[(String, String)], folder: &Path) -> Ended {
    run_with(arguments, settings, &[], folder).await
}

/// The same, with other variables than settings.
pub(crate) async fn run_with(
    arguments: &[&str],
    settings: &[(String, String)],
    variables: &[(&str, &str)],
    folder: &Path,
) -> Ended {
    let output = command(arguments, settings, folder).envs(variables.iter().copied()).output();
    let output =
        tokio::time::timeout(Duration::from_secs(60), output).await.expect("the command ends").unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ended { code: output.status.code(), output: format!("{stdout}{stderr}"), stdout }
}

impl Process {
    /// Starts a server and waits until it says where it is.
    pub(crate) async fn start(settings: &[(String, String)], folder: &Path) -> Self {
        Self::start_program(Path::new(PRESENT), settings, folder).await
    }

    /// The same with another build of the server.
    pub(crate) async fn start_program(program: &Path, settings: &[(String, String)], folder: &Path) -> Self {
        Self::launch(program, settings, &[], folder, true).await
    }

    /// Starts a server whose clock is so many seconds ahead of everybody's, or behind.
    pub(crate) async fn start_with_clock(ahead: i64, settings: &[(String, String)], folder: &Path) -> Self {
        let library = super::services::setting("DOORCODE_TEST_FAKETIME");
        let off = format!("{ahead:+}s");
        let variables =
            [("LD_PRELOAD", &*library), ("FAKETIME", &*off), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        Self::launch(Path::new(PRESENT), settings, &variables, folder, true).await
    }

    /// Starts a server whose log nobody reads: after some 64 KiB its standard error takes no more.
    pub(crate) async fn start_with_stuck_log(settings: &[(String, String)], folder: &Path) -> Self {
        Self::launch(Path::new(PRESENT), settings, &[], folder, false).await
    }

    async fn launch(
        program: &Path,
        settings: &[(String, String)],
        variables: &[(&str, &str)],
        folder: &Path,
        reads_log: bool,
    ) -> Self {
        let common = [
            ("SERVER__LISTEN", "127.0.0.1:0"),
            ("SERVER__DRAIN_SECS", "5"),
            ("MAIL__INBOX_LISTEN", "127.0.0.1:0"),
        ];
        let common = common.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings: Vec<_> = common.into_iter().chain(settings.iter().cloned()).collect();
        let mut child = command_of(program, &["serve"], &settings, folder)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (writer, mut lines) = watch::channel(String::new());
        let writer = std::sync::Arc::new(writer);
        tokio::spawn(collect(child.stdout.take().unwrap(), std::sync::Arc::clone(&writer)));
        if reads_log {
            tokio::spawn(collect(child.stderr.take().unwrap(), writer));
        }
        // Without an inbox there is nothing to try, and less is said.
        let has_inbox = !settings.contains(&("MAIL__TRANSPORT".to_owned(), "smtp".to_owned()));
        let last = if has_inbox { "Ctrl-C stops" } else { "publishable key" };
        let ready = lines.wait_for(|text| text.contains("Ready at ") && text.contains(last));
        let _ = tokio::time::timeout(Duration::from_secs(60), ready).await.map(|seen| seen.map(drop));
        let text = lines.borrow().clone();
        let Some((_, after)) = text.split_once("Ready at ") else {
            panic!("the server did not start:\n{text}")
        };
        let address = after.split_whitespace().next().unwrap().to_owned();
        Self { child, lines, address, client: reqwest::Client::new() }
    }

    /// Where it serves.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Everything written so far.
    pub(crate) fn log(&self) -> String {
        self.lines.borrow().clone()
    }

    /// Sends JSON and reads JSON.
    pub(crate) async fn post(&self, host: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.try_post(host, path, body).await.unwrap()
    }

    pub(crate) async fn try_post(
        &self,
        host: &str,
        path: &str,
        body: Value,
    ) -> reqwest::Result<(StatusCode, Value)> {
        self.try_post_with(host, path, &[], body).await
    }

    /// Sends JSON with these headers and reads JSON.
    pub(crate) async fn post_with(
        &self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> (StatusCode, Value) {
        self.try_post_with(host, path, headers, body).await.unwrap()
    }

    async fn try_post_with(
        &self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let mut request = self
            .client
            .post(format!("{}{path}", self.address))
            .header("host", host)
            .header("x-supabase-api-version", "2024-01-01");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body.to_string()).timeout(Duration::from_secs(30)).send().await?;
        Ok((answer.status(), answer.json().await.unwrap_or(Value::Null)))
    }

    /// Sends JSON; the whole answer.
    pub(crate) async fn answer(&self, host: &str, path: &str, body: &Value) -> reqwest::Response {
        let request = self.client.post(format!("{}{path}", self.address)).header("host", host);
        let request = request.header("x-supabase-api-version", "2024-01-01").body(body.to_string());
        request.timeout(Duration::from_secs(30)).send().await.unwrap()
    }

    /// Sends JSON with an access token and reads JSON.
    pub(crate) async fn as_bearer(
        &self,
        host: &str,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let request = self
            .client
            .request(method, format!("{}{path}", self.address))
            .header("host", host)
            .header("x-supabase-api-version", "2024-01-01")
            .bearer_auth(token);
        let answer = request.body(body.to_string()).timeout(Duration::from_secs(30)).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn verify(&self, host: &str, email: &str, code: &str) -> (StatusCode, Value) {
        self.post(host, "/auth/v1/verify", json!({"type": "email", "email": email, "token": code})).await
    }

    pub(crate) async fn get(&self, host: &str, path: &str) -> (StatusCode, Value) {
        let request = self.client.get(format!("{}{path}", self.address)).header("host", host);
        let answer = request.timeout(Duration::from_secs(30)).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn get_with_token(&self, host: &str, path: &str, token: &str) -> Value {
        let request =
            self.client.get(format!("{}{path}", self.address)).header("host", host).bearer_auth(token);
        request.timeout(Duration::from_secs(30)).send().await.unwrap().json().await.unwrap()
    }

    /// What the private listener says at a path.
    pub(crate) async fn private(&self, path: &str) -> String {
        let log = self.log();
        let metrics =
            log.split_whitespace().find(|word| word.ends_with("/metrics")).expect("a private listener");
        let url = metrics.replace("/metrics", path);
        self.client.get(url).send().await.unwrap().text().await.unwrap()
    }

    /// Every metric.
    pub(crate) async fn metrics(&self) -> String {
        self.private("/metrics").await
    }

    /// The code of the newest mail to an address in the server's own inbox.
    pub(crate) async fn code_from_inbox(&self, email: &str) -> String {
        self.nth_code_from_inbox(email, 1).await
    }

    /// The code of the newest mail to an address, once there are so many.
    pub(crate) async fn nth_code_from_inbox(&self, email: &str, count: usize) -> String {
        let code = self.wait_for_code(email, count, Duration::from_secs(10)).await;
        code.unwrap_or_else(|| panic!("mail {count} to {email} did not come"))
    }

    /// The code of the mail to an address, if there is one in this time.
    pub(crate) async fn code_if_it_comes(&self, email: &str, patience: Duration) -> Option<String> {
        self.wait_for_code(email, 1, patience).await
    }

    async fn wait_for_code(&self, email: &str, count: usize, patience: Duration) -> Option<String> {
        let log = self.log();
        let inbox =
            log.split_whitespace().find(|word| word.starts_with("http://localhost:")).unwrap().to_owned();
        let get =
            async |url: String| -> Value { self.client.get(url).send().await.unwrap().json().await.unwrap() };
        let end = std::time::Instant::now() + patience;
        while std::time::Instant::now() < end {
            let found = get(format!("{inbox}/api/v1/search?query=to:{email}")).await;
            if let Some(messages) = found["messages"].as_array().filter(|messages| messages.len() >= count) {
                let id = messages[0]["ID"].as_str().unwrap();
                let mail = get(format!("{inbox}/api/v1/message/{id}")).await;
                return Some(code_in(mail["Text"].as_str().unwrap()));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        None
    }

    /// Where it serves, as host and port.
    pub(crate) fn authority(&self) -> &str {
        self.address.trim_start_matches("http://")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// As a crash or a pulled plug.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// As an orchestrator stops it: SIGTERM, then what it exits with.
    pub(crate) async fn stop(self) -> (Option<i32>, String) {
        self.signal("TERM");
        self.ended().await
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let (signal, pid) = (format!("-{name}"), self.pid().to_string());
        assert!(std::process::Command::new("kill").args([&signal, &pid]).status().unwrap().success());
    }

    /// Waits for its end: what it exits with, and all it has said.
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .expect("it stops")
            .unwrap();
        (status.code(), self.log())
    }
}

/// The code stands on a line of its own, indented.
pub(crate) fn code_in(text: &str) -> String {
    let line = text.lines().find(|line| line.starts_with("    ") && !line.trim().contains(' '));
    line.unwrap_or_else(|| panic!("no code in {text}")).trim().to_owned()
}

async fn collect(stream: impl AsyncRead + Unpin, into: std::sync::Arc<watch::Sender<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        into.send_modify(|text| {
            text.push_str(&line);
            text.push('\n');
        });
    }
}
