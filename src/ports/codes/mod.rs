//! Codes that wait to be typed, one a purpose; the limits on them, and the queue of mails that carry them.
//!
//! Two stores with one meaning: Redis, for any number of replicas, and this process's memory, for trying things out.
//! One test suite runs against both. Neither ever sees a code, an address or a link in the clear.

mod asked;
mod events;
mod limits;
mod memory;
mod redis;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use self::asked::{
    Claim, ClaimCode, ClaimEnd, Claimed, CountSend, Issue, IssueCode, Issued, KeepProof, MAIL_LEASE, Proof,
    QueueLook, QueueStanding, QueuedMail, StopCode,
};
pub use self::events::{WaitingEvents, Witness};
pub use self::limits::{ClientTags, CodeLimits, KnownDeviceLimits, NetworkLimits, TripLimits};
pub use self::memory::MemoryCodes;
pub use self::redis::{RedisAddress, RedisCodes, RedisSettings};
use super::PortError;
use crate::domain::{AddressTag, ChallengeId, RememberedGuesses, Slot, SpentAddress};

/// The store in use.
#[derive(Debug, Clone)]
pub enum Codes {
    /// In this process.
    Memory(MemoryCodes),
    /// In Redis.
    Redis(Box<RedisCodes>),
}

impl Codes {
    /// Counts the sending against its limits, keeps the code's hash in place of any earlier one and queues its mail: all
    /// or nothing, in one round trip.
    pub async fn issue(&self, issue: &IssueCode<'_>) -> Result<Issued, PortError> {
        match self {
            Self::Memory(store) => Ok(store.issue(issue)),
            Self::Redis(store) => store.issue(issue).await,
        }
    }

    /// Counts a sending against its limits and issues nothing: for a code that follows, or an answer that is worth one.
    pub async fn count_send(&self, send: &CountSend<'_>) -> Result<Issued, PortError> {
        match self {
            Self::Memory(store) => Ok(store.count_send(send)),
            Self::Redis(store) => store.count_send(send).await,
        }
    }

    /// Keeps a proof that we do not mail, in place of any earlier one of its name.
    pub async fn keep(&self, proof: &KeepProof<'_>) -> Result<(), PortError> {
        match self {
            Self::Memory(store) => {
                store.keep(proof);
                Ok(())
            }
            Self::Redis(store) => store.keep(proof).await,
        }
    }

    /// Ends a code that its owner did not ask for, and lets strangers cause no more mails to its address for a while; false if
    /// it is over already.
    pub async fn stop(&self, stop: &StopCode<'_>) -> Result<bool, PortError> {
        match self {
            Self::Memory(store) => Ok(store.stop(stop)),
            Self::Redis(store) => store.stop(stop).await,
        }
    }

    /// Counts the guess, compares it and takes the lease, in one round trip.
    pub async fn claim(&self, claim: &ClaimCode<'_>) -> Result<Claimed, PortError> {
        match self {
            Self::Memory(store) => Ok(store.claim(claim)),
            Self::Redis(store) => store.claim(claim).await,
        }
    }

    /// Whether wrong guesses over all addresses are so many that devices nobody knows get long codes.
    pub async fn is_tripped(&self) -> Result<bool, PortError> {
        match self {
            Self::Memory(store) => Ok(store.is_tripped()),
            Self::Redis(store) => store.is_tripped().await,
        }
    }

    /// Ends a claim.
    pub async fn end_claim(&self, claim: &Claim, end: ClaimEnd) -> Result<(), PortError> {
        match self {
            Self::Memory(store) => {
                store.end_claim(claim, end, None);
                Ok(())
            }
            Self::Redis(store) => store.end_claim(claim, end, None).await,
        }
    }

    /// Ends a claim that was right and led to nothing, and puts on record why.
    pub async fn end_refused_claim(
        &self,
        claim: &Claim,
        end: ClaimEnd,
        reason: &str,
        witness: &Witness<'_>,
    ) -> Result<(), PortError> {
        match self {
            Self::Memory(store) => {
                store.end_claim(claim, end, Some((reason, witness)));
                Ok(())
            }
            Self::Redis(store) => store.end_claim(claim, end, Some((reason, witness))).await,
        }
    }

    /// Events of a partition that wait to be put on record; none where another replica is about to.
    pub async fn take_events(&self, partition: u16) -> Result<WaitingEvents, PortError> {
        match self {
            Self::Memory(store) => Ok(store.take_events()),
            Self::Redis(store) => store.take_events(partition).await,
        }
    }

    /// Whether so many events of a partition wait that they should not wait for long: half of what there is room for.
    pub async fn events_pile_up(&self, partition: u16) -> Result<bool, PortError> {
        match self {
            Self::Memory(store) => Ok(store.events_pile_up()),
            Self::Redis(store) => store.events_pile_up(partition).await,
        }
    }

    /// Forgets events that are on record.
    pub async fn events_done(&self, taken: &WaitingEvents) -> Result<(), PortError> {
        match self {
            Self::Memory(store) => {
                store.events_done(taken);
                Ok(())
            }
            Self::Redis(store) => store.events_done(taken).await,
        }
    }

    /// Whether the store knows nothing of the wrong guesses of before, and the caller is to [bring them
    /// back](Self::restore_guesses); of several that ask, one is.
    pub async fn lacks_guesses(&self, partition: u16) -> Result<bool, PortError> {
        match self {
            Self::Memory(store) => Ok(store.lacks_guesses()),
            Self::Redis(store) => store.lacks_guesses(partition).await,
        }
    }

