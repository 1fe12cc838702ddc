//! The keys that sites sign tokens with: seen, rotated, revoked.

use poem::http::Method;
use poem::web::Path;
use poem::{Response, Result, handler};
use serde_json::json;

use super::client::Call;
use super::confirm::Question;
use super::inside::{Inside, Posted};
use super::view::View;

/// The keys, newest first.
#[handler]
pub(super) async fn show(inside: Inside) -> Result<Response> {
    let keys = inside.read("/signing-keys").await?;
    let mut sites: Vec<_> =
        keys["items"].as_array().into_iter().flatten().filter_map(|key| key["site"].as_str()).collect();
    sites.sort_unstable();
    sites.dedup();
    let values = json!({"keys": keys["items"], "sites": sites});
    inside.show(&View { template: "signing_keys", title: "Signing keys".to_owned(), values })
}

/// Asks before a site gets another key.
#[handler]
pub(super) async fn ask_to_rotate(inside: Inside) -> Result<Response> {
    let site = inside.query("site").unwrap_or_default();
    let title = format!("Rotate the signing key of {site}?");
    let question = Question {
        title: &title,
        text: "Its next key signs as soon as verifiers have had the time to read it. Tokens in use stay good, and nobody \
               is signed out.",
        button: "Rotate the key",
        action: "/admin/signing-keys/rotate".to_owned(),
        fields: json!([["site", site]]),
        back: "/admin/signing-keys".to_owned(),
        ..Question::default()
    };
    inside.show(&question.view())
}

/// Gives a site another key.
#[handler]
pub(super) async fn rotate(Posted { inside, fields }: Posted) -> Result<Response> {
    let call = Call::new(Method::POST, "/signing-keys/rotate").with(json!({"site": fields.text("site")}));
    inside.call(call).await?;
    Ok(inside.done("/admin/signing-keys", "key_rotated"))
}

/// Asks before a key is revoked.
#[handler]
pub(super) fn ask_to_revoke(inside: Inside, Path(kid): Path<String>) -> Result<Response> {
    let question = Question {
        title: "Revoke this signing key?",
        text: "For a key that others may have: every token that it signed is refused, here at once and on other replicas \
               within a minute. Sessions go on by refreshing. If it signs now, a new key does.",
        button: "Revoke the key",
        action: format!("/admin/signing-keys/{}/revoke", part(&kid)),
        back: "/admin/signing-keys".to_owned(),
        fields: json!([]),
        ..Question::default()
    };
    inside.show(&question.view())
}

/// Revokes a key.
#[handler]
pub(super) async fn revoke(Posted { inside, .. }: Posted, Path(kid): Path<String>) -> Result<Response> {
    inside.call(Call::new(Method::POST, &format!("/signing-keys/{}/revoke", part(&kid)))).await?;
    Ok(inside.done("/admin/signing-keys", "signing_key_revoked"))
}

/// One part of an address, whatever was in it.
fn part(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
