//! Who may talk to the inbox: programs on this machine, and pages that the inbox itself has served.
//!
//! The inbox shows sign-in codes to whoever asks, so the danger is a foreign page in the developer's browser.
//! Such a page can reach the port under its own name (DNS rebinding), post a form at it, or put it in a
//! frame. A host name that is not local is refused, as is a change that a foreign page asked for; nothing
//! here grants cross-origin reading.

use std::sync::Arc;

use poem::{
    Endpoint, Request, Response, Result,
    http::{HeaderValue, Method, StatusCode, header},
};

use super::refusal;

/// For everything but the HTML part of a mail, which brings a policy of its own.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; \
                           base-uri 'none'; frame-ancestors 'self'";

/// Refuses what comes from elsewhere and sets the headers that every answer carries.
pub(super) async fn check<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let mut response = match refused(&request) {
        Some((status, reason)) => refusal(status, reason),
        None => next.get_response(request).await,
    };
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(PAGE_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    // Not `no-referrer`: under that a browser sends `Origin: null` with our own forms.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    Ok(response)
}

fn refused(request: &Request) -> Option<(StatusCode, &'static str)> {
    let Some(host) = host(request).filter(|host| is_local(host)) else {
        let reason = "the inbox answers only to local names: open it as http://localhost with its port";
        return Some((StatusCode::MISDIRECTED_REQUEST, reason));
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || is_same_origin(request, host) {
        return None;
    }
    Some((StatusCode::FORBIDDEN, "a page of another origin asked for this change: use the inbox's own page"))
}

/// What the client takes us for. HTTP/2 and absolute targets carry it in the target, everyone else in one
/// `Host`.
fn host(request: &Request) -> Option<&str> {
    let mut fields = request.headers().get_all(header::HOST).iter();
    let field = fields.next();
    match (request.uri().authority(), field, fields.next()) {
        (None, Some(field), None) => field.to_str().ok(),
        (Some(target), None, _) => Some(target.as_str()),
        (Some(target), Some(field), None) if target.as_str() == field => Some(target.as_str()),
        _ => None,
    }
}

/// `localhost`, a name under it (RFC 6761 §6.3) or a loopback address, with any port.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.to_ascii_lowercase();
    let under_localhost = || {
        name.strip_suffix(".localhost").is_some_and(|label| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
        })
    };
    matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]") || under_localhost()
}

/// True for programs, which send neither field, and for our own page.
fn is_same_origin(request: &Request, host: &str) -> bool {
    let site =
        request.headers().get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let origin = request.headers().get(header::ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    });
    site && origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_names_are_local() {
        for host in
            ["localhost", "LOCALHOST:8025", "127.0.0.1:1", "[::1]:8025", "[::1]", "inbox.localhost:8025"]
        {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            ":8025",
            "example.org",
            "localhost.example.org",
            "localhost:8025.example.org",
            "notlocalhost",
            ".localhost",
            "evil.example/.localhost",
            "user@a.localhost",
            "127.0.0.1.example.org",
            "127.0.0.2",
            "0.0.0.0",
            "::1",
            "[::1].example.org",
            "192.168.0.1:8025",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn two_opinions_about_the_host_are_none() {
        let two = Request::builder().header("host", "localhost").header("host", "example.org").finish();
        assert_eq!(host(&two), None);
        let target = Request::builder().uri_str("http://example.org/").header("host", "localhost").finish();
        assert_eq!(host(&target), None);
        assert_eq!(host(&Request::builder().finish()), None);
    }
}
