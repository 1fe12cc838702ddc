//! The configuration: sections, layers, and everything that is wrong with it at once.
//!
//! Three layers, each over the one before: `config/default.toml`, which is compiled in and lists every
//! setting; a file, which says only what differs; the environment, `DOORCODE__SECTION__KEY`. A [`Config`]
//! that exists is valid: [`Config::load`] hands over either that or the list of all [`Problems`]. Secrets and
//! URLs that can hold a password are `SecretString`, so that no `Debug` prints them.
//!
//! The files in reading order: `layers` merges, with `values` and `names`; `reader` checks single settings;
//! `sections`, `stores`, `mail`, `sites` and `look` say what there is, `client` what a command that calls a server needs, `master` what a master secret is, `production`
//! what a real server must not run with, `problems` how all of it is told.

mod client;
mod layers;
mod look;
mod mail;
mod master;
mod names;
mod problems;
mod production;
mod reader;
mod sections;
mod sites;
mod stores;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

pub use client::{ClientSettings, SERVER, SERVICE_KEY};
use layers::Layers;
pub use mail::{MailConfig, MailTransport, SmtpTls};
pub use master::{MASTER_BYTES, MasterSecretError, decode_master_secret};
pub use problems::{Problem, Problems};
pub use sections::{
    AdminConfig, AuditConfig, CodesConfig, Environment, KeysConfig, LimitsConfig, LogConfig, LogFormat,
    SecretsConfig, ServerConfig, TelemetryConfig,
};
pub use sites::SiteConfig;
pub use stores::{DatabaseConfig, DatabasePooler, RedisConfig};

/// Everything that can be set. Only the place that builds the server sees all of it; the parts get their
/// section.
#[derive(Clone, Debug)]
pub struct Config {
    /// The HTTP listener and what it accepts.
    pub server: ServerConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Where traces are sent.
    pub telemetry: TelemetryConfig,
    /// The master secret and its predecessors.
    pub secrets: SecretsConfig,
    /// How signing keys follow each other.
    pub keys: KeysConfig,
    /// Postgres.
    pub database: DatabaseConfig,
    /// Redis.
    pub redis: RedisConfig,
    /// How long codes live and how often they may be tried.
    pub codes: CodesConfig,
    /// How often an address or a client may ask.
    pub limits: LimitsConfig,
    /// What administrators may do.
    pub admin: AdminConfig,
    /// How long the audit log is kept.
    pub audit: AuditConfig,
    /// How mail is sent.
    pub mail: MailConfig,
    /// The enabled sites by name; at least one.
    pub sites: BTreeMap<String, SiteConfig>,
}

impl Config {
    /// The configuration of this process: the defaults, `file` if there is one, and the environment.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first thing.
    pub fn load(file: Option<&Path>) -> Result<Self, Problems> {
        // What is not UTF-8 is kept, damaged, for the layers to complain about; `vars` would panic.
        let environment = std::env::vars_os();
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self::layered(file, environment.map(|(name, value)| (lossy(name), lossy(value))))
    }

    /// As [`Config::load`], with the environment as an argument.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first thing.
    pub fn layered(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let mut layers = Layers::new();
        let legible = file.is_none_or(|file| match std::fs::read_to_string(file) {
            Ok(text) => layers.lay_file(&file.display().to_string(), &text),
            Err(error) => {
                let name = file.display().to_string();
                let problem = Problem::of(&name, None, format!("a readable configuration file ({error})"));
                layers.problems.add(problem.remedy("correct its name or its permissions"));
                false
            }
        });
        layers.lay_environment(environment);
        // Without the file, nearly every value is not the one that was meant, so judging them would mislead.
        if legible { Self::read(layers) } else { Err(layers.problems) }
    }

    /// Reads and judges what the layers came to.
    fn read(mut layers: Layers) -> Result<Self, Problems> {
        layers.inherit();
        layers.relax();
        layers.problems.next_round();
        let names = layers.sites();
        let mut config = Self {
            server: layers.read("server", ServerConfig::read),
            log: layers.read("log", LogConfig::read),
            telemetry: layers.read("telemetry", TelemetryConfig::read),
            secrets: layers.read("secrets", SecretsConfig::read),
            keys: layers.read("keys", KeysConfig::read),
            database: layers.read("database", DatabaseConfig::read),
            redis: layers.read("redis", RedisConfig::read),
            codes: layers.read("codes", CodesConfig::read),
            limits: layers.read("limits", LimitsConfig::read),
            admin: layers.read("admin", AdminConfig::read),
            audit: layers.read("audit", AuditConfig::read),
            mail: layers.read("mail", MailConfig::read),
            sites: names
                .iter()
                .filter_map(|name| {
                    Some((name.clone(), layers.read(&format!("sites.{name}"), SiteConfig::read)?))
                })
                .collect(),
        };
        config.log.format.settle(config.server.is_production());
        layers.problems.next_round();
        sites::judge_together(&config.sites, &mut layers.problems);
        if config.server.is_production() {
            production::judge(&config, &mut layers);
        }
        if layers.problems.as_slice().is_empty() { Ok(config) } else { Err(layers.problems) }
    }
}
