//! Mailpit's API, as far as a test suite needs it to read and delete mails.

use std::collections::BTreeMap;

use poem::{
    Body, IntoResponse, Response, handler,
    http::{StatusCode, header},
    web::{Data, Json, Path, Query},
};
use serde::Deserialize;

use super::{find, not_found, plain, refusal, wire};
use crate::ports::mail::inbox::{Inbox, KeptMail};

/// Mails in an answer when the caller names no limit.
const DEFAULT_LIMIT: usize = 50;

/// The longest list of ids that a delete takes, in bytes of JSON.
const MAX_BODY: usize = 64 * 1024;

/// The HTML part comes as the mail's author wrote it, so it gets styles and pictures and nothing else: no
/// script, no form, an origin of its own. Opened by itself it may follow its links; the frame around it
/// forbids that too.
const MAIL_POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
                           style-src 'unsafe-inline'; img-src data: http: https:; font-src data: http: https:; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// Numbers are read by hand, as Mailpit takes a number it cannot read for none.
#[derive(Deserialize)]
pub(super) struct Window {
    start: Option<String>,
    limit: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Search {
    query: Option<String>,
}

#[derive(Default, Deserialize)]
struct DeleteRequest {
    #[serde(rename = "IDs", default)]
    ids: Vec<String>,
}

#[handler]
pub(super) fn list_messages(Data(inbox): Data<&Inbox>, Query(window): Query<Window>) -> Json<wire::Messages> {
    Json(window.page(inbox, &inbox.list()))
}

#[handler]
pub(super) fn search_messages(
    Data(inbox): Data<&Inbox>,
    Query(search): Query<Search>,
    Query(window): Query<Window>,
) -> Response {
    match search.terms() {
        Some(terms) => Json(window.page(inbox, &inbox.search(terms))).into_response(),
        None => no_query(),
    }
}

#[handler]
pub(super) fn delete_found(Data(inbox): Data<&Inbox>, Query(search): Query<Search>) -> Response {
    let Some(terms) = search.terms() else { return no_query() };
    let ids: Vec<String> = inbox.search(terms).into_iter().map(|kept| kept.id).collect();
    inbox.remove(&ids);
    plain("ok")
}

/// No body, or one without ids, deletes everything. A body that cannot be read deletes nothing, unlike
/// Mailpit's.
#[handler]
pub(super) async fn delete_messages(Data(inbox): Data<&Inbox>, body: Body) -> Response {
    let Ok(body) = body.into_bytes_limit(MAX_BODY).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "too many IDs: delete fewer at a time, or all");
    };
    let request = match body.trim_ascii() {
        b"" => Ok(DeleteRequest::default()),
        body => serde_json::from_slice(body),
    };
    match request {
        Ok(DeleteRequest { ids }) if ids.is_empty() => inbox.clear(),
        Ok(DeleteRequest { ids }) => inbox.remove(&ids),
        Err(_) => {
            return refusal(StatusCode::BAD_REQUEST, r#"the body must be absent or JSON like {"IDs":["…"]}"#);
        }
    }
    plain("ok")
}

/// Reading a mail marks it as read, as with Mailpit.
#[handler]
pub(super) fn show_message(
    Data(inbox): Data<&Inbox>,
    Path(id): Path<String>,
    Query(search): Query<Search>,
) -> Response {
    let Some(kept) = find(inbox, &id, search.terms()) else { return not_found() };
    inbox.mark_read(&kept.id);
    Json(wire::Message::new(&kept)).into_response()
}

#[handler]
pub(super) fn show_headers(
    Data(inbox): Data<&Inbox>,
    Path(id): Path<String>,
    Query(search): Query<Search>,
) -> Response {
    match find(inbox, &id, search.terms()) {
        Some(kept) => Json(wire::headers(&kept.mail.raw)).into_response(),
        None => not_found(),
    }
}

#[handler]
pub(super) fn show_raw(
    Data(inbox): Data<&Inbox>,
    Path(id): Path<String>,
    Query(search): Query<Search>,
) -> Response {
    match find(inbox, &id, search.terms()) {
        Some(kept) => plain(kept.mail.raw.clone()),
        None => not_found(),
    }
}

/// One part of a mail by itself: `{ID}.html` or `{ID}.txt`.
#[handler]
pub(super) fn show_part(
    Data(inbox): Data<&Inbox>,
    Path(file): Path<String>,
    Query(search): Query<Search>,
) -> Response {
    let Some((id, part)) = file.rsplit_once('.') else { return not_found() };
    let Some(kept) = find(inbox, id, search.terms()) else { return not_found() };
    match part {
        "html" if kept.mail.html.is_empty() => {
            refusal(StatusCode::NOT_FOUND, "this message has no HTML part")
        }
        "html" => Response::builder()
            .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, MAIL_POLICY)
            .body(kept.mail.html.clone()),
        "txt" => plain(kept.mail.text.clone()),
        _ => not_found(),
    }
}

#[handler]
pub(super) fn show_info(Data(inbox): Data<&Inbox>) -> Json<wire::Info> {
    let mails = inbox.list();
    Json(wire::Info {
        version: concat!("doorcode ", env!("CARGO_PKG_VERSION")),
        latest_version: "",
        database: "memory",
        database_size: mails.iter().map(|kept| kept.mail.raw.len()).sum(),
        messages: mails.len(),
        unread: unread(&mails),
        tags: BTreeMap::new(),
    })
}

/// For scripts that wait until a Mailpit is up.
#[handler]
pub(super) fn report_health() -> Response {
    plain("ok")
}

impl Window {
    fn page(&self, inbox: &Inbox, found: &[KeptMail]) -> wire::Messages {
        let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<usize>().ok());
        let (start, limit) = (number(&self.start).unwrap_or(0), number(&self.limit).unwrap_or(DEFAULT_LIMIT));
        let all = inbox.list();
        let messages: Vec<_> = found.iter().skip(start).take(limit).map(wire::Summary::new).collect();
        wire::Messages {
            total: all.len(),
            unread: unread(&all),
            count: messages.len(),
            messages_count: found.len(),
            messages_unread: unread(found),
            start,
            tags: [],
            messages,
        }
    }
}

impl Search {
    /// The query, if it says anything.
    fn terms(&self) -> Option<&str> {
        self.query.as_deref().map(str::trim).filter(|terms| !terms.is_empty())
    }
}

fn unread(mails: &[KeptMail]) -> usize {
    mails.iter().filter(|kept| !kept.read).count()
}

fn no_query() -> Response {
    refusal(StatusCode::BAD_REQUEST, "no search query: add ?query=to:someone@example.org")
}
