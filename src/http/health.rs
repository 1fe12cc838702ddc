//! Whether the process lives and whether it can do its work, for load balancers.

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object};

use crate::domain::ClockVerdict;
use crate::flows::SharedFlows;
use crate::telemetry::causes;

/// The server, in the words client libraries look for.
#[derive(Debug, Object)]
pub(super) struct Health {
    /// The server's version.
    version: String,
    /// `Doorcode`.
    name: String,
    /// What it is.
    description: String,
}

/// Whether the process lives: it looks at nothing outside itself.
#[derive(Debug, Object)]
pub(super) struct Live {
    /// `live`
    status: String,
}

/// Whether requests should be sent here.
#[derive(Debug, Object)]
pub(super) struct Ready {
    /// `ready`, or why not: `draining`, `database`, `signing_keys`, `clock`: that of this server is wrong.
    status: String,
    /// What is not as it should be: `code_store` means that nobody can sign in, but sessions go on; `clock`, that those of
    /// this server and of its stores differ by more than five seconds.
    degraded: Vec<String>,
}

/// An answer to the readiness probe.
#[derive(ApiResponse)]
pub(super) enum ReadyAnswer {
    /// Send requests.
    #[oai(status = 200)]
    Ready(Json<Ready>),
    /// Send none now.
    #[oai(status = 503)]
    NotReady(Json<Ready>),
}

pub(super) fn health() -> Health {
    Health {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: "Doorcode".to_owned(),
        description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
    }
}

pub(super) fn live() -> Live {
    Live { status: "live".to_owned() }
}

pub(super) async fn ready(flows: &SharedFlows) -> ReadyAnswer {
    let answer = |status: &str, degraded| Json(Ready { status: status.to_owned(), degraded });
    let readiness = match flows.check_ready().await {
        Ok(readiness) => readiness,
        Err(error) => {
            tracing::warn!(error = %causes(&error), "not ready");
            return ReadyAnswer::NotReady(answer("database", Vec::new()));
        }
    };
    let parts = [("code_store", readiness.code_store), ("clock", readiness.clock == ClockVerdict::Right)];
    let degraded =
        parts.into_iter().filter(|(_, is_good)| !is_good).map(|(part, _)| part.to_owned()).collect();
    if readiness.draining {
        ReadyAnswer::NotReady(answer("draining", degraded))
    } else if !readiness.signing_keys {
        ReadyAnswer::NotReady(answer("signing_keys", degraded))
    } else if readiness.clock == ClockVerdict::Wrong {
        ReadyAnswer::NotReady(answer("clock", degraded))
    } else {
        ReadyAnswer::Ready(answer("ready", degraded))
    }
}
