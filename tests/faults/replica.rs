//! The replicas, and the load balancer in front of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::process::{PRESENT, Process};
use crate::services::setting;
use crate::shipped::{free_port, replaced, shipped};

/// Where the load balancer comes from, and nobody else: the replicas trust it.
pub(crate) const BALANCER: &str = "127.0.0.9";

/// A build of the server, and which settings it knows.
#[derive(Clone)]
pub(crate) struct Program {
    path: PathBuf,
    /// Its `config/default.toml`. None: the present one, which knows all.
    defaults: Option<toml::Table>,
}

impl Program {
    pub(crate) fn present() -> Self {
        Self { path: PRESENT.into(), defaults: None }
    }

    /// What `tests/run upgrade` has built in a folder.
    pub(crate) fn built_in(folder: &Path) -> Self {
        let defaults = std::fs::read_to_string(folder.join("source/config/default.toml")).unwrap();
        Self { path: folder.join("target/debug/doorcode"), defaults: Some(defaults.parse().unwrap()) }
    }

    fn knows(&self, setting: &str) -> bool {
        let Some(defaults) = &self.defaults else { return true };
        let mut keys = setting.split("__").map(str::to_lowercase);
        let Some(mut value) = keys.next().and_then(|section| defaults.get(&section)) else { return false };
        keys.all(|key| match value.get(&key) {
            Some(within) => {
                value = within;
                true
            }
            None => false,
        })
    }
}

/// One of three: stopped, killed and started again, always at the same place.
pub(crate) struct Replica {
    pub(crate) port: u16,
    settings: Mutex<BTreeMap<String, String>>,
    program: Mutex<Program>,
    /// How many seconds its clock is ahead.
    ahead: AtomicI64,
    /// Where it finds Redis, if that is not where its settings say.
    elsewhere: std::sync::Mutex<Vec<(String, String)>>,
    process: Mutex<Option<Process>>,
}

impl Replica {
    pub(crate) fn new(settings: &[(String, String)], program: &Program) -> Self {
        let port = free_port();
        let mut settings: BTreeMap<_, _> = settings.iter().cloned().collect();
        settings.insert("SERVER__LISTEN".to_owned(), format!("127.0.0.1:{port}"));
        Self {
            port,
            settings: Mutex::new(settings),
            program: Mutex::new(program.clone()),
            ahead: AtomicI64::new(0),
            elsewhere: Vec::new().into(),
            process: Mutex::new(None),
        }
    }

    /// Starts it, unless it runs.
    pub(crate) async fn start(&self, folder: &Path) {
        let mut process = self.process.lock().await;
        if process.is_none() {
            let program = self.program.lock().await.clone();
            let mut settings = [self.settings().await, self.elsewhere.lock().unwrap().clone()].concat();
            settings.retain(|(name, _)| program.knows(name));
            *process = Some(match self.clock() {
                0 => Process::start_program(&program.path, &settings, folder).await,
                ahead => Process::start_with_clock(ahead, &settings, folder).await,
            });
        }
    }

    /// What it is started with.
    pub(crate) async fn settings(&self) -> Vec<(String, String)> {
        self.settings.lock().await.clone().into_iter().collect()
    }

    /// From its next start on.
    pub(crate) async fn set(&self, name: &str, value: &str) {
        self.settings.lock().await.insert(name.to_owned(), value.to_owned());
    }

    /// From its next start on.
    pub(crate) async fn install(&self, program: &Program) {
        *self.program.lock().await = program.clone();
    }

    /// The process that it is now; none while it does not run.
    pub(crate) async fn pid(&self) -> Option<u32> {
        self.process.lock().await.as_ref().map(Process::pid)
    }

    /// From its next start on these settings hold in place of its own.
    pub(crate) fn set_redis(&self, settings: &[(String, String)]) {
        *self.elsewhere.lock().unwrap() = settings.to_vec();
    }

    pub(crate) fn clock(&self) -> i64 {
        self.ahead.load(Ordering::SeqCst)
    }

    /// From its next start on its clock is so many seconds ahead.
    pub(crate) fn set_clock(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::SeqCst);
    }

    /// SIGTERM, as in a new version's roll-out; it has to leave in peace.
    pub(crate) async fn stop(&self) {
        let Some(process) = self.process.lock().await.take() else { return };
        let told = Instant::now();
        let (code, log) = process.stop().await;
        assert_eq!(code, Some(0), "{log}");
        assert!(told.elapsed() < Duration::from_secs(25), "a stop took {:?}", told.elapsed());
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self) {
        if let Some(process) = self.process.lock().await.take() {
            process.kill().await;
        }
    }

    pub(crate) async fn metrics(&self) -> String {
        self.process.lock().await.as_ref().expect("it runs").metrics().await
    }

    pub(crate) async fn log(&self) -> String {
        self.process.lock().await.as_ref().map(Process::log).unwrap_or_default()
    }
}

/// `HAProxy` with the file that we ship.
pub(crate) struct Balancer {
    pub(crate) port: u16,
    socket: PathBuf,
    _process: Child,
}

impl Balancer {
    pub(crate) async fn before(replicas: &[Replica], folder: &Path) -> Self {
        let port = free_port();
        let tls = "bind :443 ssl crt /etc/haproxy/certificates.pem alpn h2,http/1.1";
        let mut file = replaced(
            &shipped("config/haproxy.cfg"),
            &[(tls, &format!("bind 127.0.0.1:{port}")), ("manage.library.example", "manage.localhost:8080")],
        );
        for (place, replica) in (11..).zip(replicas) {
            let here = format!("127.0.0.1:{} source {BALANCER}", replica.port);
            file = replaced(&file, &[(&format!("192.0.2.{place}:8080"), &here)]);
        }
        let socket = folder.join("haproxy.sock");
        let asked = format!("global\n    stats socket {}\n\n{file}", socket.display());
        std::fs::write(folder.join("haproxy.cfg"), asked).unwrap();
        let log = std::fs::File::create(folder.join("haproxy.log")).unwrap();
        let mut command = Command::new(setting("DOORCODE_TEST_HAPROXY"));
        command.arg("-db").arg("-f").arg(folder.join("haproxy.cfg")).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        for _ in 0..400 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Self { port, socket, _process: process };
            }
            if process.try_wait().unwrap().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{}", std::fs::read_to_string(folder.join("haproxy.log")).unwrap());
    }

    /// Waits until it sends requests to so many replicas.
    pub(crate) async fn has_ready(&self, replicas: usize) {
        for _ in 0..400 {
            if self.ready().await == replicas {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the load balancer does not have {replicas} replicas");
    }

    /// The replicas that it takes to be ready, by its own words.
    async fn ready(&self) -> usize {
        let mut socket = UnixStream::connect(&self.socket).await.unwrap();
        socket.write_all(b"show stat\n").await.unwrap();
        let mut table = String::new();
        socket.read_to_string(&mut table).await.unwrap();
        // Proxy, server, and in the eighteenth column its state (management guide of haproxy, section 9.1).
        let rows = table.lines().map(|row| row.split(',').collect::<Vec<_>>());
        rows.filter(|row| row[0] == "doorcode" && row[1].starts_with("replica") && row[17].starts_with("UP"))
            .count()
    }
}
