//! Where the master secret comes from: the configuration, or in development a file made at the first start.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use aws_lc_rs::rand::fill;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;

use super::StartError;
use crate::config::{Config, MASTER_BYTES, decode_master_secret};
use crate::domain::KeyRing;

pub(super) fn key_ring(config: &Config) -> Result<KeyRing, StartError> {
    let decode =
        |text: &str| decode_master_secret(text).map_err(|error| StartError::MasterKey(error.to_string()));
    let master = match &config.secrets.master {
        Some(master) => decode(master.expose_secret())?,
        None => decode(&development_secret(&config.database.data_dir)?)?,
    };
    let older = config
        .secrets
        .previous
        .iter()
        .map(|previous| decode(previous.expose_secret()).map(|bytes| *bytes.expose_secret()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(KeyRing::new(master.expose_secret(), &older))
}

/// The secret of this data folder, made on first use, readable by its owner alone.
fn development_secret(folder: &Path) -> Result<String, StartError> {
    let path = folder.join("master.key");
    let failed = |error: std::io::Error| StartError::MasterKey(format!("{}: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => {
            let mut bytes = [0; MASTER_BYTES];
            fill(&mut bytes).map_err(|_| StartError::MasterKey("the system has no randomness".to_owned()))?;
            let text = STANDARD.encode(bytes);
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            tracing::info!(path = %path.display(), "made a master secret for development");
            Ok(text)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut text = String::new();
            std::fs::File::open(&path).and_then(|mut file| file.read_to_string(&mut text)).map_err(failed)?;
            Ok(text)
        }
        Err(error) => Err(failed(error)),
    }
}
