//! `health`: whether the server on this machine wants requests, for a container that has no other client.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use doorcode::config::Config;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn ask(config: &Config) -> anyhow::Result<()> {
    let listen = config.server.listen;
    // Where it listens on every address, this machine's own is one of them.
    let ip = if listen.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listen.ip() };
    let address = SocketAddr::new(ip, listen.port());
    let mut server = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("nothing answers at {address}"))?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    server.read_exact(&mut answer).context("the server did not answer")?;
    match &answer {
        b"HTTP/1.1 200" => Ok(()),
        _ => bail!("the server is not ready for requests; its log says why"),
    }
}
