//! How the path of a request is read: once, strictly.
//!
//! Whatever the proxy or the application behind it might read in another way is refused here, so that nobody walks round a
//! rule by spelling a path differently.

use std::fmt;

/// Longest path and query that is read, in octets: as much as proxies take.
pub(super) const MAX_TARGET: usize = 8192;

/// A path with its query as a client asked for it, read.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    text: String,
    pub(super) segments: Vec<String>,
}

/// Why a path was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It does not begin with a slash, or is too long.
    #[error("not a path")]
    NotAPath,
    /// An application might read it as another path than we do.
    #[error("a path that can be read in two ways")]
    Ambiguous,
}

impl Target {
    /// Reads the path and query of a request line.
    ///
    /// A slash at the end makes no difference. Refused is what applications are known to read in different ways: empty and
    /// dot segments, encoded slashes, backslashes, control characters, parameters of a segment (`;`), what is still encoded
    /// after decoding once, and octets that are no UTF-8.
    ///
    /// # Errors
    /// A [`TargetError`].
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let path = text.split('?').next().unwrap_or_default();
        let inside =
            path.strip_prefix('/').filter(|_| text.len() <= MAX_TARGET).ok_or(TargetError::NotAPath)?;
        let inside = match inside.strip_suffix('/') {
            // `//` is not the root.
            Some("") => return Err(TargetError::Ambiguous),
            Some(before) => before,
            None => inside,
        };
        let decode = |raw| decode(raw).filter(|segment| is_plain(segment)).ok_or(TargetError::Ambiguous);
        let segments = if inside.is_empty() {
            Vec::new()
        } else {
            inside.split('/').map(decode).collect::<Result<_, _>>()?
        };
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The path and query as they were asked for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

// A query may hold a secret.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("segments", &self.segments.len()).finish_non_exhaustive()
    }
}

/// Whether a decoded segment can be read in one way only.
pub(super) fn is_plain(segment: &str) -> bool {
    let unfit = |c: char| c.is_control() || matches!(c, '/' | '\\' | ';' | '?' | '#');
    // `.`, `..`, and what becomes one of them where a system drops spaces and dots at the end of a name.
    let dots = segment.chars().all(|c| c == '.' || c.is_whitespace());
    !(dots || segment.contains(unfit) || segment.trim() != segment || has_escape(segment))
}

/// Whether something is encoded in it: after one decoding, only where it was encoded twice.
fn has_escape(text: &str) -> bool {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    (0..bytes.len()).any(|at| bytes[at] == b'%' && hex(bytes.get(at + 1)) && hex(bytes.get(at + 2)))
}

/// Takes the percent-encoding off; `None` where it is broken or does not make text (RFC 3986 §2.1).
pub(super) fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            plain => plain,
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes).ok()
}
