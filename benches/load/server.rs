//! The server that is measured: built, started as a process, waited for.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::{Request, StatusCode};
use uuid::Uuid;

use crate::client::{Body, Client};
use crate::process::{self, Ending};
use crate::services::{Services, free_port};

/// The embedded database compiles itself the first time.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// A server process.
pub(crate) struct Server {
    process: Ending,
    address: SocketAddr,
    log: PathBuf,
}

/// The two ways to build it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// `--no-default-features`, for production.
    Lean,
    /// With PostgreSQL in the process.
    Embedded,
}

/// A copy, in `folder`, of the server as a release build: the one that cargo built for this bench if that has the
/// features, else one that is built now.
pub(crate) fn binary(build: Build, folder: &Path) -> anyhow::Result<PathBuf> {
    let from_cargo = Path::new(env!("CARGO_BIN_EXE_doorcode"));
    if (build == Build::Embedded) != cfg!(feature = "embedded") {
        eprintln!("building the server: {build:?}, release …");
        let target = from_cargo.ancestors().nth(2).context("no target folder")?;
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--locked", "--bin", "doorcode"]);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).arg("--target-dir").arg(target);
        if build == Build::Lean {
            cargo.arg("--no-default-features");
        }
        ensure!(cargo.status().context("cannot run cargo")?.success(), "the server could not be built");
    }
    let copy = folder.join(format!("doorcode-{build:?}").to_ascii_lowercase());
    fs::copy(from_cargo, &copy).with_context(|| format!("no server at {}", from_cargo.display()))?;
    Ok(copy)
}

impl Server {
    /// Starts a server on running services, and says how long it took until it was ready.
    pub(crate) async fn start(
        binary: &Path,
        services: &Services,
        smtp_port: u16,
    ) -> anyhow::Result<(Self, Duration)> {
        Self::launch(binary, &services.folder, &on_services(services, smtp_port)).await
    }

    /// Starts another replica of that server, one that sends many mails at once.
    pub(crate) async fn start_mailer(
        binary: &Path,
        services: &Services,
        smtp_port: u16,
    ) -> anyhow::Result<(Self, Duration)> {
        let mut settings = on_services(services, smtp_port);
        settings.extend([("MAIL__WORKERS", "64".to_owned()), ("MAIL__SMTP_POOL", "50".to_owned())]);
        Self::launch(binary, &services.folder, &settings).await
    }

    /// Starts a server that needs nothing else, in the same data folder each time.
    pub(crate) async fn start_embedded(
        binary: &Path,
        services: &Services,
    ) -> anyhow::Result<(Self, Duration)> {
        let settings = [
            ("SECRETS__MASTER", services.master_secret.clone()),
            ("DATABASE__DATA_DIR", services.folder.join("embedded").display().to_string()),
            ("MAIL__INBOX_LISTEN", format!("127.0.0.1:{}", free_port()?)),
        ];
        Self::launch(binary, &services.folder, &settings).await
    }

    async fn launch(
        binary: &Path,
        folder: &Path,
        settings: &[(&str, String)],
    ) -> anyhow::Result<(Self, Duration)> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let log = folder.join(format!("server-{}.log", address.port()));
        let mut command = Command::new(binary);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"DOORCODE_"))
        {
            command.env_remove(name);
        }
        for (name, value) in common_settings(address).iter().chain(settings) {
            command.env(format!("DOORCODE__{name}"), value);
        }
        command.arg("serve").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log)?);
        let began = Instant::now();
        let mut server = Self { process: Ending::spawn(&mut command)?, address, log };
        while !server.is_ready().await {
            if server.process.has_ended() || began.elapsed() > READY_WITHIN {
                bail!("the server did not become ready:\n{}", server.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let start = began.elapsed();
        eprintln!("the server is ready after {} ms (process {})", start.as_millis(), server.process.pid());
        Ok((server, start))
    }

    async fn is_ready(&self) -> bool {
        let request = Request::get("/health/ready").header("host", self.address.to_string());
        let Ok(request) = request.body(Body::default()) else { return false };
        Client::new(self.address).call(request).await.is_ok_and(|(status, _)| status == StatusCode::OK)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn peak_memory_kb(&self) -> anyhow::Result<u64> {
        process::peak_memory_kb(self.process.pid())
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Stops it, and waits until it has.
    pub(crate) fn stop(self) {
        drop(self.process);
    }
}

fn on_services(services: &Services, smtp_port: u16) -> Vec<(&'static str, String)> {
    vec![
        ("SECRETS__MASTER", services.master_secret.clone()),
        ("DATABASE__URL", services.login_url().to_owned()),
        ("DATABASE__OWNER_URL", services.owner_url().to_owned()),
        ("REDIS__URL", services.redis_url().to_owned()),
        ("REDIS__KEY_PREFIX", services.key_prefix().to_owned()),
        ("MAIL__TRANSPORT", "smtp".to_owned()),
        ("MAIL__SMTP_HOST", "127.0.0.1".to_owned()),
        ("MAIL__SMTP_PORT", smtp_port.to_string()),
        ("MAIL__SMTP_TLS", "none".to_owned()),
        // Longer than any hold of the mail server.
        ("MAIL__COMMAND_TIMEOUT_SECS", "60".to_owned()),
    ]
}

/// No limit is in the way: all requests come from one client, and each is for an address of its own.
fn common_settings(address: SocketAddr) -> Vec<(&'static str, String)> {
    let port = address.port();
    let mut settings = vec![
        ("SERVER__LISTEN", address.to_string()),
        ("SERVER__SHARED_HOSTS", address.to_string()),
        ("SITES__READER__URL", format!("http://reader.localhost:{port}")),
        ("SITES__MANAGEMENT__URL", format!("http://manage.localhost:{port}")),
        ("LIMITS__SEND_GAP_SECS", "1".to_owned()),
        ("LIMITS__WINDOW_SECS", "10".to_owned()),
        ("LOG__FILTER", "warn".to_owned()),
    ];
    let limits = [
        "LIMITS__CODE_REQUESTS",
        "LIMITS__VERIFIES",
        "LIMITS__REFRESHES",
        "LIMITS__CLIENT_SENDS_PER_10MIN",
        "LIMITS__CLIENT_SENDS_PER_HOUR",
        "LIMITS__NETWORK_SENDS_PER_HOUR",
        "LIMITS__HOST_MAILS_PER_HOUR",
        "SITES__READER__MAILS_PER_HOUR",
    ];
    settings.extend(limits.map(|limit| (limit, "1000000".to_owned())));
    settings
}

/// A master secret of this run.
pub(crate) fn new_master_secret() -> String {
    STANDARD.encode([*Uuid::new_v4().as_bytes(), *Uuid::new_v4().as_bytes()].concat())
}
