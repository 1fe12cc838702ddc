//! Whether a request head of HTTP/1 says one thing only, and how long the body is that follows it.
//!
//! Two readers that disagree about where a request ends let one request hide in another (RFC 9112 §11.2). hyper reads
//! leniently where the standard lets it: lone line feeds, a `Content-Length` beside a `Transfer-Encoding`, two equal
//! lengths. A proxy in front may read those in another way, so here they are refused, before hyper sees them.

use poem::http::{StatusCode, Uri};

/// What a head says of the body after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many octets, perhaps none.
    Length(u64),
    /// Chunks (RFC 9112 §7.1).
    Chunked,
    /// The connection speaks HTTP/2 from here on (RFC 9113 §3.4).
    Http2,
}

/// Why a request is refused before it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It can be read in more than one way, or in none.
    Malformed,
    /// Its head is too long, or has too many fields.
    TooLarge,
    /// Its head did not come in time.
    TooSlow,
}

impl Fault {
    /// The answer to it: a status, a stable code, and words.
    pub(super) fn answer(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                "malformed_request",
                "This is not a well-formed HTTP request; the connection is closed",
            ),
            Self::TooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers_too_large",
                "The headers of the request are too many or too long",
            ),
            Self::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "The headers of the request did not arrive in time; please try again",
            ),
        }
    }
}

/// What a connection of HTTP/2 begins with, as far as it looks like a request.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// Judges a whole head, from its request line to the empty line, both included.
pub(super) fn judge(head: &[u8], max_headers: usize) -> Result<Framing, Fault> {
    if head == PREFACE {
        return Ok(Framing::Http2);
    }
    let mut lines = head.strip_suffix(b"\r\n\r\n").ok_or(Fault::Malformed)?.split(|byte| *byte == b'\n');
    let mut next = || lines.next().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let request = RequestLine::parse(next().unwrap_or_default()).ok_or(Fault::Malformed)?;
    let mut fields = Fields::default();
    let mut count = 0;
    while let Some(line) = next() {
        count += 1;
        if count > max_headers {
            return Err(Fault::TooLarge);
        }
        fields.add(line).ok_or(Fault::Malformed)?;
    }
    fields.framing(&request).ok_or(Fault::Malformed)
}

/// The first line, as far as it decides anything here.
struct RequestLine {
    is_http_11: bool,
    /// The host of a target in absolute form.
    authority: Option<String>,
}

impl RequestLine {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let is_http_11 = match version {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            _ => return None,
        };
        if words.next().is_some() || !is_token(method) || !target.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let uri = Uri::try_from(target).ok()?;
        let authority = match target {
            [b'/', ..] => None,
            b"*" if method == b"OPTIONS" => None,
            _ if method == b"CONNECT" => Some(uri.authority()?.to_string()),
            _ => {
                let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
                Some(uri.authority().filter(|host| is_web && !host.as_str().contains('@'))?.to_string())
            }
        };
        Some(Self { is_http_11, authority })
    }
}

/// The fields that decide where a request goes and where it ends.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    is_chunked: bool,
}

impl<'a> Fields<'a> {
    /// `None` for a field that is no field, or is one too many.
    fn add(&mut self, line: &'a [u8]) -> Option<()> {
        // A blank before the colon ends up in the name, and one at the start of a line (obs-fold) too: no token has any.
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        if !is_token(name) || !value.iter().all(is_text) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"host") {
            return self.host.replace(value).is_none().then_some(());
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()?;
            return self.length.replace(length).is_none().then_some(());
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_first = !std::mem::replace(&mut self.is_chunked, true);
            return (is_first && value.eq_ignore_ascii_case(b"chunked")).then_some(());
        }
        Some(())
    }

    fn framing(&self, request: &RequestLine) -> Option<Framing> {
        // RFC 9112 §3.2: every request of HTTP/1.1 has one Host, and a target in absolute form agrees with it.
        if request.is_http_11 && self.host.is_none() {
            return None;
        }
        if let (Some(authority), Some(host)) = (&request.authority, self.host)
            && !authority.as_bytes().eq_ignore_ascii_case(host)
        {
            return None;
        }
        match (self.is_chunked, self.length) {
            (false, length) => Some(Framing::Length(length.unwrap_or(0))),
            (true, None) if request.is_http_11 => Some(Framing::Chunked),
            (true, _) => None,
        }
    }
}

/// RFC 9110 §5.6.2.
fn is_token(word: &[u8]) -> bool {
    !word.is_empty()
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(head: &str) -> Result<Framing, Fault> {
        judge(head.as_bytes(), 5)
    }

    #[test]
    fn what_clients_send_is_understood() {
        for (head, framing) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0)),
            ("GET /x?y=%20&z=[] HTTP/1.1\r\nhost:a\r\nX:\r\nY: \ta\u{e4}\t\r\n\r\n", Framing::Length(0)),
            ("GET / HTTP/1.0\r\n\r\n", Framing::Length(0)),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0)),
            ("GET http://A:1/x HTTP/1.1\r\nHost: a:1\r\n\r\n", Framing::Length(0)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n", Framing::Length(12)),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked),
            ("PRI * HTTP/2.0\r\n\r\n", Framing::Http2),
        ] {
            assert_eq!(judged(head), Ok(framing), "{head:?}");
        }
    }

    #[test]
    fn t39_what_could_be_read_in_two_ways_is_not_read() {
        let with = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let fields = [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: -5",
            "Content-Length: 0x5",
            "Content-Length:",
            "Content-Length: 18446744073709551617",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding:",
            "Transfer-Encoding : chunked",
            " Transfer-Encoding: chunked",
            "X: a\r\n b",
            "X: a\r\n\tb",
            "X: a\0b",
            "X: a\rb",
            "X: a\x7f",
            "X\0: a",
            ": a",
            "no colon",
            "Host: b",
            "Host: a",
        ];
        for field in fields {
            assert_eq!(judged(&with(field)), Err(Fault::Malformed), "{field:?}");
        }
        for head in [
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET /\tx HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /ä HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            "GET / http/1.1\r\nHost: a\r\n\r\n",
            "GET /\r\nHost: a\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "PRI * HTTP/2.0\r\nHost: a\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert_eq!(judged(head), Err(Fault::Malformed), "{head:?}");
        }
    }

    #[test]
    fn t37_fields_are_counted() {
        let with = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count));
        assert_eq!(judged(&with(4)), Ok(Framing::Length(0)));
        assert_eq!(judged(&with(5)), Err(Fault::TooLarge));
    }
}
