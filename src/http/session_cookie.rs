//! The session cookie of a request: which one it is, and how it is read.

use poem::http::{HeaderMap, header};

use super::Problem;
use crate::domain::Site;

/// Its name. The prefix makes a browser refuse it from a sibling host and from plain http (RFC 6265bis §4.1.3.2); a site
/// that is tried out without TLS cannot have it.
pub(super) fn name(site: &Site) -> &'static str {
    if site.url.scheme() == "https" { "__Host-doorcode-session" } else { "doorcode-session" }
}

/// Its value, if the request has one.
///
/// Names are compared as they were sent: what decodes to the name, or has a space around it, is another cookie, which a
/// sibling host may have set.
///
/// # Errors
/// If there are two of them: a sibling host may have tossed in one.
pub(super) fn read<'a>(headers: &'a HeaderMap, site: &Site) -> Result<Option<&'a str>, Problem> {
    let name = name(site).as_bytes();
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .map(|pair| pair.strip_prefix(b" ").unwrap_or(pair))
        .filter_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="));
    match (values.next(), values.next()) {
        // What is no text is no cookie of ours.
        (Some(value), None) => Ok(Some(std::str::from_utf8(value).unwrap_or_default())),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Problem::invalid("The request has more than one session cookie")),
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;
    use crate::domain::{SiteKind, test_site};

    fn read_from(scheme: &str, lines: &[&str]) -> Result<Option<String>, &'static str> {
        let mut site = test_site("reader", SiteKind::Reader);
        site.url = format!("{scheme}://reader.example").parse().expect("a URL");
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).expect("a header"));
        }
        read(&headers, &site).map(|value| value.map(str::to_owned)).map_err(|problem| problem.code)
    }

    #[test]
    fn t25_the_cookie_is_found_by_its_exact_name_and_only_once() {
        let name = "__Host-doorcode-session";
        let found = |line: &str| read_from("https", &[line]);
        assert_eq!(found(&format!("{name}=x")), Ok(Some("x".to_owned())));
        assert_eq!(found(&format!("a=b; {name}=x=y; c=d")), Ok(Some("x=y".to_owned())));
        assert_eq!(read_from("https", &["a=b", &format!("{name}=")]), Ok(Some(String::new())));
        for other in [
            "",
            name,
            "doorcode-session=x",
            "__host-doorcode-session=x",
            "%5F%5FHost-doorcode-session=x",
            "__Host-doorcode-session2=x",
            "x__Host-doorcode-session=x",
            "__Host-doorcode-session =x",
            "a=b;  __Host-doorcode-session=x",
            "\t__Host-doorcode-session=x",
            "a=__Host-doorcode-session=x",
        ] {
            assert_eq!(found(other), Ok(None), "{other:?}");
        }
        let twice = format!("{name}=x; {name}=y");
        assert_eq!(found(&twice), Err("validation_failed"));
        assert_eq!(
            read_from("https", &[&format!("{name}=x"), &format!("{name}=x")]),
            Err("validation_failed")
        );
        assert_eq!(read_from("http", &["doorcode-session=x"]), Ok(Some("x".to_owned())));
        assert_eq!(read_from("http", &["__Host-doorcode-session=x"]), Ok(None));
    }
}
