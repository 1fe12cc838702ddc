//! Limits a client address, judged in this process before any I/O: the shield in front of the store's own limits.
//!
//! Each replica counts for itself, so this bounds what one client can make one replica do, and no more.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;

use crate::domain::{SharedNetworks, client_line};
use crate::telemetry::{Limit, LimitCounts};

/// The limits; each is a number of requests in the window.
#[derive(Debug, Clone)]
pub struct ClientLimits {
    /// The window.
    pub window: Duration,
    /// Requests for a code.
    pub code_requests: NonZeroU32,
    /// Attempts to verify one.
    pub verifies: NonZeroU32,
    /// Refreshes.
    pub refreshes: NonZeroU32,
    /// Where clients may do more.
    pub networks: SharedNetworks,
}

/// What a client is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Ask for a code.
    RequestCode,
    /// Verify one.
    Verify,
    /// Refresh a session.
    Refresh,
}

impl Act {
    /// The word for it on record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestCode => "code_requests",
            Self::Verify => "verifies",
            Self::Refresh => "refreshes",
        }
    }
}

/// A bucket for each share of each client: who may do several times the usual has as many.
type Shares = DefaultKeyedRateLimiter<(IpNet, u32)>;

/// Counts what each client does.
#[derive(Debug)]
pub struct Limits {
    code_requests: Shares,
    verifies: Shares,
    refreshes: Shares,
    networks: SharedNetworks,
    /// Counts acts, to go around the shares of those who have several.
    turn: AtomicU32,
    clock: DefaultClock,
    counts: LimitCounts,
}

impl Limits {
    /// Limiters that start empty.
    #[must_use]
    pub fn new(limits: &ClientLimits, counts: LimitCounts) -> Self {
        // A bucket that holds the whole number and refills over the window.
        let limiter = |number: NonZeroU32| {
            let refill = limits.window / number.get();
            let quota = Quota::with_period(refill.max(Duration::from_nanos(1)))
                .unwrap_or_else(|| Quota::per_second(number))
                .allow_burst(number);
            RateLimiter::keyed(quota)
        };
        Self {
            code_requests: limiter(limits.code_requests),
            verifies: limiter(limits.verifies),
            refreshes: limiter(limits.refreshes),
            networks: limits.networks.clone(),
            turn: AtomicU32::default(),
            clock: DefaultClock::default(),
            counts,
        }
    }

    /// Counts an act of a client.
    ///
    /// # Errors
    /// How long to wait, where the client has had its share.
    pub fn count(&self, act: Act, client: IpAddr) -> Result<(), Duration> {
        let (limiter, limit) = match act {
            Act::RequestCode => (&self.code_requests, Limit::ClientCodeRequests),
            Act::Verify => (&self.verifies, Limit::ClientVerifies),
            Act::Refresh => (&self.refreshes, Limit::ClientRefreshes),
        };
        let share = match self.networks.times(client) {
            1 => 0,
            times => self.turn.fetch_add(1, Ordering::Relaxed) % times,
        };
        limiter.check_key(&(client_line(client), share)).map_err(|refused| {
            self.counts.hit(limit);
            refused.wait_time_from(self.clock.now())
        })
    }

    /// Forgets clients whose share is whole again, so that the tables do not grow for ever.
    pub fn sweep(&self) {
        for limiter in [&self.code_requests, &self.verifies, &self.refreshes] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// How many times the usual number a client may do.
    #[must_use]
    pub fn times(&self, client: IpAddr) -> u32 {
        self.networks.times(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(number: u32) -> Limits {
        let number = NonZeroU32::new(number).unwrap();
        let limits = ClientLimits {
            window: Duration::from_secs(300),
            code_requests: number,
            verifies: number,
            refreshes: number,
            networks: SharedNetworks::new(vec![("198.51.100.0/24".parse().unwrap(), 2)]),
        };
        Limits::new(&limits, LimitCounts::default())
    }

    #[test]
    fn a_client_gets_its_number_and_then_a_wait() {
        let limits = limits(3);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..3 {
            assert_eq!(limits.count(Act::Verify, one), Ok(()));
        }
        let wait = limits.count(Act::Verify, one).unwrap_err();
        assert!(wait > Duration::from_secs(90) && wait <= Duration::from_secs(100), "{wait:?}");
        assert_eq!(limits.count(Act::Verify, other), Ok(()));
        assert_eq!(limits.count(Act::Refresh, one), Ok(()), "each act has its own count");
    }

    #[test]
    fn a_client_of_a_shared_network_gets_its_number_several_times() {
        let limits = limits(3);
        let client = "198.51.100.7".parse().unwrap();
        for _ in 0..6 {
            assert_eq!(limits.count(Act::Verify, client), Ok(()));
        }
        assert!(limits.count(Act::Verify, client).is_err());
    }

    #[test]
    fn a_line_of_ipv6_is_one_client_and_a_mapped_address_is_its_ipv4_self() {
        let limits = limits(1);
        assert_eq!(limits.count(Act::Verify, "2001:db8:1:2:3::1".parse().unwrap()), Ok(()));
        assert!(limits.count(Act::Verify, "2001:db8:1:2:ffff::9".parse().unwrap()).is_err());
        assert_eq!(limits.count(Act::Verify, "2001:db8:1:3::1".parse().unwrap()), Ok(()));
        assert_eq!(limits.count(Act::Verify, "::ffff:192.0.2.7".parse().unwrap()), Ok(()));
        assert!(limits.count(Act::Verify, "192.0.2.7".parse().unwrap()).is_err());
    }
}
