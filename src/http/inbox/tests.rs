//! The inbox as its callers meet it: a test suite, a browser, and a foreign page.

use chrono::DateTime;
use poem::{
    Endpoint, Request, Response,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};

use super::routes;
use crate::ports::mail::inbox::{CaughtMail, Inbox, Mailbox};

const RAW: &str = "From: Reader Library <no-reply@library.example>\r\n\
                   To: ada@example.org\r\n\
                   Reply-To: \"The Library\" <help@library.example>\r\n\
                   Message-ID: <1@library.example>\r\n\
                   Subject: Your\r\n sign-in code\r\n\
                   \r\n\
                   123456\r\n";

fn mail(to: &str, subject: &str, text: &str) -> CaughtMail {
    CaughtMail {
        from: Mailbox { name: "Reader Library".into(), address: "no-reply@library.example".into() },
        to: vec![Mailbox { name: String::new(), address: to.into() }],
        subject: subject.into(),
        text: text.into(),
        html: format!("<p style=\"color:red\">{text}</p>"),
        raw: RAW.into(),
        received_at: DateTime::from_timestamp(1_800_000_000, 0).expect("a time"),
    }
}

/// An inbox with a code for Ada and, newer, an invitation for Grace.
fn two_mails() -> Inbox {
    let inbox = Inbox::default();
    inbox.insert(mail("ada@example.org", "Your sign-in code", "Your code is\n\n123456"));
    inbox.insert(mail("grace@example.org", "An invitation", "Open https://reader.example/i?a=1&b=2."));
    inbox
}

async fn send(inbox: &Inbox, method: Method, path: &str, fields: &[(&str, &str)], body: &str) -> Response {
    let mut request = Request::builder().method(method).uri_str(path);
    if !fields.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:8025");
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    routes(inbox.clone()).get_response(request.body(body.to_owned())).await
}

async fn get(inbox: &Inbox, path: &str) -> Response {
    send(inbox, Method::GET, path, &[], "").await
}

