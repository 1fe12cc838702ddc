//! Where a person may be sent after signing in: the site's own pages, or a listed origin. Never anywhere else.

use url::Url;

use super::Site;

/// Longest destination that is looked at, in octets; browsers and proxies rarely carry longer addresses.
const MAX_LENGTH: usize = 2048;

impl Site {
    /// Reads a wished destination: a path of this site, or an address whose origin the site lists, scheme, host and port
    /// exactly. `None` for all else, and then the site's home is the place to go (RFC 9700 §4.11).
    ///
    /// The answer is made from what was parsed, never the wished text itself, so that a browser cannot read it in another
    /// way than we did.
    #[must_use]
    pub fn destination(&self, wished: &str) -> Option<String> {
        // Browsers drop tabs and line ends inside addresses and take backslashes for slashes: nobody honest sends them.
        let is_odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if wished.is_empty() || wished.len() > MAX_LENGTH || wished.contains(is_odd) {
            return None;
        }
        if wished.starts_with('/') {
            let url = self.url.join(wished).ok().filter(|url| url.origin() == self.url.origin())?;
            let path = url.path();
            // `/.//evil.example` comes out as `//evil.example`, which a browser takes for another host.
            return (!path.starts_with("//")).then(|| {
                let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
                let fragment = url.fragment().map(|fragment| format!("#{fragment}")).unwrap_or_default();
                format!("{path}{query}{fragment}")
            });
        }
        let url = Url::parse(wished).ok()?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && !wished.contains('@');
        (is_plain && self.allows_origin(&url.origin().ascii_serialization())).then(|| url.into())
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{SiteKind, test_site};

    #[test]
    fn own_paths_and_listed_origins_are_kept() {
        let site = test_site("reader", SiteKind::Reader);
        for (wished, expected) in [
            ("/", "/"),
            ("/books?page=2#top", "/books?page=2#top"),
            ("/a/../b", "/b"),
            ("/?next=https://evil.example", "/?next=https://evil.example"),
            ("/s%C3%A1ch", "/s%C3%A1ch"),
            ("/sách", "/s%C3%A1ch"),
            ("https://reader.example/x?y", "https://reader.example/x?y"),
            ("HTTPS://READER.example/x", "https://reader.example/x"),
            ("http://reader.localhost:8080", "http://reader.localhost:8080/"),
        ] {
            assert_eq!(site.destination(wished).as_deref(), Some(expected), "{wished}");
        }
    }

    #[test]
    fn t42_nothing_leads_anywhere_else() {
        let site = test_site("reader", SiteKind::Reader);
        let tricks = [
            "",
            "books",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " //evil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/%2e//evil.example",
            "https:evil.example",
            "https:/evil.example",
            "https:///evil.example",
            "https://evil.example",
            "https://reader.example.evil.example",
            "https://reader.example@evil.example",
            "https://evil.example#@reader.example",
            "https://evil.example?reader.example",
            "https://evil.example\\@reader.example",
            "https://reader.example:444/",
            "http://reader.example/",
            "https://sub.reader.example/",
            "https://reader.example./",
            "https://user:secret@reader.example/",
            "https://reader.example%2eevil.example",
            "https://ｒeader.example.evil.example",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://reader.example/x",
            "mailto:a@b.example",
            "https://[::1]/",
            "/x\0",
            "\u{202e}/x\u{85}",
        ];
        for trick in tricks {
            assert_eq!(site.destination(trick), None, "{trick:?}");
        }
        assert_eq!(site.destination(&format!("/{}", "a".repeat(2048))), None);
    }
}
