//! A PostgreSQL cluster or a Redis server of a test's own, that it may stop.

use std::process::{Child, Command, Stdio};

use super::services::setting;
use super::shipped::free_port;

/// Where one of them keeps its data and listens.
pub(crate) struct Own {
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Own {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), port: free_port() }
    }

    /// Runs `postgres.sh` on the cluster: `start` with its port, or `stop` with a mode.
    pub(crate) fn postgres(&self, arguments: &[&str]) {
        let folder = self.folder.path().join("cluster");
        let done = Command::new(setting("DOORCODE_TEST_POSTGRES_CTL"))
            .arg(arguments[0])
            .arg(&folder)
            .args(&arguments[1..])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub(crate) fn start_postgres(&self) {
        self.postgres(&["start", &self.port.to_string()]);
    }

    /// Starts Redis with what the last one in this folder has kept.
    pub(crate) fn start_redis(&self) -> Child {
        let port = self.port.to_string();
        Command::new(setting("DOORCODE_TEST_REDIS_SERVER"))
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}