    /// Takes over the wrong guesses at addresses of a partition, beside those that it knows.
    pub async fn restore_guesses(
        &self,
        partition: u16,
        remembered: &[RememberedGuesses],
    ) -> Result<(), PortError> {
        match self {
            Self::Memory(store) => {
                store.restore_guesses(remembered);
                Ok(())
            }
            Self::Redis(store) => store.restore_guesses(partition, remembered).await,
        }
    }

    /// The wrong guesses of before have been brought back.
    pub async fn has_guesses(&self, partition: u16) -> Result<(), PortError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(store) => store.has_guesses(partition).await,
        }
    }

    /// They could not be brought back: somebody tries again. In Redis that is so when the mark of this try ends.
    pub fn still_lacks_guesses(&self) {
        if let Self::Memory(store) = self {
            store.still_lacks_guesses();
        }
    }

    /// Makes the codes of an address long for as long as its wrong guesses of thirty days are too many.
    pub async fn spend_guesses(&self, spent: &SpentAddress) -> Result<(), PortError> {
        match self {
            Self::Memory(store) => {
                store.spend_guesses(spent);
                Ok(())
            }
            Self::Redis(store) => store.spend_guesses(spent).await,
        }
    }

    /// Whether this challenge is still the one that works for its address, site and purpose.
    pub async fn is_current(
        &self,
        address: AddressTag,
        site: &str,
        slot: Slot,
        id: ChallengeId,
    ) -> Result<bool, PortError> {
        match self {
            Self::Memory(store) => Ok(store.is_current(address, site, slot, id)),
            Self::Redis(store) => store.is_current(address, site, slot, id).await,
        }
    }

    /// Whether a rare mail may go out now: true once per `every` for an address and `what`.
    pub async fn once_per(
        &self,
        address: AddressTag,
        what: &str,
        every: Duration,
    ) -> Result<bool, PortError> {
        match self {
            Self::Memory(store) => Ok(store.once_per(address, what, every)),
            Self::Redis(store) => store.once_per(address, what, every).await,
        }
    }

    /// Forgets the wrong guesses at an address and the mails that went to it: in one step, all of them.
    pub async fn unlock(&self, address: AddressTag) -> Result<(), PortError> {
        match self {
            Self::Memory(store) => {
                store.unlock(address);
                Ok(())
            }
            Self::Redis(store) => store.unlock(address).await,
        }
    }

    /// Partitions of the mail queue; each wants a [`Codes::next_mail`] loop.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        match self {
            Self::Memory(_) => 1,
            Self::Redis(store) => store.partitions(),
        }
    }

    /// Whether what is in the store is still there when this process has ended.
    #[must_use]
    pub fn outlive_process(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Waits for the next mail of a partition, a little while; `None` if there was none.
    pub async fn next_mail(&self, partition: u16) -> Result<Option<QueuedMail>, PortError> {
        match self {
            Self::Memory(store) => Ok(store.next_mail().await),
            Self::Redis(store) => store.next_mail(partition).await,
        }
    }

    /// Takes a mail off the queue for good.
    pub async fn mail_done(&self, mail: &QueuedMail) -> Result<(), PortError> {
        match self {
            Self::Memory(store) => {
                store.mail_done(mail);
                Ok(())
            }
            Self::Redis(store) => store.mail_done(mail).await,
        }
    }

    /// Keeps a mail from other workers for another [`MAIL_LEASE`].
    pub async fn mail_renew(&self, mail: &QueuedMail) -> Result<(), PortError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(store) => store.mail_renew(mail).await,
        }
    }

    /// Gives a mail back for any worker to take at once: this one is stopping.
    pub async fn mail_give_back(&self, mail: QueuedMail) -> Result<(), PortError> {
        match self {
            Self::Memory(store) => {
                store.mail_give_back(mail);
                Ok(())
            }
            Self::Redis(store) => store.mail_give_back(&mail).await,
        }
    }

    /// How the mail queue stands, over all replicas.
    pub async fn queue(&self) -> Result<QueueStanding, PortError> {
        match self {
            Self::Memory(store) => Ok(store.queue()),
            Self::Redis(store) => store.queue().await,
        }
    }

    /// What is in the mail queue, over all replicas, with at most so many of its oldest mails.
    pub async fn look_at_mail(&self, most: u16) -> Result<QueueLook, PortError> {
        match self {
            Self::Memory(store) => Ok(store.look_at_mail(most)),
            Self::Redis(store) => store.look_at_mail(most).await,
        }
    }

    /// Connects. The first time it may take longer than an answer does: Sentinels are asked, certificates looked at.
    pub async fn connect(&self) -> Result<(), PortError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(store) => store.connect().await,
        }
    }

    /// What a store that is short of room throws away before its time, where it does: then a limit forgets. The words are
    /// those of Redis's `maxmemory-policy`.
    pub async fn eviction(&self) -> Result<Option<String>, PortError> {
        match self {
            Self::Memory(_) => Ok(None),
            Self::Redis(store) => store.eviction().await,
        }
    }

    /// Whether the store answers; what time it has, if its clock is not ours.
    pub async fn check(&self) -> Result<Option<DateTime<Utc>>, PortError> {
        match self {
            Self::Memory(_) => Ok(None),
            Self::Redis(store) => store.check().await.map(Some),
        }
    }
}
