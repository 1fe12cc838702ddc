//! Where a request came from, when proxies stand between; and what counts as one client, and as one network.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The client's address: the peer's, unless the peer is one of our proxies; then the last address in
/// `X-Forwarded-For` that is not one of them.
///
/// Read from the right, since everything left of what our own proxies wrote is the client's to invent. An entry that
/// cannot be read ends the walk, and the proxy that passed it on counts as the client: never nobody.
#[must_use]
pub fn client_ip(peer: IpAddr, headers: &[&str], trusted: &[IpNet]) -> IpAddr {
    let is_proxy = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    let mut client = peer;
    for entry in headers.iter().rev().flat_map(|header| header.rsplit(',')) {
        if !is_proxy(&client) {
            break;
        }
        match entry.trim().parse::<IpAddr>() {
            Ok(ip) => client = ip.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

/// What counts as one client: an IPv4 address, or an IPv6 /64, which is what one line is given (RFC 6177 §2).
#[must_use]
pub fn client_line(client: IpAddr) -> IpNet {
    network(client, 32, 64)
}

/// What counts as one network: an IPv4 /24, which is the least that is routed, or an IPv6 /48, which is what one site is
/// given (RFC 6177 §2).
#[must_use]
pub fn client_network(client: IpAddr) -> IpNet {
    network(client, 24, 48)
}

fn network(client: IpAddr, v4: u8, v6: u8) -> IpNet {
    // Both lengths are within what the family has.
    match client.to_canonical() {
        IpAddr::V4(ip) => IpNet::V4(Ipv4Net::new_assert(ip, v4).trunc()),
        IpAddr::V6(ip) => IpNet::V6(Ipv6Net::new_assert(ip, v6).trunc()),
    }
}

/// Networks whose clients may do more: many people share one address there.
#[derive(Debug, Clone, Default)]
pub struct SharedNetworks(Vec<(IpNet, u32)>);

impl SharedNetworks {
    /// From networks and how many times the usual number each may do.
    #[must_use]
    pub fn new(networks: Vec<(IpNet, u32)>) -> Self {
        Self(networks)
    }

    /// How many times the usual number a client may do: what the closest of its networks says, else once.
    #[must_use]
    pub fn times(&self, client: IpAddr) -> u32 {
        let client = client.to_canonical();
        let around = self.0.iter().filter(|(network, _)| network.contains(&client));
        around.max_by_key(|(network, _)| network.prefix_len()).map_or(1, |(_, times)| *times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t03_a_line_and_a_network_are_what_an_attacker_has_many_addresses_of() {
        for (client, line, network) in [
            ("192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
            ("2001:db8:1:2:3::9", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ] {
            let client = client.parse().unwrap();
            assert_eq!(client_line(client).to_string(), line);
            assert_eq!(client_network(client).to_string(), network);
        }
    }

    #[test]
    fn the_closest_network_says_how_much_more_its_clients_may_do() {
        let networks = [("192.0.2.0/24", 10), ("192.0.2.7/32", 50), ("2001:db8::/32", 3)];
        let networks =
            SharedNetworks::new(networks.map(|(net, times)| (net.parse().unwrap(), times)).to_vec());
        for (client, times) in
            [("192.0.2.1", 10), ("::ffff:192.0.2.7", 50), ("2001:db8::1", 3), ("198.51.100.1", 1)]
        {
            assert_eq!(networks.times(client.parse().unwrap()), times, "{client}");
        }
    }

    fn walk(peer: &str, headers: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        client_ip(peer.parse().unwrap(), headers, &trusted).to_string()
    }

    #[test]
    fn t17_only_our_own_proxies_are_believed_and_only_from_the_right() {
        assert_eq!(walk("192.0.2.1", &["198.51.100.9"]), "192.0.2.1", "a direct client cannot say who it is");
        assert_eq!(walk("10.0.0.1", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(walk("10.0.0.1", &["1.1.1.1, 198.51.100.9"]), "198.51.100.9", "the left part is invented");
        assert_eq!(
            walk("10.0.0.1", &["1.1.1.1, 198.51.100.9, 10.0.0.2"]),
            "198.51.100.9",
            "through two proxies"
        );
        assert_eq!(walk("10.0.0.1", &["1.1.1.1", "198.51.100.9"]), "198.51.100.9", "two headers read as one");
        assert_eq!(walk("10.0.0.1", &["::ffff:198.51.100.9"]), "198.51.100.9");
        assert_eq!(walk("2001:db8::1", &["2001:4860::1"]), "2001:4860::1");
    }

    #[test]
    fn t17_what_cannot_be_read_never_skips_the_limit() {
        for header in ["", "unknown", "_hidden", "198.51.100.9:1234", "\"198.51.100.9\"", "1.1.1.1,,"] {
            assert_eq!(walk("10.0.0.1", &[header]), "10.0.0.1", "{header:?}");
        }
        assert_eq!(walk("10.0.0.1", &["198.51.100.9, nonsense, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(walk("10.0.0.1", &[]), "10.0.0.1");
    }
}
