//! The way in: a service key is pasted, or an account signs in on the hosted pages; and the way out.

use poem::http::StatusCode;
use poem::{Response, Result, handler};
use serde_json::json;

use super::inside::{Inside, Posted};
use super::view::{View, address};
use super::visit::{Knock, Visit};
use crate::flows::AdminError;
use crate::http::Problem;

/// Asks for a key, or points to the sign-in page.
#[handler]
pub(super) fn show(visit: Visit) -> Result<Response> {
    if matches!(visit.entry, Ok(Some(_))) {
        let back = destination(visit.query("back"));
        return Ok(visit.go(&back));
    }
    let back = visit.query("back").map(|back| destination(Some(back))).unwrap_or_default();
    let view = form(&visit, &back, json!({}));
    visit.show_as(StatusCode::OK, &view)
}

/// A key was pasted.
#[handler]
pub(super) async fn enter(Knock { mut visit, fields }: Knock) -> Result<Response> {
    let back = destination(fields.given("back"));
    match visit.flows.open_console(&visit.place.host, fields.text("key")).await {
        Ok(key) => {
            visit.let_in(&key);
            Ok(visit.go(&back))
        }
        Err(AdminError::UnknownKey) => {
            let notice = "This service key is unknown, revoked or past its end.";
            let view = form(&visit, &back, json!({"wrong": notice}));
            visit.show_as(StatusCode::UNAUTHORIZED, &view)
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

/// Forgets the key. Somebody who is here with their account stays signed in on its own pages, and signs out there.
#[handler]
pub(super) fn leave(Posted { inside, .. }: Posted) -> Response {
    Inside::leave(inside)
}

fn form(visit: &Visit, back: &str, values: serde_json::Value) -> View {
    // The hosted pages come back here; without them there are only keys.
    let staff = visit.place.site.as_ref().filter(|site| site.look.pages).map(|site| {
        let to = if back.is_empty() { super::PATH } else { back };
        json!({"name": site.name, "href": address("/login", [("redirectTo", to)])})
    });
    let mut values = values;
    values["staff"] = json!(staff);
    values["back"] = json!(back);
    View { template: "sign_in", title: "Sign in to the console".to_owned(), values }
}

/// A page of the console and nothing else.
fn destination(wished: Option<&str>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_?=&%.+:".contains(c);
    wished
        .filter(|to| (*to == super::PATH || to.starts_with("/admin/")) && to.chars().all(is_plain))
        .filter(|to| !to.contains("..") && !to.contains("//"))
        .unwrap_or(super::PATH)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::destination;

    #[test]
    fn t42_whoever_signs_in_stays_at_the_console() {
        for (wished, to) in [
            ("/admin", "/admin"),
            ("/admin/people?email=ada%40example.org", "/admin/people?email=ada%40example.org"),
            ("/administer", "/admin"),
            ("/account", "/admin"),
            ("//evil.example/admin/", "/admin"),
            ("https://evil.example/admin/", "/admin"),
            ("/admin/../account", "/admin"),
            ("/admin/\\evil.example", "/admin"),
            ("/admin//evil.example", "/admin"),
            ("/admin/\r\nset-cookie: x", "/admin"),
        ] {
            assert_eq!(destination(Some(wished)), to, "{wished:?}");
        }
        assert_eq!(destination(None), "/admin");
    }
}
