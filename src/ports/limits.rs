//! Limits a client address, judged in this process before any I/O: the shield in front of the store's own limits.
//!
//! Each replica counts for itself, so this bounds what one client can make one replica do, and no more.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::telemetry::{Limit, LimitCounts};

/// The limits; each is a number of requests in the window.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// The window.
    pub window: Duration,
    /// Requests for a code.
    pub code_requests: NonZeroU32,
    /// Attempts to verify one.
    pub verifies: NonZeroU32,
    /// Refreshes.
    pub refreshes: NonZeroU32,
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

/// Counts what each client does.
#[derive(Debug)]
pub struct Limits {
    code_requests: DefaultKeyedRateLimiter<IpAddr>,
    verifies: DefaultKeyedRateLimiter<IpAddr>,
    refreshes: DefaultKeyedRateLimiter<IpAddr>,
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
        limiter.check_key(&network(client)).map_err(|refused| {
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
}

/// What counts as one client: an IPv4 address, or an IPv6 /64, which is what one line is given (RFC 6177 §2).
pub(super) fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
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
    fn a_line_of_ipv6_is_one_client_and_a_mapped_address_is_its_ipv4_self() {
        let limits = limits(1);
        assert_eq!(limits.count(Act::Verify, "2001:db8:1:2:3::1".parse().unwrap()), Ok(()));
        assert!(limits.count(Act::Verify, "2001:db8:1:2:ffff::9".parse().unwrap()).is_err());
        assert_eq!(limits.count(Act::Verify, "2001:db8:1:3::1".parse().unwrap()), Ok(()));
        assert_eq!(limits.count(Act::Verify, "::ffff:192.0.2.7".parse().unwrap()), Ok(()));
        assert!(limits.count(Act::Verify, "192.0.2.7".parse().unwrap()).is_err());
    }
}
