//! An embedded database of one test's own, copied from one that was migrated once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use doorcode::ports::db::EmbeddedPostgres;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::services::as_owner;

/// A migrated data folder that each test's is copied from; it lives as long as the test binary.
static TEMPLATE: OnceCell<TempDir> = OnceCell::const_new();

/// A data folder as a server would have left it, migrated and stopped.
pub(crate) async fn data_folder() -> TempDir {
    let template = TEMPLATE
        .get_or_init(|| async {
            let folder = tempfile::tempdir().unwrap();
            let server = EmbeddedPostgres::start(&folder.path().join("postgres")).await.unwrap();
            let mut owner = as_owner(&server.owner_url()).await;
            owner.migrate(&server.login_url()).await.unwrap();
            owner.close().await;
            server.stop().await.unwrap();
            folder
        })
        .await;
    let folder = tempfile::tempdir().unwrap();
    copy(template.path(), folder.path());
    folder
}

/// The settings that point a server at a data folder.
pub(crate) fn settings(folder: &Path) -> Vec<(String, String)> {
    [
        ("DATABASE__URL", "embedded".to_owned()),
        ("DATABASE__DATA_DIR", folder.display().to_string()),
        ("REDIS__URL", "memory".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Long enough for a test machine with two busy cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
