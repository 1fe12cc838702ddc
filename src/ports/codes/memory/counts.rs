//! What is counted in this process: mails and wrong guesses, for an address, a client, a site, a mail host and over all.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::windows::{DAY, HOUR, TEN_MINUTES};
use super::{Held, MemoryCodes};
use crate::domain::{AddressTag, AuditAction};
use crate::ports::codes::events::About;
use crate::ports::codes::{ClientTags, CountSend, Issued, NetworkLimits};

impl MemoryCodes {
    /// Judges the limits and counts the sending: all or nothing.
    pub(super) fn count(&self, held: &mut Held, send: &CountSend<'_>, now: DateTime<Utc>) -> Issued {
        let networks = send.client.map(|client| (client, self.limits.networks.times(client.times)));
        if let Some(wait) =
            networks.and_then(|(client, limits)| client_sends_wait(held, client, &limits, now))
        {
            return Issued::ClientLimited(wait);
        }
        let cooling = held.cooling.get(&send.address).filter(|_| send.device.is_none());
        if let Some(wait) =
            cooling.filter(|until| **until > now).and_then(|until| (*until - now).to_std().ok())
        {
            return Issued::Cooling(wait);
        }
        let mut from_reserve = false;
        if let Some(wait) = self.send_wait(held, send, now) {
            // Strangers may have used up the mails of the address, and the gap: a known device has some that only it can use.
            let known = self.limits.known.sends_per_hour;
            let gap = TimeDelta::from_std(self.limits.send_gap).unwrap_or_default();
            let reserve = held.reserve.entry(send.address).or_default();
            let reserve = [reserve.wait(1, gap, now), reserve.wait(known, HOUR, now)];
            let wait = if send.device.is_some() { reserve.into_iter().flatten().max() } else { Some(wait) };
            match wait {
                Some(wait) => return Issued::TooSoon(wait),
                None => from_reserve = true,
            }
        }
        if let Some(wait) = budget_wait(&held.site_mails, send.site, send.site_mails_per_hour, now) {
            return Issued::SiteBudget(wait);
        }
        if let Some(wait) = budget_wait(&held.host_mails, &send.host, self.limits.host_mails_per_hour, now) {
            return Issued::HostBudget(wait);
        }
        count_budget(held.site_mails.entry(send.site.to_owned()).or_insert((now, 0)), now);
        count_budget(held.host_mails.entry(send.host).or_insert((now, 0)), now);
        if let Some((client, limits)) = networks {
            let lists = [
                (client.line, limits.client_sends_per_hour),
                (client.network, limits.network_sends_per_hour),
            ];
            for (tag, most) in lists {
                held.client_sends.entry(tag).or_default().count(most, now);
            }
        }
        if from_reserve {
            held.reserve.entry(send.address).or_default().count(self.limits.known.sends_per_hour, now);
            return Issued::Counted;
        }
        let sends = held.sends.entry(send.address).or_default();
        sends.push_back((now, send.site.to_owned(), send.slot));
        while sends.len() > self.limits.sends_per_day as usize {
            sends.pop_front();
        }
        Issued::Counted
    }

    fn send_wait(&self, held: &Held, send: &CountSend<'_>, now: DateTime<Utc>) -> Option<Duration> {
        let sends = held.sends.get(&send.address)?;
        let gap = sends
            .iter()
            .filter(|(_, site, slot)| site == send.site && *slot == send.slot)
            .map(|(at, ..)| *at + self.limits.send_gap);
        let window = |length: TimeDelta, limit: u32| {
            let inside: Vec<_> = sends.iter().filter(|(at, ..)| *at > now - length).collect();
            (inside.len() >= limit as usize).then(|| inside.first().map(|(at, ..)| *at + length)).flatten()
        };
        gap.chain(window(HOUR, self.limits.sends_per_hour))
            .chain(window(DAY, self.limits.sends_per_day))
            .max()
            .and_then(|free_at| (free_at - now).to_std().ok())
            .filter(|wait| !wait.is_zero())
    }

