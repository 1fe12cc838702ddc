//! How many connections there may be: in all, and from one client.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use super::activity::Activity;

/// How many of the oldest connections are looked at for one that can make room: enough to find one unless everybody is
/// busy, and a bound on the work that a flood of connections causes.
const LOOKED_AT: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_per_client: usize,
    /// Their connections carry the requests of many clients.
    trusted_proxies: Vec<IpNet>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// In the order in which they were accepted.
    connections: BTreeMap<u64, Arc<Activity>>,
    clients: HashMap<IpAddr, usize>,
}

/// Why a connection is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The client has as many as it may.
    Client,
    /// Every connection is in the middle of a request.
    Server,
}

/// A connection's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    client: Option<IpAddr>,
}

impl Places {
    pub(super) fn new(most: usize, most_per_client: usize, trusted_proxies: Vec<IpNet>) -> Self {
        Self { most, most_per_client, trusted_proxies, taken: Mutex::default() }
    }

    /// A place for a connection from `peer`. Where all are taken, the oldest connection without a request makes room: a
    /// newcomer has something to say, and whoever fills the server with silence loses that silence first.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr, activity: &Arc<Activity>) -> Result<Place, Full> {
        let client = self.client(peer);
        let mut taken = self.taken();
        if let Some(client) = client
            && taken.clients.get(&client).is_some_and(|count| *count >= self.most_per_client)
        {
            return Err(Full::Client);
        }
        if taken.connections.len() >= self.most && !taken.make_room() {
            return Err(Full::Server);
        }
        let number = taken.next;
        taken.next += 1;
        taken.connections.insert(number, Arc::clone(activity));
        if let Some(client) = client {
            *taken.clients.entry(client).or_default() += 1;
        }
        Ok(Place { places: Arc::clone(self), number, client })
    }

    /// Ends the oldest connection without a request, for want of something other than places.
    pub(super) fn make_room(&self) {
        self.taken().make_room();
    }

    /// What is counted as one client: an IPv4 address, or the network that an IPv6 subscriber gets (RFC 6177 §2).
    fn client(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        if self.trusted_proxies.iter().any(|network| network.contains(&peer)) {
            return None;
        }
        Some(match peer {
            IpAddr::V4(_) => peer,
            IpAddr::V6(peer) => IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() & !u128::from(u64::MAX))),
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn make_room(&mut self) -> bool {
        let oldest = self.connections.iter().take(LOOKED_AT).find(|(_, activity)| !activity.is_busy());
        let Some(number) = oldest.map(|(number, _)| *number) else { return false };
        if let Some(activity) = self.connections.remove(&number) {
            activity.closing.cancel();
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.connections.remove(&self.number);
        if let Some(client) = self.client
            && let Some(count) = taken.clients.get_mut(&client)
        {
            *count -= 1;
            if *count == 0 {
                taken.clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::super::activity::Busy;
    use super::*;

    fn places(most: usize, per_client: usize) -> Arc<Places> {
        Arc::new(Places::new(most, per_client, vec!["10.0.0.0/8".parse().unwrap()]))
    }

    fn connection() -> Arc<Activity> {
        Arc::new(Activity::new(CancellationToken::new()))
    }

    fn take(places: &Arc<Places>, peer: &str) -> Result<Place, Full> {
        places.take(peer.parse().unwrap(), &connection())
    }

    #[test]
    fn t38_one_client_cannot_take_the_places_of_others() {
        let places = places(100, 2);
        let first = take(&places, "192.0.2.1").unwrap();
        let _second = take(&places, "::ffff:192.0.2.1").unwrap();
        assert_eq!(take(&places, "192.0.2.1").unwrap_err(), Full::Client);
        let _other = take(&places, "192.0.2.2").unwrap();
        drop(first);
        let _again = take(&places, "192.0.2.1").unwrap();
        // A subscriber of IPv6 is one client, whatever the lower half of the address is.
        let _sixes = [take(&places, "2001:db8::1").unwrap(), take(&places, "2001:db8::2:2").unwrap()];
        assert_eq!(take(&places, "2001:db8:0:0:ffff::").unwrap_err(), Full::Client);
        let _neighbour = take(&places, "2001:db8:0:1::1").unwrap();
        // Everybody comes by way of a proxy.
        let _proxied: Vec<_> = (0..10).map(|_| take(&places, "10.1.2.3").unwrap()).collect();
    }

    #[test]
    fn t38_where_all_places_are_taken_the_oldest_without_a_request_makes_room() {
        let places = places(3, 100);
        let connections = [connection(), connection(), connection()];
        let peer = "192.0.2.1".parse().unwrap();
        let held: Vec<_> =
            connections.iter().map(|connection| places.take(peer, connection).unwrap()).collect();
        let busy = Busy::with(&connections[0]);
        let newcomer = connection();
        let place = places.take(peer, &newcomer).unwrap();
        let closing = connections.each_ref().map(|connection| connection.closing.is_cancelled());
        assert_eq!(closing, [false, true, false]);
        let all: Vec<_> = [&connections[2], &newcomer].map(Busy::with).into();
        assert_eq!(take(&places, "192.0.2.9").unwrap_err(), Full::Server);
        drop((held, place, busy, all));
        let taken = places.taken();
        assert!(taken.connections.is_empty() && taken.clients.is_empty(), "{taken:?}");
    }
}
