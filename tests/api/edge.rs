//! The server against clients that are slow, many, confused or hostile: on real sockets, octet by octet.

mod abuse;
mod ambiguous;
mod costs;
mod drain;
mod headers;
mod http2;
mod raw;
mod slow;
mod smuggling;