async fn text(inbox: &Inbox, path: &str) -> String {
    let response = get(inbox, path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.into_body().into_string().await.expect("a text body")
}

async fn json(inbox: &Inbox, path: &str) -> Value {
    serde_json::from_str(&text(inbox, path).await).expect("JSON")
}

#[tokio::test]
async fn a_list_has_every_field_of_mailpits() {
    let inbox = two_mails();
    let id = inbox.list()[1].id.clone();
    assert_eq!(
        json(&inbox, "/api/v1/messages?start=1&limit=nonsense").await,
        json!({
            "total": 2, "unread": 2, "count": 1, "messages_count": 2, "messages_unread": 2, "start": 1, "tags": [],
            "messages": [{
                "ID": id, "MessageID": "1@library.example", "Read": false,
                "From": { "Name": "Reader Library", "Address": "no-reply@library.example" },
                "To": [{ "Name": "", "Address": "ada@example.org" }], "Cc": [], "Bcc": [],
                "ReplyTo": [{ "Name": "The Library", "Address": "help@library.example" }],
                "Subject": "Your sign-in code", "Created": "2027-01-15T08:00:00.000Z", "Size": RAW.len(),
                "Snippet": "Your code is 123456", "Attachments": 0, "Tags": [], "Username": "",
            }],
        })
    );
    assert_eq!(json(&inbox, "/api/v1/messages?limit=1").await["messages"][0]["Subject"], "An invitation");
}

#[tokio::test]
async fn a_message_has_every_field_of_mailpits_and_is_read_then() {
    let inbox = two_mails();
    let id = inbox.list()[1].id.clone();
    assert_eq!(
        json(&inbox, &format!("/api/v1/message/{id}")).await,
        json!({
            "ID": id, "MessageID": "1@library.example",
            "From": { "Name": "Reader Library", "Address": "no-reply@library.example" },
            "To": [{ "Name": "", "Address": "ada@example.org" }], "Cc": [], "Bcc": [],
            "ReplyTo": [{ "Name": "The Library", "Address": "help@library.example" }],
            "ReturnPath": "no-reply@library.example", "Subject": "Your sign-in code",
            "ListUnsubscribe": { "Header": "", "Links": [], "Errors": "", "HeaderPost": "" },
            "Date": "2027-01-15T08:00:00.000Z", "Tags": [], "Username": "", "Size": RAW.len(),
            "Text": "Your code is\n\n123456", "HTML": "<p style=\"color:red\">Your code is\n\n123456</p>",
            "Inline": [], "Attachments": [],
        })
    );
    assert_eq!(json(&inbox, "/api/v1/messages").await["unread"], 1);
    assert_eq!(json(&inbox, "/api/v1/info").await["Unread"], 1);
}

#[tokio::test]
async fn the_latest_message_may_be_the_latest_of_a_search() {
    let inbox = two_mails();
    assert_eq!(json(&inbox, "/api/v1/message/latest").await["Subject"], "An invitation");
    let path = "/api/v1/message/latest?query=to%3Aada%40example.org";
    assert_eq!(json(&inbox, path).await["Subject"], "Your sign-in code");
    let html = get(&inbox, "/view/latest.html?query=to:ada@example.org").await;
    assert_eq!(html.content_type(), Some("text/html; charset=utf-8"));
    assert!(
        html.headers()["content-security-policy"].to_str().expect("a readable field").starts_with("sandbox ")
    );
    assert!(html.into_body().into_string().await.expect("a text body").contains("123456"));
    assert_eq!(text(&inbox, "/view/latest.txt?query=to:ada").await, "Your code is\n\n123456");
}

#[tokio::test]
async fn a_search_counts_what_it_found_and_what_there_is() {
    let inbox = two_mails();
    for query in ["to:ada@example.org", "to:%22ada@example.org%22", "subject:%22sign-in+code%22", "123456"] {
        let found = json(&inbox, &format!("/api/v1/search?query={query}")).await;
        assert_eq!((&found["total"], &found["messages_count"]), (&json!(2), &json!(1)), "{query}");
        assert_eq!(found["messages"][0]["To"][0]["Address"], "ada@example.org", "{query}");
    }
    assert_eq!(get(&inbox, "/api/v1/search?query=").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_source_and_its_header_fields_can_be_read() {
    let inbox = two_mails();
    let raw = get(&inbox, "/api/v1/message/latest/raw").await;
    assert_eq!(raw.content_type(), Some("text/plain; charset=utf-8"));
    assert_eq!(raw.into_body().into_string().await.expect("a text body"), RAW);
    let headers = json(&inbox, "/api/v1/message/latest/headers").await;
    assert_eq!(headers["Subject"], json!(["Your sign-in code"]));
    assert_eq!(headers["Message-Id"], json!(["<1@library.example>"]));
}

#[tokio::test]
async fn deleting_takes_ids_a_search_or_nothing_at_all() {
    let inbox = two_mails();
    let id = &inbox.list()[0].id;
    let body = json!({ "IDs": [id] }).to_string();
    let deleted = send(&inbox, Method::DELETE, "/api/v1/messages", &[], &body).await;
    assert_eq!(deleted.into_body().into_string().await.expect("a text body"), "ok");
    assert_eq!(inbox.list().len(), 1);

    let unreadable = send(&inbox, Method::DELETE, "/api/v1/messages", &[], "{\"IDs\":").await;
    assert_eq!(unreadable.status(), StatusCode::BAD_REQUEST);
    assert_eq!(inbox.list().len(), 1, "what cannot be read deletes nothing");

    send(&inbox, Method::DELETE, "/api/v1/search?query=to:nobody", &[], "").await;
    assert_eq!(inbox.list().len(), 1);
    send(&inbox, Method::DELETE, "/api/v1/search?query=to:ada", &[], "").await;
    assert!(inbox.list().is_empty());

    for everything in ["", "{}", "{\"IDs\":[]}"] {
        let inbox = two_mails();
        send(&inbox, Method::DELETE, "/api/v1/messages", &[], everything).await;
        assert!(inbox.list().is_empty(), "{everything:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_json_404() {
    let inbox = Inbox::default();
    for path in
        ["/api/v1/message/latest", "/api/v1/message/x/raw", "/view/x.html", "/view/x", "/api/v1/nothing"]
    {
        let response = get(&inbox, path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let body: Value =
            serde_json::from_str(&response.into_body().into_string().await.expect("a text body"))
                .expect("JSON");
        assert!(body["Error"].is_string(), "{path}");
    }
    let gone = get(&inbox, "/message/x").await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    assert!(gone.into_body().into_string().await.expect("a text body").contains("This mail is gone"));
}

#[tokio::test]
async fn the_pages_show_mails_and_escape_them() {
    let inbox = two_mails();
    let id = inbox.insert(mail("ada@example.org", "<script>alert(1)</script>", "\"><img src=x>"));
    let list = text(&inbox, "/").await;
    assert!(list.contains("123456") && list.contains("grace@example.org") && list.contains("never sent"));
    assert!(!list.contains("<script") && !list.contains("<img"), "{list}");

    let message = text(&inbox, &format!("/message/{id}")).await;
    assert!(!message.contains("<script") && !message.contains("<img"), "{message}");
    assert!(message.contains(&format!("<iframe sandbox=\"\" src=\"/view/{id}.html\"")), "{message}");
    assert!(text(&inbox, "/").await.contains("class=\"unread\""));

    let link = inbox.list()[1].id.clone();
    let message = text(&inbox, &format!("/message/{link}")).await;
    assert!(message.contains("href=\"https://reader.example/i?a=1&amp;b=2\""), "{message}");
}

#[tokio::test]
async fn a_long_list_has_pages_and_an_empty_one_says_how_to_get_mail() {
    let inbox = Inbox::default();
    assert!(text(&inbox, "/").await.contains("/auth/v1/otp"));
    for n in 0..60 {
        inbox.insert(mail("ada@example.org", &format!("Mail {n}."), ""));
    }
    let first = text(&inbox, "/").await;
    assert!(
        first.contains("Mail 59.") && !first.contains("Mail 9.") && first.contains("http-equiv=\"refresh\"")
    );
    let second = text(&inbox, "/?start=50").await;
    assert!(
        second.contains("Mail 9.") && second.contains("51 to 60 of 60") && !second.contains("http-equiv")
    );
    assert!(text(&inbox, "/?start=18446744073709551615").await.contains("Nothing here"));
}

#[tokio::test]
async fn the_buttons_delete_and_lead_back_to_the_list() {
    let inbox = two_mails();
    let id = inbox.list()[0].id.clone();
    let own = [("origin", "http://localhost:8025"), ("sec-fetch-site", "same-origin")];
    let one = send(&inbox, Method::POST, &format!("/message/{id}/delete"), &own, "").await;
    assert_eq!(
        (one.status(), one.headers()["location"].to_str().expect("a readable field")),
        (StatusCode::SEE_OTHER, "/")
    );
    assert_eq!(inbox.list().len(), 1);
    let all = send(&inbox, Method::POST, "/delete", &own, "").await;
    assert_eq!(all.status(), StatusCode::SEE_OTHER);
    assert!(inbox.list().is_empty());
}

#[tokio::test]
async fn a_foreign_page_changes_nothing_and_reads_nothing() {
    let inbox = two_mails();
    for field in [
        ("origin", "https://evil.example"),
        ("origin", "http://localhost:8080"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let response = send(&inbox, Method::POST, "/delete", &[field], "").await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{field:?}");
        send(&inbox, Method::DELETE, "/api/v1/messages", &[field], "").await;
        assert_eq!(inbox.list().len(), 2, "{field:?}");
    }
    let read = send(&inbox, Method::GET, "/api/v1/messages", &[("origin", "https://evil.example")], "").await;
    assert!(!read.headers().contains_key("access-control-allow-origin"));
    assert_eq!(read.headers()["cross-origin-resource-policy"], "same-origin");
}

#[tokio::test]
async fn a_name_that_is_not_local_is_misdirected() {
    let inbox = two_mails();
    let response =
        send(&inbox, Method::GET, "/api/v1/messages", &[("host", "rebound.example:8025")], "").await;
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
    assert!(!response.into_body().into_string().await.expect("a text body").contains("123456"));
    let local = send(&inbox, Method::GET, "/", &[("host", "inbox.localhost:8025")], "").await;
    assert_eq!(local.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_answer_carries_the_safety_headers() {
    let inbox = two_mails();
    for path in ["/", "/inbox.css", "/api/v1/messages", "/nowhere", "/view/latest.html"] {
        let response = get(&inbox, path).await;
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
        let policy = response.headers()["content-security-policy"].to_str().expect("a readable field");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'self'"), "{path}");
        assert!(!policy.contains("script"), "{path}");
    }
}
