//! How the server stands: what those who run it look at, and what the numbers that nobody counts are set by.

use std::time::{Duration, Instant};

use super::Flows;
use super::clocks::ahead_of;
use crate::domain::{ClockSkew, ClockVerdict};
use crate::ports::PortError;
use crate::ports::db::PoolStanding;
use crate::telemetry::{Dependency, Queue, causes};

/// How long each thing that is looked at may take: whoever asks does so every few seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Whether the database answers with the schema this server was built for, and how fast. Why not is in the log.
    pub database: Option<Duration>,
    /// Whether the code store answers, and how fast.
    pub code_store: Option<Duration>,
    /// Whether the code store is in this process.
    pub code_store_is_ours: bool,
    /// How far our clock is from theirs.
    pub clock: ClockSkew,
    /// How the last mail went, if there was one.
    pub mail_server: Option<bool>,
    /// Whether wrong guesses over all addresses are too many, if the store says.
    pub guessing_tripped: Option<bool>,
    /// Mails with codes, if the store says: how many, and how old the oldest is.
    pub codes_queue: Option<(u64, Duration)>,
    /// Mails in the outbox, if the database says.
    pub outbox: Option<(u64, Duration)>,
    /// Connections to the database.
    pub connections: PoolStanding,
    /// What each site signs with.
    pub keys: Vec<SiteKeysFound>,
    /// The server is about to stop.
    pub draining: bool,
}

/// What a site signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteKeysFound {
    /// The site.
    pub site: String,
    /// It has a key of its algorithm.
    pub can_sign: bool,
    /// How long the key that it signs with has done so.
    pub active_for: Option<Duration>,
    /// How many keys it publishes.
    pub published: usize,
}

impl Survey {
    /// Whether requests should be sent here, in the same words as everybody is told; `ready` if so.
    #[must_use]
    pub fn status(&self) -> &'static str {
        if self.database.is_none() {
            "database"
        } else if self.draining {
            "draining"
        } else if !self.keys.iter().all(|keys| keys.can_sign) {
            "signing_keys"
        } else if self.clock.verdict() == ClockVerdict::Wrong {
            "clock"
        } else {
            "ready"
        }
    }
}

impl Flows {
    /// Looks at everything at once; sets the numbers that are only looked up.
    pub async fn survey(&self) -> Survey {
        // One after the other: the embedded database has a single connection.
        let database = async {
            let answered = patiently("database", self.db.check()).await;
            let answered = answered.map(|(told, took)| (took, ahead_of(told, took)));
            let outbox = match answered {
                Some(_) => patiently("outbox", self.db.outbox_standing()).await,
                None => None,
            };
            (answered, outbox)
        };
        let code_store = async {
            let answered = patiently("code store", self.codes.check()).await;
            let answered = answered.map(|(told, took)| (took, told.map(|told| ahead_of(told, took))));
            let queue = match answered {
                Some(_) => patiently("mail queue", self.codes.queue()).await,
                None => None,
            };
            let tripped = match answered {
                Some(_) => patiently("wrong guesses", self.codes.is_tripped()).await,
                None => None,
            };
            (answered, queue, tripped)
        };
        let ((database, outbox), (code_store, codes_queue, tripped)) = tokio::join!(database, code_store);
        let clock = ClockSkew {
            database: database.map(|(_, ahead)| ahead),
            code_store: code_store.and_then(|(_, ahead)| ahead),
        };
        let survey = Survey {
            database: database.map(|(took, _)| took),
            code_store: code_store.map(|(took, _)| took),
            clock,
            code_store_is_ours: !self.codes.outlive_process(),
            mail_server: self.metrics.mail.server_is_up(),
            guessing_tripped: tripped.map(|(tripped, _)| tripped),
            codes_queue: codes_queue.map(|(queue, _)| (queue.depth, queue.oldest_age)),
            outbox: outbox.map(|((depth, age_secs), _)| {
                let age = Duration::try_from_secs_f64(age_secs).unwrap_or_default();
                (u64::try_from(depth).unwrap_or_default(), age)
            }),
            connections: self.db.connections(),
            keys: self.sites.iter().map(|site| self.keys_of(site)).collect(),
            draining: self.draining.is_cancelled(),
        };
        self.note(&survey);
        survey
    }

    fn keys_of(&self, site: &crate::domain::Site) -> SiteKeysFound {
        SiteKeysFound {
            site: site.id.clone(),
            can_sign: self.tokens.can_sign(site),
            active_for: self
                .tokens
                .signing_since(site)
                .map(|since| (self.clock.now() - since).to_std().unwrap_or_default()),
            published: self.tokens.jwks(site).len(),
        }
    }

    fn note(&self, survey: &Survey) {
        self.judge_clock(survey.clock);
        let standing = &self.metrics.standing;
        standing.dependency(Dependency::Database, Some(survey.database.is_some()));
        standing.dependency(Dependency::CodeStore, Some(survey.code_store.is_some()));
        standing.dependency(Dependency::MailServer, survey.mail_server);
        standing.queue(Queue::Codes, survey.codes_queue);
        standing.queue(Queue::Outbox, survey.outbox);
        let PoolStanding { most, open, in_use, waited_for } = survey.connections;
        standing.connections(most, open, in_use, waited_for);
        for keys in &survey.keys {
            standing.keys(&keys.site, keys.can_sign, keys.active_for, keys.published);
        }
        // As it was, where the store cannot say.
        if let Some(tripped) = survey.guessing_tripped {
            standing.tripped(tripped);
        }
        standing.draining(survey.draining);
    }
}

/// What was answered in time, and how long it took.
async fn patiently<T>(
    what: &'static str,
    look: impl Future<Output = Result<T, PortError>>,
) -> Option<(T, Duration)> {
    let began = Instant::now();
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(Ok(found)) => Some((found, began.elapsed())),
        Ok(Err(error)) => {
            tracing::warn!(error = %causes(&error), what, "could not be looked at");
            None
        }
        Err(_) => {
            tracing::warn!(what, "could not be looked at in time");
            None
        }
    }
}
