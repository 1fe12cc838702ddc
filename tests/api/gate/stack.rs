//! A real proxy with a file of ours, the application behind it, and the server that it asks.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use poem::listener::{Acceptor, Listener, TcpListener};
use poem::web::Json;
use poem::{EndpointExt, Request, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::people::{PEOPLE, Proxy, RULES};
use crate::support::TestApp;
use crate::support::services::setting;
use crate::support::shipped::{free_port, replaced, shipped};

/// A proxy, the application behind it, and the server that it asks.
pub(super) struct Stack {
    pub(super) gate: Proxy,
    pub(super) proxy: Child,
    port: u16,
    /// Requests that have reached the application.
    reached: Arc<AtomicUsize>,
    pub(super) folder: TempDir,
}

/// What came back through the proxy.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// What the application was sent under a name; nothing, or what is empty, is "".
    pub(super) fn told(&self, name: &str) -> String {
        assert_eq!(self.status, 200, "{}", self.head);
        let sent = self.body["headers"].as_array().unwrap().iter();
        let values: Vec<_> =
            sent.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap()).collect();
        values.join(" AND ")
    }
}

impl Stack {
    pub(super) async fn behind_nginx() -> Self {
        Self::start(&shipped("config/nginx.conf"), |folder, port, file| {
            let file = replaced(
                file,
                &[
                    ("listen 443 ssl default_server;", &format!("listen 127.0.0.1:{port} default_server;")),
                    ("ssl_reject_handshake on;", "return 444;"),
                    ("listen 443 ssl http2;", &format!("listen 127.0.0.1:{port};")),
                    ("ssl_certificate /etc/ssl/manage.library.example.pem;", ""),
                    ("ssl_certificate_key /etc/ssl/private/manage.library.example.key;", ""),
                    (
                        "set $doorcode_host manage.library.example;",
                        "set $doorcode_host manage.localhost:8080;",
                    ),
                    ("server_name manage.library.example;", "server_name manage.localhost;"),
                ],
            );
            std::fs::write(folder.join("site.conf"), file).unwrap();
            std::fs::write(folder.join("main.conf"), nginx_around("site.conf")).unwrap();
            let mut command = Command::new(setting("DOORCODE_TEST_NGINX"));
            command.arg("-p").arg(folder).args(["-c", "main.conf", "-e", "error.log"]);
            command
        })
        .await
    }

    pub(super) async fn behind_caddy() -> Self {
        Self::start(&shipped("config/Caddyfile"), |folder, port, file| {
            let file = replaced(
                file,
                &[
                    ("\nmanage.library.example {", &format!("\nhttp://manage.localhost:{port} {{")),
                    ("header_up Host manage.library.example", "header_up Host manage.localhost:8080"),
                ],
            );
            let options = "{\n\tadmin off\n}\n";
            std::fs::write(folder.join("Caddyfile"), format!("{options}{file}")).unwrap();
            let mut command = Command::new(setting("DOORCODE_TEST_CADDY"));
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
            command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
            command
        })
        .await
    }

    pub(super) async fn start(text: &str, command: impl Fn(&Path, u16, &str) -> Command) -> Self {
        let gate = Proxy::before(
            TestApp::on_filled_services(PEOPLE, &[RULES, ("SERVER__TRUSTED_PROXIES", "127.0.0.1")]).await,
        );
        let reached = Arc::new(AtomicUsize::new(0));
        let application = serve_application(Arc::clone(&reached)).await;
        let server = gate.app.url("").trim_start_matches("http://").to_owned();
        let text = replaced(text, &[("127.0.0.1:8080", &server), ("127.0.0.1:3000", &application)]);
        // A free port may be taken before the proxy takes it.
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let port = free_port();
            let mut proxy = command(folder.path(), port, &text);
            let log = std::fs::File::create(folder.path().join("output.log")).unwrap();
            let mut proxy = proxy.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            proxy = proxy.kill_on_drop(true);
            let mut proxy = proxy.spawn().unwrap();
            for _ in 0..400 {
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok()
                    && proxy.try_wait().unwrap().is_none()
                {
                    return Self { gate, proxy, port, reached, folder };
                }
                if proxy.try_wait().unwrap().is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
            eprintln!("{}", std::fs::read_to_string(folder.path().join("output.log")).unwrap());
        }
        panic!("the proxy did not start");
    }

    /// Sends a request, letter by letter as given: a client library would tidy the path up.
    pub(super) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let host =
            if headers.iter().any(|(name, _)| *name == "Host") { "" } else { "Host: manage.localhost\r\n" };
        let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        let request = format!("{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let read =
            tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").filter(|_| read.is_ok())?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer {
            status,
            head: head.to_owned(),
            body: serde_json::from_str(body).unwrap_or(json!(body)),
        })
    }

    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers).await.unwrap_or_else(|| panic!("no answer to {path}"))
    }

    pub(super) fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

/// What nginx needs around a site to run in a folder, as whoever started it.
pub(crate) fn nginx_around(site: &str) -> String {
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths = paths.map(|name| format!("    {name}_temp_path {name};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {{}}\nhttp {{\n    access_log off;\n{paths}    include {site};\n}}\n"
    )
}

/// An application that believes its proxy, and answers what it was sent.
async fn serve_application(reached: Arc<AtomicUsize>) -> String {
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let address = acceptor.local_addr()[0].as_socket_addr().unwrap().to_string();
    let echo = poem::endpoint::make(move |request: Request| {
        reached.fetch_add(1, Ordering::SeqCst);
        async move {
            let headers: Vec<_> = request
                .headers()
                .iter()
                .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
                .collect();
            Json(
                json!({"method": request.method().as_str(), "uri": request.original_uri().to_string(), "headers": headers}),
            )
        }
    });
    tokio::spawn(Server::new_with_acceptor(acceptor).run(echo.map_to_response()));
    address
}
