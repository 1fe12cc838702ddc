//! The inbox's page: the list of mails, one mail, and buttons to delete. It works without any script.

use std::sync::LazyLock;

use poem::{
    Response, handler,
    http::{StatusCode, header},
    web::{Data, Path, Query, Redirect},
};
use serde::{Deserialize, Serialize};
use tera::{Context, Tera};
use url::form_urlencoded;

use super::{refusal, wire};
use crate::ports::mail::inbox::{Inbox, KeptMail, Mailbox};

/// Mails on one page of the list.
const PAGE_LEN: usize = 50;

/// Seconds between two looks at the list.
const REFRESH_SECS: u32 = 5;

static TEMPLATES: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::new();
    tera.add_raw_templates([
        ("layout.html", include_str!("layout.html")),
        ("list.html", include_str!("list.html")),
        ("message.html", include_str!("message.html")),
        ("gone.html", include_str!("gone.html")),
    ])
    .expect("the inbox's templates are compiled in and tested");
    tera
});

#[derive(Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    query: String,
    #[serde(default)]
    start: usize,
    #[serde(default)]
    refresh: String,
}

/// A mail as a page shows it.
#[derive(Serialize)]
struct Shown {
    id: String,
    read: bool,
    from: String,
    to: Vec<String>,
    subject: String,
    snippet: String,
    received: String,
    received_iso: String,
}

/// A piece of a text part: words, or a web address that becomes a link.
#[derive(Serialize, Debug, PartialEq)]
struct Piece<'a> {
    text: &'a str,
    link: bool,
}

#[handler]
pub(super) fn show_list(Data(inbox): Data<&Inbox>, Query(ask): Query<ListQuery>) -> Response {
    let found = inbox.search(&ask.query);
    let shown: Vec<Shown> = found.iter().skip(ask.start).take(PAGE_LEN).map(Shown::new).collect();
    let older = ask.start.saturating_add(PAGE_LEN);

    let mut context = Context::new();
    context.insert("query", &ask.query);
    context.insert("total", &found.len());
    context.insert("first", &ask.start.saturating_add(1));
    context.insert("last", &ask.start.saturating_add(shown.len()));
    context.insert("mails", &shown);
    context.insert(
        "newer",
        &(ask.start > 0).then(|| ask.link(ask.start.saturating_sub(PAGE_LEN), &ask.refresh)),
    );
    context.insert("older", &(older < found.len()).then(|| ask.link(older, &ask.refresh)));
    // Only the first page looks for new mail: on the others it would move what someone is reading.
    let refreshes = ask.start == 0 && ask.refresh != "off";
    context.insert("refresh_secs", &refreshes.then_some(REFRESH_SECS));
    context.insert("here", &ask.link(ask.start, &ask.refresh));
    context.insert("pause", &ask.link(0, "off"));
    context.insert("resume", &ask.link(0, "on"));
    render(StatusCode::OK, "list.html", &context)
}

#[handler]
pub(super) fn show_message(Data(inbox): Data<&Inbox>, Path(id): Path<String>) -> Response {
    let Some(kept) = inbox.find(&id) else {
        return render(StatusCode::NOT_FOUND, "gone.html", &Context::new());
    };
    inbox.mark_read(&kept.id);
    let mut context = Context::new();
    context.insert("mail", &Shown::new(&kept));
    context.insert("has_html", &!kept.mail.html.is_empty());
    context.insert("pieces", &pieces(&kept.mail.text));
    render(StatusCode::OK, "message.html", &context)
}

#[handler]
pub(super) fn delete_one(Data(inbox): Data<&Inbox>, Path(id): Path<String>) -> Redirect {
    inbox.remove(&[id]);
    Redirect::see_other("/")
}

#[handler]
pub(super) fn delete_all(Data(inbox): Data<&Inbox>) -> Redirect {
    inbox.clear();
    Redirect::see_other("/")
}

#[handler]
pub(super) fn show_stylesheet() -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, "text/css; charset=utf-8")
        .body(include_str!("inbox.css"))
}

impl ListQuery {
    /// The list from `start` on, with the same query, refreshing by itself unless `refresh` is `off`.
    fn link(&self, start: usize, refresh: &str) -> String {
        let mut query = form_urlencoded::Serializer::for_suffix(String::from("/?"), 2);
        if !self.query.is_empty() {
            query.append_pair("query", &self.query);
        }
        if start > 0 {
            query.append_pair("start", &start.to_string());
        }
        if refresh == "off" {
            query.append_pair("refresh", refresh);
        }
        query.finish().trim_end_matches('?').to_owned()
    }
}

impl Shown {
    fn new(kept: &KeptMail) -> Self {
        let mail = &kept.mail;
        Self {
            id: kept.id.clone(),
            read: kept.read,
            from: spelled(&mail.from),
            to: mail.to.iter().map(spelled).collect(),
            subject: mail.subject.clone(),
            snippet: wire::snippet(&mail.text),
            received: mail.received_at.format("%-d %b %Y, %H:%M:%S UTC").to_string(),
            received_iso: wire::instant(mail.received_at),
        }
    }
}

/// `name <address>`, or the address alone.
fn spelled(mailbox: &Mailbox) -> String {
    match mailbox.name.as_str() {
        "" => mailbox.address.clone(),
        name => format!("{name} <{}>", mailbox.address),
    }
}

/// Cuts a text at its web addresses. Punctuation after an address belongs to the sentence.
fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some(start) = ["http://", "https://"].iter().filter_map(|scheme| text.find(scheme)).min() {
        let (before, rest) = text.split_at(start);
        let end = rest.find(|c: char| c.is_whitespace() || "<>\"".contains(c)).unwrap_or(rest.len());
        let address = rest[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'']);
        pieces.push(Piece { text: before, link: false });
        pieces.push(Piece { text: address, link: true });
        text = &rest[address.len()..];
    }
    pieces.push(Piece { text, link: false });
    pieces
}

fn render(status: StatusCode, template: &str, context: &Context) -> Response {
    match TEMPLATES.render(template, context) {
        Ok(page) => Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
            .body(page),
        Err(error) => {
            refusal(StatusCode::INTERNAL_SERVER_ERROR, &format!("the page cannot be shown: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses_become_links_and_nothing_else_does() {
        let found = pieces(
            "Open https://reader.example/a?b=1&c=2. Or (http://localhost:8080/x), not javascript:alert(1).",
        );
        let links: Vec<_> = found.iter().filter(|piece| piece.link).map(|piece| piece.text).collect();
        assert_eq!(links, ["https://reader.example/a?b=1&c=2", "http://localhost:8080/x"]);
        let whole: String = found.iter().map(|piece| piece.text).collect();
        assert!(whole.ends_with("not javascript:alert(1).") && whole.contains(". Or ("), "{whole}");
    }

    #[test]
    fn links_between_pages_keep_the_query() {
        let ask = ListQuery { query: "to:a+b@example.org".into(), start: 50, refresh: String::new() };
        assert_eq!(ask.link(100, ""), "/?query=to%3Aa%2Bb%40example.org&start=100");
        assert_eq!(ask.link(0, "off"), "/?query=to%3Aa%2Bb%40example.org&refresh=off");
        let bare = ListQuery { query: String::new(), start: 0, refresh: String::new() };
        assert_eq!(bare.link(0, ""), "/");
    }
}
