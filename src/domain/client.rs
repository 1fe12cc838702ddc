//! Where a request came from, when proxies stand between.

use std::net::IpAddr;

use ipnet::IpNet;

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

#[cfg(test)]
mod tests {
    use super::*;

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
