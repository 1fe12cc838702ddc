//! Mail: what waits and what did not leave is seen, an address gets none, and one that bounces twice is left alone for a day.

use std::time::Duration;

use doorcode::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ask, service_key};
use crate::mail::{app_with_smtp, borrowed, fresh, smtp};
use crate::support::app::{READER, text};
use crate::support::{TestApp, on_both_backends};

/// Waits until a list has so many items.
async fn items(app: &TestApp, key: &str, path: &str, count: usize) -> Vec<Value> {
    for _ in 0..800 {
        let list = ask(app, key, Method::GET, path, None).await.assert_ok().body["items"].clone();
        let list = list.as_array().unwrap();
        if list.len() >= count {
            assert_eq!(list.len(), count, "{list:?}");
            return list.clone();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{path} never had {count} items");
}

/// Suppresses an address and answers its tag.
async fn suppress(app: &TestApp, key: &str, email: &str) -> String {
    let named = ask(app, key, Method::POST, "/mail/address-tags", Some(json!({"email": email}))).await.body;
    let (tag, domain) = (text(&named, "tag").to_owned(), text(&named, "domain"));
    let path = format!("/mail/suppressions/{tag}");
    let wish = Some(json!({"domain": domain, "note": "Asked us to stop"}));
    let suppressed = ask(app, key, Method::PUT, &path, wish).await;
    assert_eq!(text(&suppressed.assert_ok().body, "reason"), "administrator");
    tag
}

on_both_backends! {
    async fn a_suppressed_address_gets_no_mail_and_nobody_who_asks_can_tell(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Support).await;
        let tag = suppress(&app, &key, "Ada@Example.org").await;
        let list = items(&app, &key, "/mail/suppressions", 1).await;
        assert_eq!((text(&list[0], "address_tag"), text(&list[0], "domain")), (tag.as_str(), "example.org"));

        let silent = app.request_code(READER, "ada@example.org").await;
        let sent = app.request_code(READER, "eve@example.org").await;
        assert_eq!((silent.status, &silent.body), (sent.status, &sent.body));
        app.mail("eve@example.org", 1).await;
        let failures = items(&app, &key, "/mail/failures?reason=suppressed", 1).await;
        assert_eq!((text(&failures[0], "mail"), text(&failures[0], "address_tag")), ("sign_in", tag.as_str()));
        assert_eq!(app.mails_to("ada@example.org"), 0);
        let dropped = ask(&app, &key, Method::GET, "/audit?action=mail_dropped", None).await.body;
        assert_eq!(text(&dropped["items"][0]["details"], "address"), tag);

        let path = format!("/mail/suppressions/{tag}");
        assert_eq!(ask(&app, &key, Method::DELETE, &path, None).await.status, 204);
        ask(&app, &key, Method::DELETE, &path, None).await.assert_problem(404, "not_found");
        app.advance(Duration::from_secs(61)).await;
        app.request_code(READER, "ada@example.org").await.assert_ok();
        app.mail("ada@example.org", 1).await;
        for path in ["/mail/suppressions/ada@example.org", "/mail/suppressions/00"] {
            ask(&app, &key, Method::DELETE, path, None).await.assert_problem(422, "invalid_value");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_an_address_that_bounces_twice_in_a_day_is_left_alone_for_the_next() {
    let app = app_with_smtp().await;
    let (_, key) = service_key(&app, Scope::Support).await;
    let email = fresh("bounce");
    for count in 1..=2 {
        let suspects = items(&app, &key, "/mail/suppressions", 0).await;
        assert!(suspects.is_empty(), "after {} refusals", count - 1);
        app.request_code(READER, &email).await.assert_ok();
        items(&app, &key, "/mail/failures?reason=bounced", count).await;
        app.advance(Duration::from_secs(61)).await;
    }
    let suspect = items(&app, &key, "/mail/suppressions", 1).await.remove(0);
    assert_eq!((text(&suspect, "reason"), suspect["ends_at"].is_string()), ("bounced", true));
    let suspected = ask(&app, &key, Method::GET, "/audit?action=mail_address_suspected", None).await.body;
    assert_eq!(text(&suspected["items"][0], "actor_kind"), "system");
    app.request_code(READER, &email).await.assert_ok();
    items(&app, &key, "/mail/failures?reason=suppressed", 1).await;

    app.advance(Duration::from_secs(86_400)).await;
    assert!(items(&app, &key, "/mail/suppressions", 0).await.is_empty());
    app.request_code(READER, &email).await.assert_ok();
    items(&app, &key, "/mail/failures?reason=bounced", 3).await;
    assert!(items(&app, &key, "/mail/suppressions", 0).await.is_empty(), "one refusal is not two");
    let leaked: i64 = sqlx::query_scalar(
        "select count(*) from auth.audit_log a, auth.mail_failures f
          where position('bounce-' in a.details::text) > 0 or position('bounce-' in row_to_json(f)::text) > 0",
    )
    .fetch_one(&app.services.as_ref().unwrap().sql)
    .await
    .unwrap();
    assert_eq!(leaked, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_was_given_up_is_kept_and_tried_again() {
    let app = app_with_smtp().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let email = fresh("bounce");
    let user = ask(&app, &key, Method::POST, "/users", Some(json!({"email": email}))).await;
    assert_eq!(user.status, 201, "{user:?}");
    let plan = json!({"name": "North", "code": "north", "owner": {"email": email}});
    assert_eq!(ask(&app, &key, Method::POST, "/libraries", Some(plan)).await.status, 201);
    let failure = items(&app, &key, "/mail/failures?reason=bounced", 1).await.remove(0);
    assert_eq!(text(&failure, "mail"), "staff_changed");
    let retry = format!("/mail/{}/retry", text(&failure, "mail_id"));
    assert_eq!(ask(&app, &key, Method::POST, &retry, None).await.status, 204);
    let again = items(&app, &key, "/audit?action=mail_retried", 1).await.remove(0);
    assert_eq!(text(&again, "target_id"), text(&failure, "mail_id"));
    let second = loop {
        let failures = items(&app, &key, "/mail/failures?reason=bounced", 1).await;
        if failures[0]["id"] != failure["id"] {
            break failures[0].clone();
        }
    };
    assert_eq!(second["mail_id"], failure["mail_id"], "it keeps its name");
    let unknown = format!("/mail/{}/retry", Uuid::new_v4());
    ask(&app, &key, Method::POST, &unknown, None).await.assert_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_counted_by_site_while_the_mail_server_is_down() {
    let mut settings = smtp();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    settings[2].1 = nobody.to_string();
    let app = TestApp::on_services_with(&borrowed(&settings)).await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let email = fresh("ada");
    ask(&app, &key, Method::POST, "/users", Some(json!({"email": email}))).await;
    let plan = json!({"name": "North", "code": "north", "owner": {"email": email}});
    assert_eq!(ask(&app, &key, Method::POST, "/libraries", Some(plan)).await.status, 201);
    app.request_code(READER, &email).await.assert_ok();
    // Each failed once, and is on record once, however often it is tried.
    items(&app, &key, "/mail/failures?reason=deferred", 2).await;
    let queue = ask(&app, &key, Method::GET, "/mail/queue", None).await.assert_ok().body.clone();
    let (codes, outbox) = (&queue["codes"], &queue["outbox"]);
    assert_eq!((&codes["waiting"], &codes["in_hand"]), (&json!(1), &json!(1)), "{queue}");
    assert_eq!((&outbox["waiting"], &outbox["in_hand"]), (&json!(1), &json!(1)), "{queue}");
    assert_eq!(codes["by_site"], json!([{"site": "reader", "waiting": 1}]));
    assert_eq!(outbox["by_site"], json!([{"site": "management", "waiting": 1}]));
    assert!(codes["oldest_at"].is_string() && outbox["oldest_at"].is_string(), "{queue}");
}
