//! The choice of a language at the foot of every page: wherever it is made, it comes back to a page.

use super::support::app::{MANAGE, READER};
use super::support::{Browser, TestApp};

/// Where the form of the language leads back to, as the page has it.
fn back(html: &str) -> String {
    let (_, rest) = html.split_once("name=\"back\" value=\"").expect("the page has a choice of languages");
    rest.split('"').next().unwrap().replace("&amp;", "&").replace("&#x2F;", "/").replace("&#x3D;", "=")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_language_chosen_on_the_answer_to_a_refused_form_leads_back_to_the_page_of_the_form() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    browser.open("/login?redirectTo=%2Fbooks%3Fpage%3D2").await.assert_shows("email");
    let form = [("email", "nonsense"), ("redirectTo", "/books?page=2")];
    let refused = browser.submit("/login", &form).await;
    refused.assert_status(422);
    assert_eq!(back(&refused.html), "/login?redirectTo=%2Fbooks%3Fpage%3D2");

    browser.sign_in("ada@example.org").await;
    let long = "x".repeat(3000);
    for (form, fields, page) in [
        ("/account/profile", [("display_name", long.as_str()), ("_version", "1")], "/account"),
        ("/account/email", [("email", "nonsense"), ("x", "")], "/account"),
        ("/account/delete", [("code", "000000"), ("x", "")], "/account/delete"),
    ] {
        browser.open("/account").await.assert_status(200);
        let refused = browser.submit(form, &fields).await;
        assert!(refused.status.is_client_error(), "{form}: {refused:?}");
        let back = back(&refused.html);
        assert_eq!(back, page, "{form}");
        // And that is a page.
        browser.submit("/language", &[("language", "de"), ("back", &back)]).await.assert_leads_to(page);
        let shown = browser.open(page).await;
        shown.assert_status(200);
        assert!(shown.html.contains("lang=\"de\""), "{form}: {}", shown.html);
        browser.submit("/language", &[("language", "en"), ("back", &back)]).await.assert_leads_to(page);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_chosen_after_a_wrong_code() {
    let app = TestApp::on_services().await;
    app.sign_in(READER, "ada@example.org").await;
    let mut browser = Browser::on(&app, MANAGE);
    browser.open("/login").await.assert_shows("email");
    browser.submit("/login", &[("email", "eve@example.org")]).await.assert_leads_to("/login");
    browser.open("/login").await.assert_shows("code");
    let refused = browser.submit("/login/code", &[("code", "000000")]).await;
    refused.assert_status(403);
    let back = back(&refused.html);
    assert_eq!(back, "/login");
    browser.submit("/language", &[("language", "fr"), ("back", &back)]).await.assert_leads_to("/login");
    browser.open("/login").await.assert_shows("code");
}
