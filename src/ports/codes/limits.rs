//! The numbers that the stores hold requests against; `config/default.toml` explains them.

use std::time::Duration;

use crate::domain::LimitTag;

/// The limits on codes.
#[derive(Debug, Clone, Copy)]
pub struct CodeLimits {
    /// Life of a code.
    pub life: Duration,
    /// Guesses a code.
    pub tries: u32,
    /// Wrong guesses an address and day before it gets long codes.
    pub wrong_per_day: u32,
    /// How long a proven code is kept from others while its session is opened.
    pub lease: Duration,
    /// Pause between two mails to an address for one site and purpose.
    pub send_gap: Duration,
    /// Mails to an address an hour, over all sites.
    pub sends_per_hour: u32,
    /// Mails to an address a day, over all sites.
    pub sends_per_day: u32,
    /// How long an address gets no mails that strangers ask for, once its owner has disowned one.
    pub cooling: Duration,
    /// Mails to the addresses of one mail host an hour, over all sites.
    pub host_mails_per_hour: u32,
    /// What one client and its network may do, at all replicas together.
    pub networks: NetworkLimits,
    /// When wrong guesses over all addresses are too many.
    pub trip: TripLimits,
    /// What devices may do beyond, whose owner has signed in with them.
    pub known: KnownDeviceLimits,
    /// Events that may wait for the database; what comes then is counted and lost.
    pub events_waiting: u32,
}

/// What one client (IPv4 address, IPv6 /64) and its network (/24, /48) may do, at all replicas together.
#[derive(Debug, Clone, Copy)]
pub struct NetworkLimits {
    /// Codes a client asks for in ten minutes.
    pub client_sends_per_ten_minutes: u32,
    /// Codes a client asks for an hour.
    pub client_sends_per_hour: u32,
    /// Codes a network asks for an hour.
    pub network_sends_per_hour: u32,
    /// Wrong proofs that a client presents in ten minutes.
    pub client_wrong_per_ten_minutes: u32,
    /// Wrong proofs that a network presents an hour.
    pub network_wrong_per_hour: u32,
}

impl NetworkLimits {
    /// The limits of a client that may do so many times the usual.
    pub(super) fn times(self, times: u32) -> Self {
        let times = |number: u32| number.saturating_mul(times);
        Self {
            client_sends_per_ten_minutes: times(self.client_sends_per_ten_minutes),
            client_sends_per_hour: times(self.client_sends_per_hour),
            network_sends_per_hour: times(self.network_sends_per_hour),
            client_wrong_per_ten_minutes: times(self.client_wrong_per_ten_minutes),
            network_wrong_per_hour: times(self.network_wrong_per_hour),
        }
    }
}

/// How many wrong guesses over all addresses are too many: then devices that nobody knows get long codes.
#[derive(Debug, Clone, Copy)]
pub struct TripLimits {
    /// In ten minutes.
    pub per_ten_minutes: u32,
    /// In a day.
    pub per_day: u32,
}

/// What devices have for themselves, whose owner has signed in with them.
#[derive(Debug, Clone, Copy)]
pub struct KnownDeviceLimits {
    /// Mails an hour beyond those of the address.
    pub sends_per_hour: u32,
    /// Wrong guesses a day before they get long codes, over all such devices of an address.
    pub wrong_per_day: u32,
}

/// A client, as limits know it.
#[derive(Debug, Clone, Copy)]
pub struct ClientTags {
    /// The client.
    pub line: LimitTag,
    /// Its network.
    pub network: LimitTag,
    /// How many times the usual it may do.
    pub times: u32,
}
