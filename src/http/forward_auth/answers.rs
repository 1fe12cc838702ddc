//! What a proxy is answered, and what the document says of it.

use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;

use crate::flows::Passage;
use crate::http::Problem;

/// Most library codes in a header. A code has up to 63 characters, and nginx takes no more than its `proxy_buffer_size`
/// for all headers of an answer. Whoever works at more sees the first by name here and all at `/api/v1/libraries`: what is
/// missing grants nothing, and the gate itself decides by all of them.
const MAX_LIBRARIES: usize = 100;

/// The request may pass, or its sender should go elsewhere.
#[derive(ApiResponse)]
pub(super) enum GateAnswer {
    /// It may pass. The headers replace those of the same names in the request; empty for somebody unknown on a public path,
    /// so that what a client made up is overwritten
    #[oai(status = 200)]
    Pass(
        /// The account.
        #[oai(header = "X-Doorcode-User")]
        String,
        /// Its address.
        #[oai(header = "X-Doorcode-Email")]
        String,
        /// The session.
        #[oai(header = "X-Doorcode-Session")]
        String,
        /// On a management site, the codes of the libraries where the person is staff, comma separated: the first 100 by
        /// code. All of them are at `/api/v1/libraries`.
        #[oai(header = "X-Doorcode-Libraries")]
        String,
        /// `Bearer` and an access token of the site: the one that was sent, or for a cookie a new one.
        #[oai(header = "Authorization")]
        String,
    ),
    /// A browser should sign in, or ask for access to a library, at this path of the site
    #[oai(status = 302)]
    Elsewhere(
        /// `/login?redirectTo=…` or `/request-access`.
        #[oai(header = "Location")]
        String,
    ),
}

impl GateAnswer {
    pub(super) fn pass(passage: Option<&Passage>) -> Self {
        let Some(passage) = passage else {
            return Self::Pass(String::new(), String::new(), String::new(), String::new(), String::new());
        };
        let libraries: Vec<_> = passage.rights.0.keys().take(MAX_LIBRARIES).map(String::as_str).collect();
        Self::Pass(
            passage.user.0.to_string(),
            passage.email.as_str().to_owned(),
            passage.session.to_string(),
            libraries.join(","),
            format!("Bearer {}", passage.token),
        )
    }
}

/// A problem of this operation: the same value as elsewhere, with its headers in the document.
#[derive(Debug)]
pub(super) struct GateProblem(pub(super) Problem);

impl From<GateProblem> for poem::Error {
    fn from(problem: GateProblem) -> Self {
        problem.0.into()
    }
}

impl ApiResponse for GateProblem {
    fn meta() -> MetaResponses {
        let mut whole = Problem::meta();
        // What cannot come of this operation, or is said more exactly here.
        whole.responses.retain(|response| matches!(response.status, Some(400 | 414 | 421 | 500 | 504)));
        let header = |name: &str, description: &str| MetaHeader {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            required: false,
            deprecated: false,
            schema: String::schema_ref(),
        };
        let location = || header("X-DOORCODE-LOCATION", "With `redirects=false`, where to send a browser");
        let more = [
            (401, "Nobody is signed in", vec![location(), header("WWW-AUTHENTICATE", "`Bearer`")]),
            (403, "The path is refused, or the person has not the rights that it demands", vec![location()]),
            (503, "The database is down", vec![header("RETRY-AFTER", "Seconds after which to ask again")]),
        ];
        for (status, description, headers) in more {
            let content = Problem::meta().responses.swap_remove(0).content;
            whole.responses.push(MetaResponse {
                description,
                status: Some(status),
                status_range: None,
                content,
                headers,
            });
        }
        whole
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}
