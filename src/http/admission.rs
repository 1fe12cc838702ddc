//! What is settled before any handler sees a request: its target, its host, how its body is written.
//!
//! Whether it is a request at all was settled by `serve`; this holds for HTTP/1.1 and HTTP/2 alike.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::http::header::{self, HeaderMap};
use poem::http::uri::Authority;
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::{HttpSettings, Problem};

/// Lets a request in, or says why not.
pub(super) async fn admit<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let settings = request.data::<Arc<HttpSettings>>().ok_or_else(Problem::internal)?;
    check(&request, settings.url_limit)?;
    next.call(request).await.map(IntoResponse::into_response)
}

fn check(request: &Request, url_limit: usize) -> Result<(), Problem> {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    if target.len() > url_limit {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            "url_too_long",
            format!("The path and query of the request are longer than {url_limit} bytes"),
        ));
    }
    // No text of ours holds a NUL, and PostgreSQL takes none: whoever sends one wants to see what breaks.
    if target.contains("%00") {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_request",
            "The path or query of the request holds a NUL character",
        ));
    }
    let headers = request.headers();
    if !names_one_host(request.uri().authority().map(Authority::as_str), headers) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_request",
            "The request names more than one host",
        ));
    }
    // Nothing is unpacked: a few bytes could become gigabytes, and honest bodies are small.
    let encodings = headers.get_all(header::CONTENT_ENCODING);
    if encodings.iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "Send the body as it is, without Content-Encoding",
        ));
    }
    Ok(())
}

/// Whether `Host`, and the authority of HTTP/2 or of a target in absolute form, say the same (RFC 9113 §8.3.1).
fn names_one_host(authority: Option<&str>, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), authority) {
        (_, Some(_), _) => false,
        (Some(host), None, Some(authority)) => host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &Request) -> u16 {
        check(request, 100).err().map_or(200, |problem| problem.status.as_u16())
    }

    fn builder(uri: &str) -> poem::RequestBuilder {
        Request::builder().uri(uri.parse().unwrap())
    }

    #[test]
    fn t39_a_request_is_for_one_host() {
        assert_eq!(status(&builder("/").header("host", "a").finish()), 200);
        assert_eq!(status(&builder("http://A/").header("host", "a").finish()), 200);
        assert_eq!(status(&builder("http://a/").finish()), 200);
        assert_eq!(status(&builder("/").header("host", "a").header("host", "a").finish()), 400);
        assert_eq!(status(&builder("http://b/").header("host", "a").finish()), 400);
    }

    #[test]
    fn t37_no_target_holds_a_nul() {
        assert_eq!(status(&builder("/a%00b").finish()), 400);
        assert_eq!(status(&builder("/?site=%1F%00").finish()), 400);
        assert_eq!(status(&builder("/?site=%2500").finish()), 200);
    }

    #[test]
    fn t37_long_targets_and_packed_bodies_are_refused() {
        assert_eq!(status(&builder(&format!("/{}", "x".repeat(99))).finish()), 200);
        assert_eq!(status(&builder(&format!("/{}", "x".repeat(100))).finish()), 414);
        assert_eq!(status(&builder("/").header("content-encoding", "Identity").finish()), 200);
        for encoding in ["gzip", "br", "identity, gzip", ""] {
            assert_eq!(status(&builder("/").header("content-encoding", encoding).finish()), 415);
        }
    }
}
