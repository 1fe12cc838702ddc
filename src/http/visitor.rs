//! Who is asking, as far as the connection tells.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use poem::http::header;
use poem::{FromRequest, Request, RequestBody, Result};

use super::{HttpSettings, Problem};
use crate::domain::{self, Locale};
use crate::flows::Visitor;

/// Most characters kept of what a client calls itself.
const MAX_USER_AGENT: usize = 256;

/// The visitor behind a request.
pub(super) struct From(pub(super) Visitor);

impl<'a> FromRequest<'a> for From {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let settings = request.data::<Arc<HttpSettings>>().ok_or_else(Problem::internal)?;
        let text =
            |name| request.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
        Ok(Self(Visitor {
            ip: client_ip(request, &settings.trusted_proxies).ok_or_else(Problem::internal)?,
            user_agent: text(header::USER_AGENT)
                .map(|agent| agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect()),
            locale: text(header::ACCEPT_LANGUAGE).and_then(Locale::negotiate),
        }))
    }
}

/// The client's address, as [`domain::client_ip`] reads it.
fn client_ip(request: &Request, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = peer_ip(request)?;
    let forwarded = request.headers().get_all("x-forwarded-for");
    let entries: Vec<&str> = forwarded.iter().map(|value| value.to_str().unwrap_or("")).collect();
    Some(domain::client_ip(peer, &entries, trusted))
}

/// Whether the peer is one of our proxies.
pub(super) fn is_from_proxy(request: &Request, trusted: &[IpNet]) -> bool {
    peer_ip(request).is_some_and(|peer| trusted.iter().any(|network| network.contains(&peer)))
}

fn peer_ip(request: &Request) -> Option<IpAddr> {
    Some(request.remote_addr().as_socket_addr()?.ip().to_canonical())
}
