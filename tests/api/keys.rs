//! Signing keys follow each other, on every replica, and nobody is signed out by it.

mod acts;
mod masters;
mod rotation;

use doorcode::domain::{KeyState, SigningKey};
use serde_json::Value;

use super::support::app::{READER, text};
use super::support::{TestApp, on_both_backends};

/// The key that a token names.
fn kid_of(token: &str) -> String {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    text(&serde_json::from_slice::<Value>(&header).unwrap(), "kid").to_owned()
}

/// The keys that a server publishes for the reader site.
async fn published(app: &TestApp) -> Vec<String> {
    let answer = app.send(READER, reqwest::Method::GET, "/auth/v1/.well-known/jwks.json", &[], None).await;
    let keys = answer.assert_ok().body["keys"].as_array().unwrap();
    keys.iter().map(|key| text(key, "kid").to_owned()).collect()
}

/// The reader site's keys in a state.
async fn keys_in(app: &TestApp, state: KeyState) -> Vec<SigningKey> {
    let keys = app.flows.signing_keys(Some("reader"), 100).await.unwrap();
    keys.into_iter().filter(|key| key.state == state).collect()
}

/// The only one of them.
async fn the_key(app: &TestApp, state: KeyState) -> String {
    let [key] = <[SigningKey; 1]>::try_from(keys_in(app, state).await).unwrap();
    key.kid
}

/// Asks who the bearer of an access token is.
async fn recognises(app: &TestApp, token: &str) -> bool {
    let answer = app.get_with_token(READER, "/auth/v1/user", token).await;
    if answer.status != reqwest::StatusCode::OK {
        answer.assert_problem(403, "bad_jwt");
    }
    answer.status == reqwest::StatusCode::OK
}
