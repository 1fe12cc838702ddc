//! Follows what a client sends over a connection of HTTP/1: where each head begins and ends, and each body.
//!
//! A head is let through as a whole or not at all; of bodies only the ends are found.

use super::head::{Fault, Framing, judge};

/// Where in the stream we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a head, of which nothing has been let through.
    Head(Lines),
    /// In a body, with so many octets to come.
    Body(u64),
    /// In a body of chunks.
    Chunks(Chunk),
    /// Beyond HTTP/1: whatever comes is let through.
    Opaque,
}

/// How far a head has been looked through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Lines {
    /// Octets looked at.
    seen: usize,
    /// Where the present line began.
    start: usize,
}

/// Where in a body of chunks (RFC 9112 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// In the size, with its digits and value so far.
    Size(u8, u64),
    /// Before the line feed after a size.
    SizeEnd(u64),
    /// In the data, with so many octets to come.
    Data(u64),
    /// Before the carriage return, or the line feed, after the data.
    DataEnd(bool),
    /// Before the carriage return, or the line feed, of the line that ends the body.
    LastEnd(bool),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stream {
    place: Place,
    is_first: bool,
    max_head: usize,
    max_headers: usize,
}

/// What is to be done with octets that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// So many of them may go on; the rest is the beginning of a head, to be shown again with what follows it.
    Pass(usize),
    /// So many may go on; what follows them is no request.
    Refuse(usize, Fault),
    /// So many may go on; what follows them belongs to no body and begins no request.
    Break(usize),
}

impl Stream {
    pub(super) fn new(max_head: usize, max_headers: usize) -> Self {
        Self { place: Place::Head(Lines::default()), is_first: true, max_head, max_headers }
    }

    /// Whether the connection has left HTTP/1.
    pub(super) fn is_opaque(&self) -> bool {
        self.place == Place::Opaque
    }

    /// Whether no request has come yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.is_first
    }

    /// Looks at what has come and was not passed on before.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Verdict {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.place {
                Place::Opaque => return Verdict::Pass(bytes.len()),
                Place::Body(left) => {
                    let (taken, left) = take(rest, left);
                    at += taken;
                    self.place = if left == 0 { Place::Head(Lines::default()) } else { Place::Body(left) };
                }
                Place::Chunks(chunk) => match chunk.step(rest) {
                    Some((taken, next)) => {
                        at += taken;
                        self.place = next;
                    }
                    None => return Verdict::Break(at),
                },
                Place::Head(lines) => match self.head(lines, rest) {
                    Ok(Some(end)) => at += end,
                    Ok(None) => break,
                    Err(fault) => return Verdict::Refuse(at, fault),
                },
            }
        }
        Verdict::Pass(at)
    }

    /// The end of a head that is whole and sound; `None` if more of it has to come.
    fn head(&mut self, mut lines: Lines, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        // RFC 9112 §2.2: an empty line before a request line is to be ignored; one, not any number.
        let begin = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
        lines.seen = lines.seen.max(begin);
        lines.start = lines.start.max(begin);
        while let Some(found) = bytes.get(lines.seen..).and_then(|rest| rest.iter().position(|b| *b == b'\n'))
        {
            let feed = lines.seen + found;
            // RFC 9112 §2.2 lets a lone line feed end a line, and not every reader does.
            if bytes[..feed].last() != Some(&b'\r') {
                return Err(Fault::Malformed);
            }
            let end = feed + 1;
            if end > self.max_head {
                return Err(Fault::TooLarge);
            }
            if feed - lines.start == 1 {
                self.place = match judge(&bytes[begin..end], self.max_headers)? {
                    Framing::Length(0) => Place::Head(Lines::default()),
                    Framing::Length(length) => Place::Body(length),
                    Framing::Chunked => Place::Chunks(Chunk::Size(0, 0)),
                    Framing::Http2 if self.is_first && begin == 0 => Place::Opaque,
                    Framing::Http2 => return Err(Fault::Malformed),
                };
                self.is_first = false;
                return Ok(Some(end));
            }
            lines = Lines { seen: end, start: end };
        }
        if bytes.len() > self.max_head {
            return Err(Fault::TooLarge);
        }
        // A line feed that follows a carriage return at the end must find it again.
        lines.seen = bytes.len();
        self.place = Place::Head(lines);
        Ok(None)
    }
}

