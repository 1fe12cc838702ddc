//! The private listener: metrics, and how the server stands, for those who run it.
//!
//! It asks nobody who they are, so it is an address of its own, which only they can reach; the public listener serves
//! none of this.

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Endpoint, EndpointExt, Response, Route, get, handler};
use serde_json::{Value, json};

use crate::flows::{SharedFlows, Survey};
use crate::telemetry::metrics::CONTENT_TYPE;

/// Every route of the private listener.
pub fn routes(flows: SharedFlows) -> impl Endpoint<Output = Response> {
    Route::new()
        .at("/metrics", get(metrics))
        .at("/health/live", get(live))
        .at("/health/ready", get(ready))
        .data(flows)
        .map_to_response()
}

#[handler]
async fn metrics(flows: Data<&SharedFlows>) -> Response {
    // Sets the numbers that nobody counts.
    flows.survey().await;
    Response::builder().header(header::CONTENT_TYPE, CONTENT_TYPE).body(flows.metrics.encode())
}

#[handler]
async fn live(flows: Data<&SharedFlows>) -> Response {
    answer(StatusCode::OK, &process(&flows, "live"))
}

#[handler]
async fn ready(flows: Data<&SharedFlows>) -> Response {
    let survey = flows.survey().await;
    let status = survey.status();
    let code = if status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = process(&flows, status);
    body["dependencies"] = dependencies(&survey);
    body["sites"] = survey
        .keys
        .iter()
        .map(|keys| {
            let stands = json!({
                "can_sign": keys.can_sign,
                "key_age_secs": keys.active_for.map(|age| age.as_secs()),
                "keys_published": keys.published,
            });
            (keys.site.clone(), stands)
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    answer(code, &body)
}

fn process(flows: &SharedFlows, status: &str) -> Value {
    let started_at = flows.started_at;
    json!({
        "status": status,
        "name": "Doorcode",
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": started_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        "up_secs": (flows.now() - started_at).num_seconds(),
    })
}

fn dependencies(survey: &Survey) -> Value {
    let millis = |took: std::time::Duration| (took.as_secs_f64() * 1e4).round() / 10.0;
    let queue = |found: Option<(u64, std::time::Duration)>| {
        found.map(|(depth, age)| json!({"depth": depth, "oldest_age_secs": age.as_secs()}))
    };
    let seconds = |ahead: Option<chrono::TimeDelta>| ahead.map(|ahead| ahead.num_seconds());
    let connections = survey.connections;
    json!({
        "database": {
            "up": survey.database.is_some(),
            "answered_in_ms": survey.database.map(millis),
            "clock_ahead_secs": seconds(survey.clock.database),
            "connections": {
                "max": connections.most,
                "open": connections.open,
                "in_use": connections.in_use,
                "waited_for": connections.waited_for,
            },
            "outbox": queue(survey.outbox),
        },
        "code_store": {
            "kind": if survey.code_store_is_ours { "memory" } else { "redis" },
            "up": survey.code_store.is_some(),
            "answered_in_ms": survey.code_store.map(millis),
            "clock_ahead_secs": seconds(survey.clock.code_store),
            "mail_queue": queue(survey.codes_queue),
        },
        // As the last mail went; null if there was none yet.
        "mail_server": {"up": survey.mail_server},
    })
}

fn answer(status: StatusCode, body: &Value) -> Response {
    Response::builder().status(status).content_type("application/json; charset=utf-8").body(body.to_string())
}
