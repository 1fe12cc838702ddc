//! Where a person may be sent after signing in: the site's own pages, or a listed origin. Never anywhere else.

use url::{Url, form_urlencoded};

use super::Site;

/// Longest destination, in octets as it is written into the query of another address: with what else is there, that one
/// stays below the 2 KiB that a request's target may have.
const MAX_ENCODED: usize = 1600;

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
        if wished.is_empty() || encoded_len(wished) > MAX_ENCODED || wished.contains(is_odd) {
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

impl Site {
    /// Where a client library's wish leads: to a destination that the site allows, else home. Always a whole address.
    #[must_use]
    pub fn redirect_target(&self, wished: &str) -> Url {
        let allowed = self.destination(wished).and_then(|target| self.url.join(&target).ok());
        let mut target = allowed.unwrap_or_else(|| self.url.clone());
        // What comes back is told in the fragment or the query; one that was there already would be mistaken for it.
        target.set_fragment(None);
        target
    }
}

fn encoded_len(wished: &str) -> usize {
    form_urlencoded::byte_serialize(wished.as_bytes()).map(str::len).sum()
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
        assert_eq!(site.destination(&format!("/{}", "a".repeat(1600))), None);
        assert_eq!(site.destination(&format!("/{}", "é".repeat(300))), None);
        assert!(site.destination(&format!("/{}", "a".repeat(1500))).is_some());
    }
}
