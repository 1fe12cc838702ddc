//! What scenarios do to the stores, and how it is undone.

use std::net::SocketAddr;

use sqlx::AssertSqlSafe;
use tokio::task::block_in_place;

use crate::world::World;

impl World {
    /// Redis ends in peace, keeping what it has.
    pub(crate) fn stop_redis(&self) {
        if let Some(mut redis) = self.stores.redis_process.lock().unwrap().take() {
            block_in_place(|| {
                let pid = redis.id().to_string();
                assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
                redis.wait().unwrap();
            });
        }
    }

    pub(crate) fn start_redis(&self) {
        let mut redis = self.stores.redis_process.lock().unwrap();
        if redis.is_none() {
            *redis = Some(self.stores.redis.start_redis());
        }
    }

    /// Redis begins anew, with nothing of what it had, and all connections to it end.
    pub(crate) fn restart_redis_empty(&self) {
        self.stop_redis();
        let folder = self.stores.redis.folder.path();
        std::fs::remove_dir_all(folder).unwrap();
        std::fs::create_dir(folder).unwrap();
        self.start_redis();
    }

    /// PostgreSQL ends every session and stops.
    pub(crate) fn stop_postgres(&self) {
        block_in_place(|| self.stores.postgres.control("stop", &["-m", "fast"]));
    }

    /// From now on a part of what PostgreSQL keeps (`pg_wal`, its log, or `base`, its tables) has so many megabytes more.
    pub(crate) fn confine_postgres(&self, part: &str, room: &str) {
        self.stop_postgres();
        block_in_place(|| self.stores.postgres.control("confine", &[part, room]));
        self.start_postgres();
    }

    /// It has all the room that there is again, if it was confined; it may have fallen.
    pub(crate) fn release_postgres(&self) {
        if self.stores.postgres.folder.path().join("cluster/room.pid").exists() {
            self.stop_postgres();
            block_in_place(|| self.stores.postgres.control("release", &[]));
            self.start_postgres();
        }
    }

    /// Takes all the room that is left there, or gives it back.
    pub(crate) fn fill_postgres(&self, is_full: bool) {
        self.stores.postgres.control(if is_full { "fill" } else { "free" }, &[]);
    }

    /// How often PostgreSQL has said that there was no room left, in messages of a severity.
    pub(crate) fn wanted_room(&self, severity: &str) -> usize {
        let log = self.stores.postgres.folder.path().join("cluster/postgres.log");
        let log = std::fs::read_to_string(log).unwrap();
        log.lines().filter(|line| line.contains(severity) && line.contains("No space left on device")).count()
    }

    /// As if its plug was pulled.
    pub(crate) fn kill_postgres(&self) {
        block_in_place(|| self.stores.postgres.kill());
    }

    /// Starts it, unless it runs.
    pub(crate) fn start_postgres(&self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.stores.postgres.port));
        block_in_place(|| {
            if std::net::TcpStream::connect(address).is_err() {
                self.stores.postgres.start();
            }
        });
    }

    /// Redis has no room for anything more, or as much as it likes.
    pub(crate) async fn fill_redis(&self, is_full: bool) {
        let most = if is_full { "1mb" } else { "0" };
        let mut redis = self.redis_itself().await;
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(most).exec_async(&mut redis).await.unwrap();
    }

    /// Whether the database may be written to, and how many connections the replicas may have beside those that they have.
    pub(crate) async fn database_takes(&self, writes: bool, connections: Option<u32>) {
        let connections = connections.map_or(-1, i64::from);
        for statement in [
            format!("alter system set default_transaction_read_only = {}", if writes { "off" } else { "on" }),
            "select pg_reload_conf()".to_owned(),
            format!("begin read write; alter role doorcode connection limit {connections}; commit"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&self.sql).await.unwrap();
        }
    }
}
