//! The development inbox over HTTP: a page for people and Mailpit's API for test suites.
//!
//! In development no mail leaves the machine; it goes to [`Inbox`] and is read here, by default at
//! `http://localhost:8025`. The paths and JSON are Mailpit's, so that a suite written for Mailpit needs no
//! change.
//!
//! This is the one folder in `http` that reads a port: the inbox is a tool beside the product and no story
//! passes through it. It asks for no sign-in, which `guard` makes safe on a developer's machine and nowhere
//! else; production refuses to start with it.

mod api;
mod guard;
mod page;
#[cfg(test)]
mod tests;
mod wire;

use poem::{
    Endpoint, EndpointExt, IntoResponse, Response, Route, get,
    http::{StatusCode, header},
    post,
    web::Json,
};
use serde_json::json;

use crate::ports::mail::inbox::{Inbox, KeptMail};

/// The page and the API over one inbox, to be served on a port of their own.
pub fn routes(inbox: Inbox) -> impl Endpoint<Output = Response> {
    Route::new()
        .at("/", get(page::show_list))
        .at("/inbox.css", get(page::show_stylesheet))
        .at("/message/:id", get(page::show_message))
        .at("/message/:id/delete", post(page::delete_one))
        .at("/delete", post(page::delete_all))
        .at("/view/:file", get(api::show_part))
        .at("/api/v1/info", get(api::show_info))
        .at("/api/v1/messages", get(api::list_messages).delete(api::delete_messages))
        .at("/api/v1/search", get(api::search_messages).delete(api::delete_found))
        .at("/api/v1/message/:id", get(api::show_message))
        .at("/api/v1/message/:id/headers", get(api::show_headers))
        .at("/api/v1/message/:id/raw", get(api::show_raw))
        .at("/livez", get(api::report_health))
        .at("/readyz", get(api::report_health))
        .data(inbox)
        // An unknown path, a wrong method, an unreadable body: everything that never reached a handler.
        .catch_all_error(|error| async move { refusal(error.status(), &error.to_string()) })
        .around(guard::check)
}

/// The mail with this id; `latest` is the newest, or the newest that matches the query.
fn find(inbox: &Inbox, id: &str, query: Option<&str>) -> Option<KeptMail> {
    match id {
        "latest" => inbox.search(query.unwrap_or_default()).into_iter().next(),
        id => inbox.find(id),
    }
}

/// Mailpit's shape of an error.
fn refusal(status: StatusCode, error: &str) -> Response {
    Json(json!({ "Error": error })).with_status(status).into_response()
}

fn not_found() -> Response {
    refusal(StatusCode::NOT_FOUND, "message not found: it was deleted, or the server has restarted")
}

/// Text that a browser must not take for anything else.
fn plain(text: impl Into<poem::Body>) -> Response {
    Response::builder().header(header::CONTENT_TYPE, "text/plain; charset=utf-8").body(text)
}