impl Chunk {
    /// How many octets it took, and where that led; `None` where a body of chunks does not go on so.
    ///
    /// Extensions and trailers mean nothing to us and are read differently by different readers: they are refused.
    fn step(self, bytes: &[u8]) -> Option<(usize, Place)> {
        let byte = *bytes.first()?;
        let next = match (self, byte) {
            (Self::Size(digits @ 0..=7, size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                Self::Size(digits + 1, size * 16 + u64::from(char::from(byte).to_digit(16)?))
            }
            (Self::Size(1.., size), b'\r') => Self::SizeEnd(size),
            (Self::SizeEnd(0), b'\n') => Self::LastEnd(false),
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::Data(left), _) => {
                let (taken, left) = take(bytes, left);
                let next = if left == 0 { Self::DataEnd(false) } else { Self::Data(left) };
                return Some((taken, Place::Chunks(next)));
            }
            (Self::DataEnd(false), b'\r') => Self::DataEnd(true),
            (Self::DataEnd(true), b'\n') => Self::Size(0, 0),
            (Self::LastEnd(false), b'\r') => Self::LastEnd(true),
            (Self::LastEnd(true), b'\n') => return Some((1, Place::Head(Lines::default()))),
            _ => return None,
        };
        Some((1, Place::Chunks(next)))
    }
}

/// How many of `bytes` belong to what lacks `left`, and what it lacks then.
fn take(bytes: &[u8], left: u64) -> (usize, u64) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (taken, left - taken as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// What passes of a text that comes in pieces of a size, and how it ends.
    fn passed(text: &str, piece: usize) -> (String, Option<Fault>) {
        let mut stream = Stream::new(200, 10);
        let (mut passed, mut held) = (String::new(), Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            held.extend_from_slice(piece);
            let (count, fault) = match stream.look(&held) {
                Verdict::Pass(count) => (count, None),
                Verdict::Refuse(count, fault) => (count, Some(fault)),
                Verdict::Break(count) => (count, Some(Fault::Malformed)),
            };
            passed.push_str(&String::from_utf8(held.drain(..count).collect()).unwrap());
            if fault.is_some() {
                return (passed, fault);
            }
        }
        (passed, None)
    }

    #[test]
    fn requests_pass_whole_however_they_are_cut() {
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        let chunks = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\n";
        let text = format!("{GET}{post}{GET}\r\n{chunks}{GET}{post}");
        for piece in 1..text.len() {
            assert_eq!(passed(&text, piece), (text.clone(), None), "{piece}");
        }
    }

    #[test]
    fn a_head_is_held_back_until_it_is_whole() {
        assert_eq!(passed(&GET[..GET.len() - 1], 7), (String::new(), None));
        let (whole, fault) = passed(&format!("{GET}GET / HTT"), 100);
        assert_eq!((whole.as_str(), fault), (GET, None));
    }

    #[test]
    fn t39_what_follows_a_body_is_judged_like_the_first_request() {
        let chunks = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let hidden = "GET / HTTP/1.1\nHost: a\n\n";
        for piece in [1, 3, 1000] {
            let (whole, fault) = passed(&format!("{chunks}{hidden}"), piece);
            assert_eq!((whole.as_str(), fault), (chunks, Some(Fault::Malformed)));
        }
    }

    #[test]
    fn t39_chunks_that_could_be_read_in_two_ways_end_the_stream() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "fffffffff\r\n",
            "10000000000000003\r\nabc\r\n",
            "3;x=y\r\nabc\r\n",
            "3 \r\nabc\r\n",
            "0x3\r\nabc\r\n",
            "-3\r\nabc\r\n",
            "\r\nabc",
            "3\nabc\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "0\r\nX: y\r\n\r\n",
            "0\r\nGET / HTTP/1.1\r\n",
        ] {
            for piece in [1, 1000] {
                let (_, fault) = passed(&format!("{head}{body}"), piece);
                assert_eq!(fault, Some(Fault::Malformed), "{body:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn t37_a_head_without_an_end_is_refused_at_the_limit() {
        for piece in [1, 50, 1000] {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(300));
            assert_eq!(passed(&text, piece), (String::new(), Some(Fault::TooLarge)), "{piece}");
        }
    }

    #[test]
    fn http_2_passes_only_at_the_start() {
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nanything\n\0";
        for piece in [1, 5, 1000] {
            assert_eq!(passed(preface, piece), (preface.to_owned(), None));
            assert_eq!(passed(&format!("{GET}{preface}"), piece), (GET.to_owned(), Some(Fault::Malformed)));
        }
    }
}
