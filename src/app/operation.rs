//! Work on the configured stores without a server: no ports, no workers. For the command line.

use std::sync::Arc;

use secrecy::SecretString;

use super::{StartError, connect, db_settings, finish, master_key, wiring};
use crate::config::Config;
use crate::domain::KeyRing;
use crate::flows::SharedFlows;
use crate::http;
use crate::ports::clock::Clock;
use crate::ports::db::Db;
use crate::telemetry::DbCounts;

/// The configured database alone, for work beside a server or without one.
pub struct OpenDatabase {
    db: Db,
    store: wiring::Database,
}

impl OpenDatabase {
    /// Opens it under the server's own role.
    ///
    /// # Errors
    /// A [`StartError`].
    pub async fn open(config: &Config) -> Result<Self, StartError> {
        let store = wiring::Database::open(config).await?;
        let db = store.connect(config, DbCounts::default()).await?;
        Ok(Self { db, store })
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Closes it in peace.
    pub async fn close(self) {
        self.db.close().await;
        self.store.stop().await;
    }
}

/// All the stories, on the configured stores.
pub struct Operation {
    flows: SharedFlows,
    store: wiring::Database,
}

impl Operation {
    /// Opens the stores as a server would.
    ///
    /// # Errors
    /// A [`StartError`].
    pub async fn open(config: &Config, clock: Clock) -> Result<Self, StartError> {
        let keys = master_key::key_ring(config)?;
        let metrics = wiring::metrics(config, &clock);
        let codes = wiring::codes(config, clock.clone(), metrics.store.clone()).await?;
        let store = wiring::Database::open(config).await?;
        let db = store.connect(config, metrics.database.clone()).await?;
        let flows = Arc::new(wiring::flows(config, metrics, clock, keys, codes, db));
        flows.load_signing_keys().await?;
        Ok(Self { flows, store })
    }

    /// The stories.
    #[must_use]
    pub fn flows(&self) -> SharedFlows {
        Arc::clone(&self.flows)
    }

    /// Finishes what is under way and closes the stores.
    pub async fn close(self) {
        finish(&self.flows).await;
        self.store.stop().await;
    }
}

/// What the server says of its APIs.
pub struct Documents {
    /// What sites and their visitors use.
    pub public: String,
    /// What administrators use.
    pub admin: String,
}

/// The OpenAPI documents, without any store: they say how, and nothing of who or what.
///
/// # Errors
/// Never in practice: nothing is connected to.
pub async fn documents(config: &Config) -> Result<Documents, StartError> {
    let nowhere = SecretString::from("postgres://nobody@127.0.0.1:1/nothing");
    let clock = Clock::System;
    let metrics = wiring::metrics(config, &clock);
    let db = connect(&db_settings(config, nowhere, false), metrics.database.clone(), "nowhere")?;
    let codes = wiring::memory_codes(config, clock.clone());
    let flows = Arc::new(wiring::flows(config, metrics, clock, KeyRing::new(&[0; 32], &[]), codes, db));
    Ok(Documents { public: http::document(&flows), admin: http::admin_document(&flows) })
}
