//! Cookies: read by their names' raw bytes, written with everything that keeps them ours.
//!
//! On a site with TLS each name begins with `__Host-`, which browsers accept only for this one host, with TLS and for all
//! paths (RFC 6265bis §4.1.3.2): no sibling host can plant one. In development, over plain http, the names go without.

use std::time::Duration;

use poem::http::header::{COOKIE, HeaderMap, HeaderValue};

use super::super::Problem;
use crate::domain::{Site, SiteKind};

/// A cookie of the hosted pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Cookie {
    /// The session that the browser is signed in with.
    Session,
    /// Which browser this is.
    Browser,
    /// What was typed on the way in, until the code is.
    SignIn,
    /// That people have signed in with this device, and who it was.
    Device,
    /// The chosen language.
    Language,
}

impl Cookie {
    /// Its name on `site`.
    fn name(self, site: &Site) -> &'static str {
        match (is_secure(site), self) {
            (true, Self::Session) => "__Host-doorcode-session",
            (true, Self::Browser) => "__Host-doorcode-browser",
            (true, Self::SignIn) => "__Host-doorcode-sign-in",
            (true, Self::Device) => "__Host-doorcode-device",
            (true, Self::Language) => "__Host-doorcode-language",
            (false, Self::Session) => "doorcode-session",
            (false, Self::Browser) => "doorcode-browser",
            (false, Self::SignIn) => "doorcode-sign-in",
            (false, Self::Device) => "doorcode-device",
            (false, Self::Language) => "doorcode-language",
        }
    }

    /// Its value in a request, if it was sent.
    ///
    /// # Errors
    /// 400 if it was sent twice: one of them is not ours, and nobody can tell which.
    pub(in crate::http) fn read<'a>(
        self,
        site: &Site,
        headers: &'a HeaderMap,
    ) -> Result<Option<&'a str>, Problem> {
        find(self.name(site), headers)
    }

    /// The header that gives it to the browser, until it is closed or for `life`.
    ///
    /// `value` is of characters that cookies may hold (RFC 6265 §4.1.1); anything else is `None`.
    pub(super) fn set(self, site: &Site, value: &str, life: Option<Duration>) -> Option<HeaderValue> {
        let name = self.name(site);
        // A management session never comes along from another site's page, a reader's only when a link is followed.
        let same_site = match site.kind {
            SiteKind::Management => "Strict",
            SiteKind::Reader => "Lax",
        };
        header(name, value, same_site, is_secure(site), life)
    }

    /// The header that takes it away.
    pub(super) fn clear(self, site: &Site) -> Option<HeaderValue> {
        self.set(site, "", Some(Duration::ZERO))
    }
}

/// The value of the cookie of this name, if it was sent.
///
/// # Errors
/// 400 if it was sent twice: one of them is not ours, and nobody can tell which.
pub(in crate::http) fn find<'a>(name: &str, headers: &'a HeaderMap) -> Result<Option<&'a str>, Problem> {
    let name = name.as_bytes();
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        // One space, as browsers write it; a name with more in front is another name.
        .map(|pair| pair.strip_prefix(b" ").unwrap_or(pair))
        .filter_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="));
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(Problem::new(
            poem::http::StatusCode::BAD_REQUEST,
            "duplicate_cookie",
            "A cookie of this site was sent twice; clear the site's cookies and try again",
        )),
        (value, _) => Ok(value.and_then(|value| std::str::from_utf8(value).ok())),
    }
}

/// The header that gives a cookie to the browser; see [`Cookie::set`].
pub(in crate::http) fn header(
    name: &str,
    value: &str,
    same_site: &str,
    is_secure: bool,
    life: Option<Duration>,
) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let life = life.map(|life| format!("; Max-Age={}", life.as_secs())).unwrap_or_default();
    let header = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}{secure}{life}");
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    HeaderValue::from_str(&header).ok().filter(|_| is_plain)
}

fn is_secure(site: &Site) -> bool {
    site.url.scheme() == "https"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::test_site;

    fn https() -> Site {
        let mut site = test_site("reader", SiteKind::Reader);
        site.url = "https://reader.example".parse().unwrap();
        site
    }

    fn read(site: &Site, headers: &[&[u8]]) -> Result<Option<String>, &'static str> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(COOKIE, HeaderValue::from_bytes(header).unwrap());
        }
        let value = Cookie::Session.read(site, &map);
        value.map(|value| value.map(str::to_owned)).map_err(|problem| problem.code)
    }

    #[test]
    fn t25_a_name_is_its_raw_bytes_and_a_second_one_is_refused() {
        let site = https();
        assert_eq!(read(&site, &[b"a=1; __Host-doorcode-session=x; b=2"]), Ok(Some("x".into())));
        assert_eq!(read(&site, &[b"__Host-doorcode-session=x"]), Ok(Some("x".into())));
        assert_eq!(read(&site, &[b"a=1", b"__Host-doorcode-session="]), Ok(Some(String::new())));
        for look_alike in [
            &b"doorcode-session=x"[..],
            b"%5F%5FHost-doorcode-session=x",
            b"__host-doorcode-session=x",
            b"__Host-doorcode-session =x",
            b"a=1;  __Host-doorcode-session=x",
            b"a=1; \t__Host-doorcode-session=x",
            b"__Host-doorcode-sessions=x",
            b"\"__Host-doorcode-session=x\"",
            b"",
        ] {
            assert_eq!(read(&site, &[look_alike]), Ok(None), "{look_alike:?}");
        }
        for twice in [
            &[&b"__Host-doorcode-session=x; __Host-doorcode-session=y"[..]][..],
            &[b"__Host-doorcode-session=x", b"__Host-doorcode-session=x"],
        ] {
            assert_eq!(read(&site, twice), Err("duplicate_cookie"));
        }
        assert_eq!(
            read(&test_site("reader", SiteKind::Reader), &[b"doorcode-session=x"]),
            Ok(Some("x".into()))
        );
    }

    #[test]
    fn t25_what_is_set_stays_on_this_host_and_out_of_scripts() {
        let mut site = https();
        let set = |site: &Site, life| Cookie::Session.set(site, "dcsc_x", life).unwrap();
        assert_eq!(
            set(&site, Some(Duration::from_secs(60))),
            "__Host-doorcode-session=dcsc_x; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"
        );
        site.kind = SiteKind::Management;
        assert_eq!(
            set(&site, None),
            "__Host-doorcode-session=dcsc_x; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        let plain = test_site("reader", SiteKind::Reader);
        assert_eq!(set(&plain, None), "doorcode-session=dcsc_x; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(
            Cookie::SignIn.clear(&plain).unwrap(),
            "doorcode-sign-in=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
        );
        for value in ["a;b", "a b", "a\r\nb", "a\"b", "é"] {
            assert!(Cookie::Session.set(&plain, value, None).is_none(), "{value:?}");
        }
    }
}
