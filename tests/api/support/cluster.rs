//! A PostgreSQL cluster of one test's own, which it may stop, certify or copy.

use std::process::Command;

use tempfile::TempDir;

use super::services::setting;
use super::shipped::free_port;

pub(crate) struct Cluster {
    pub(crate) folder: TempDir,
    pub(crate) port: u16,
}

impl Cluster {
    /// A free port and an empty folder; nothing runs yet.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), port: free_port() }
    }

    /// One that runs.
    pub(crate) fn started() -> Self {
        let cluster = Self::new();
        cluster.start();
        cluster
    }

    /// A streaming replica of another.
    pub(crate) fn following(primary: &Self) -> Self {
        let cluster = Self::new();
        cluster.control("follow", &[&cluster.port.to_string(), &primary.port.to_string()]);
        cluster
    }

    pub(crate) fn start(&self) {
        self.control("start", &[&self.port.to_string()]);
    }

    /// Stops it as a power cut would.
    pub(crate) fn kill(&self) {
        self.control("stop", &["-m", "immediate"]);
    }

    /// Lets it speak TLS, as localhost and as nobody else.
    pub(crate) fn certify(&self) {
        let ca = setting("DOORCODE_TEST_SMTP_CA");
        let file = |name: &str| ca.replace("ca.pem", name);
        self.control("certify", &[&file("localhost.pem"), &file("localhost.key")]);
    }

    /// A URL of its one database.
    pub(crate) fn url(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres", self.port)
    }

    /// The settings of a server on it.
    pub(crate) fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("DATABASE__URL", self.url("doorcode:secret")),
            ("DATABASE__OWNER_URL", self.url("postgres")),
            ("DATABASE__POOL_SIZE", "4".to_owned()),
            ("DATABASE__POOLER", "none".to_owned()),
        ]
    }

    /// Has `tests/services/postgres.sh` do something.
    pub(crate) fn control(&self, act: &str, arguments: &[&str]) {
        let done = Command::new(setting("DOORCODE_TEST_POSTGRES_CTL"))
            .arg(act)
            .arg(self.folder.path().join("cluster"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Of a test that has failed, perhaps: no second panic.
        let _ = Command::new(setting("DOORCODE_TEST_POSTGRES_CTL"))
            .arg("stop")
            .arg(self.folder.path().join("cluster"))
            .args(["-m", "immediate"])
            .output();
    }
}
