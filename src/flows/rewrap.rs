//! The master secret was changed: what is kept encrypted at rest is encrypted anew under the newest, so that the old one
//! can be given up.

use chrono::{DateTime, Utc};

use super::library::OUTBOX;
use crate::domain::KeyRing;
use crate::domain::keys::Sealed;
use crate::ports::PortError;
use crate::ports::db::{Vault, VaultTable};

/// What became of one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    /// What they are, for people.
    pub what: &'static str,
    /// How many were under the newest master already.
    pub up_to_date: u64,
    /// How many are now, by the older master that they were under: the first of `secrets.previous` first.
    pub rewrapped: Vec<u64>,
    /// Those that no master of the ring opens.
    pub unreadable: Vec<String>,
}

/// What became of everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewrapReport {
    /// By kind.
    pub kinds: Vec<Rewrapped>,
    /// When the last session that is open now ends at the latest: until then its tokens may be under an older master.
    pub sessions_end_at: Option<DateTime<Utc>>,
}

/// What is sealed at rest, and how.
const KINDS: [(&str, VaultTable, Sealed); 4] = [
    ("signing keys", VaultTable::SigningKeys, Sealed::SigningKey),
    ("service keys", VaultTable::ServiceKeys, Sealed::ServiceKey),
    ("queued mails", VaultTable::Mails, Sealed::MailJob),
    ("kept answers", VaultTable::Answers, Sealed::Answer),
];

/// Encrypts everything at rest under the newest master of the ring, telling `progress` what it is at and how many of it
/// are done. What was done stays done: it can be broken off, repeated, and run by several at once.
///
/// # Errors
/// If the database fails; the rest is as it was.
pub async fn rewrap(
    keys: &KeyRing,
    vault: &mut Vault,
    progress: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<RewrapReport, PortError> {
    let mut kinds = Vec::new();
    for (what, table, purpose) in KINDS {
        let mut kind =
            Rewrapped { what, up_to_date: 0, rewrapped: vec![0; keys.masters() - 1], unreadable: Vec::new() };
        let (mut after, mut done) = (String::new(), 0);
        loop {
            let rows = vault.page(table, &after).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.id);
            for row in &rows {
                // What is sealed is bound to its name; a mail has none before it is in the outbox.
                let context = if table == VaultTable::Mails { OUTBOX } else { &row.id };
                match keys.reseal(purpose, context, &row.sealed) {
                    Ok((_, None)) => kind.up_to_date += 1,
                    Ok((master, Some(anew))) => {
                        // Gone meanwhile, or done by another: then it is not ours to count as done, but it is.
                        if vault.replace(table, row, &anew).await? {
                            kind.rewrapped[master - 1] += 1;
                        } else {
                            kind.up_to_date += 1;
                        }
                    }
                    Err(_) => kind.unreadable.push(row.id.clone()),
                }
                done += 1;
                progress(what, done);
            }
        }
        kinds.push(kind);
    }
    Ok(RewrapReport { kinds, sessions_end_at: vault.last_session_end().await? })
}

impl RewrapReport {
    /// Whether nothing at rest needs an older master any more.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.kinds.iter().all(|kind| kind.unreadable.is_empty())
    }
}
