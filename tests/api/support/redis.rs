//! Redis as people run it, of the tests' own: `tests/services/redis.py` starts it, and a test may break it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::services::setting;

/// One Redis, however many servers it is of. It ends with this value, or with the tests.
pub(crate) struct OwnRedis {
    /// With the user whom `config/redis.acl` describes.
    pub(crate) url: String,
    /// The servers that held something at the start.
    pub(crate) masters: Vec<u16>,
    folder: tempfile::TempDir,
    child: Child,
}

impl OwnRedis {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/redis.py");
        let mut child = Command::new("python3")
            .arg("-B")
            .arg(script)
            .arg(arguments[0])
            .arg(folder.path())
            .args(&arguments[1..])
            .env("DOORCODE_TEST_REDIS_SERVER", setting("DOORCODE_TEST_REDIS_SERVER"))
            // It ends at the end of its input, which we hold: even if we are killed.
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        while !folder.path().join("url").exists() {
            assert!(child.try_wait().unwrap().is_none(), "Redis did not start: {arguments:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let masters = read("masters").lines().map(|port| port.parse().unwrap()).collect();
        Self { url: read("url"), masters, folder, child }
    }

    /// Ports of all servers; Sentinels are none.
    pub(crate) fn servers(&self) -> Vec<u16> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().file_name());
        let ports = files.filter_map(|name| name.to_str()?.strip_suffix(".acl")?.parse().ok());
        ports.collect()
    }

    /// As a crash, or a stop that nobody hears of: sends a server a signal.
    pub(crate) fn signal(&self, port: u16, name: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join(format!("{port}.pid"))).unwrap();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Which server has the hash slot of a key, or which is the master where there is one; `None` while none is.
    pub(crate) async fn master_of(&self, key: &str) -> Option<u16> {
        for port in self.servers() {
            let client = client_of(port);
            let asked = tokio::time::timeout(Duration::from_millis(300), async {
                let mut server = client.get_multiplexed_async_connection().await?;
                // A write of nothing: any other server answers with an error.
                redis::cmd("DEL").arg(key).exec_async(&mut server).await
            });
            if matches!(asked.await, Ok(Ok(()))) {
                return Some(port);
            }
        }
        None
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A server, for a test that may do everything.
pub(crate) fn client_of(port: u16) -> redis::Client {
    redis::Client::open(("127.0.0.1", port)).unwrap()
}

/// A server whose users are those of `config/redis.acl`, for all tests.
pub(crate) async fn guarded() -> &'static OwnRedis {
    static ONE: OnceCell<OwnRedis> = OnceCell::const_new();
    ONE.get_or_init(|| OwnRedis::start(&["one"])).await
}

/// A master that Sentinels know, for all tests that leave it as it is.
pub(crate) async fn sentinel() -> &'static OwnRedis {
    static SENTINEL: OnceCell<OwnRedis> = OnceCell::const_new();
    SENTINEL.get_or_init(|| OwnRedis::start(&["sentinel"])).await
}

/// A cluster for all tests that leave it as it is.
pub(crate) async fn cluster() -> &'static OwnRedis {
    static CLUSTER: OnceCell<OwnRedis> = OnceCell::const_new();
    CLUSTER.get_or_init(|| OwnRedis::start(&["cluster"])).await
}
