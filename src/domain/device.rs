//! What a client calls itself, made readable for the owner of a session: "Firefox on Windows".
//!
//! Clients say what they like, so this decides nothing; it helps people to recognise their own devices.

use std::fmt;

/// A browser or application, and what it runs on, as far as they can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    program: Option<&'static str>,
    system: Option<&'static str>,
}

/// Signs of a program, the more special first: most browsers also claim to be Chrome or Safari.
const PROGRAMS: [(&str, &str); 14] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
    ("node", "Node.js"),
];

/// Signs of a system. Android says Linux too, and iPads say Mac.
const SYSTEMS: [(&str, &str); 8] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
];

impl Device {
    /// Reads a `User-Agent` (RFC 9110 §10.1.5). `None` if it tells neither program nor system.
    #[must_use]
    pub fn parse(user_agent: &str) -> Option<Self> {
        let find = |signs: &[(&str, &'static str)]| {
            signs.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name)
        };
        let device = Self { program: find(&PROGRAMS), system: find(&SYSTEMS) };
        (device.program.is_some() || device.system.is_some()).then_some(device)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.program, self.system) {
            // Needs no word between them that would have to be translated.
            (Some(program), Some(system)) => write!(f, "{program}, {system}"),
            (one, other) => f.write_str(one.or(other).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_clients_are_named_and_strangers_are_not() {
        let named = |agent: &str| Device::parse(agent).map(|device| device.to_string());
        for (agent, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0",
                "Firefox, Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari, iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 \
                 Mobile Safari/537.36",
                "Chrome, Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 \
                 Safari/537.36 Edg/130.0.0.0",
                "Edge, Windows",
            ),
            ("curl/8.5.0", "curl"),
        ] {
            assert_eq!(named(agent).as_deref(), Some(expected), "{agent}");
        }
        for agent in ["", "x", "<script>alert(1)</script>", "\u{202e}"] {
            assert_eq!(named(agent), None, "{agent:?}");
        }
    }
}