    pub(super) fn count_guess(
        &self,
        held: &mut Held,
        address: AddressTag,
        is_known: bool,
        now: DateTime<Utc>,
    ) {
        let trip = self.limits.trip;
        let wrong = held.wrong.entry((address, is_known)).or_default();
        wrong.count(self.wrong_per_day(is_known), now);
        held.guesses.count(trip.per_ten_minutes.max(trip.per_day), now);
        if self.guesses_are_too_many(held, now) && held.tripped_until.is_none_or(|until| until <= now) {
            held.tripped_until = Some(now + TEN_MINUTES);
            self.tell(held, About::default(), AuditAction::GuessingTripped, "");
        }
    }

    pub(super) fn wrong_per_day(&self, is_known: bool) -> u32 {
        if is_known { self.limits.known.wrong_per_day } else { self.limits.wrong_per_day }
    }

    /// Whether six digits no longer count as proof for an address.
    pub(super) fn wrong_are_spent(
        &self,
        held: &Held,
        address: AddressTag,
        is_known: bool,
        now: DateTime<Utc>,
    ) -> bool {
        let wrong = held.wrong.get(&(address, is_known));
        wrong.and_then(|wrong| wrong.wait(self.wrong_per_day(is_known), DAY, now)).is_some()
            || held.spent.get(&address).is_some_and(|until| *until > now)
    }

    pub(super) fn guesses_are_too_many(&self, held: &Held, now: DateTime<Utc>) -> bool {
        let trip = self.limits.trip;
        held.guesses.wait(trip.per_ten_minutes, TEN_MINUTES, now).is_some()
            || held.guesses.wait(trip.per_day, DAY, now).is_some()
    }

    pub(in crate::ports::codes) fn is_tripped(&self) -> bool {
        self.guesses_are_too_many(&self.lock(), self.clock.now())
    }

    pub(super) fn wrong_proofs_wait(
        &self,
        held: &Held,
        client: ClientTags,
        now: DateTime<Utc>,
    ) -> Option<Duration> {
        let limits = self.limits.networks.times(client.times);
        let wait =
            |tag, most, length| held.client_wrong.get(&tag).and_then(|times| times.wait(most, length, now));
        wait(client.line, limits.client_wrong_per_ten_minutes, TEN_MINUTES).max(wait(
            client.network,
            limits.network_wrong_per_hour,
            HOUR,
        ))
    }

    pub(super) fn count_wrong_proof(&self, held: &mut Held, client: ClientTags) {
        let (limits, now) = (self.limits.networks.times(client.times), self.clock.now());
        let lists = [
            (client.line, limits.client_wrong_per_ten_minutes),
            (client.network, limits.network_wrong_per_hour),
        ];
        for (tag, most) in lists {
            held.client_wrong.entry(tag).or_default().count(most, now);
        }
    }
}

fn client_sends_wait(
    held: &Held,
    client: ClientTags,
    limits: &NetworkLimits,
    now: DateTime<Utc>,
) -> Option<Duration> {
    let wait =
        |tag, most, length| held.client_sends.get(&tag).and_then(|times| times.wait(most, length, now));
    wait(client.line, limits.client_sends_per_ten_minutes, TEN_MINUTES)
        .max(wait(client.line, limits.client_sends_per_hour, HOUR))
        .max(wait(client.network, limits.network_sends_per_hour, HOUR))
}

/// How long until a budget begins again, if it is used up.
fn budget_wait<K, Q>(
    budgets: &HashMap<K, (DateTime<Utc>, u32)>,
    name: &Q,
    most: u32,
    now: DateTime<Utc>,
) -> Option<Duration>
where
    K: Borrow<Q> + Eq + Hash,
    Q: Eq + Hash + ?Sized,
{
    let (until, used) = budgets.get(name)?;
    (*until > now && *used >= most).then(|| (*until - now).to_std().unwrap_or_default())
}

fn count_budget(budget: &mut (DateTime<Utc>, u32), now: DateTime<Utc>) {
    if budget.0 <= now {
        *budget = (now + HOUR, 0);
    }
    budget.1 += 1;
}
