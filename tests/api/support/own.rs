//! A Redis server of a test's own, that it may stop and start again with what it held.

use std::process::{Child, Command, Stdio};

use super::services::setting;
use super::shipped::free_port;

/// Where it keeps its data and listens.
pub(crate) struct Own {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Own {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), port: free_port() }
    }

    /// Starts Redis with what the last one in this folder has kept.
    pub(crate) fn start_redis(&self) -> Child {
        let port = self.port.to_string();
        Command::new(setting("DOORCODE_TEST_REDIS_SERVER"))
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
            // What it has is kept when it ends in peace; meanwhile it waits for no disk that others are writing to.
            .args(["--appendfsync", "no"])
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}
