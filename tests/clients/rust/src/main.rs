//! Administering with the client for Rust, as progenitor makes it from the document: finds somebody, ends their session,
//! makes them staff, and prints what the audit log says of it, newest first.
//!
//! Run by the suite in `tests/clients`, which says where the document is and what to work with.

use std::env;
use std::error::Error;

use progenitor_client::Error as CallError;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use uuid::Uuid;

use crate::client::Client;
use crate::client::types::Role;

#[allow(warnings, reason = "made by progenitor")]
mod client {
    include!(concat!(env!("OUT_DIR"), "/client.rs"));
}

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let (server, email) = (env::var("SERVER")?, env::var("EMAIL")?);
    let user_id = Uuid::try_parse(&env::var("USER_ID")?)?;
    let mut headers = HeaderMap::new();
    headers.insert(
        AUTHORIZATION,
        format!("Bearer {}", env::var("SERVICE_KEY")?).parse()?,
    );
    let http = reqwest::Client::builder().default_headers(headers).build()?;
    let admin = Client::new_with_client(&format!("{server}/admin/v1"), http);

    // Who: by the beginning of the address.
    let users = admin.list_users().email(&email).send().await?.into_inner().items;
    let found: Vec<_> = users.iter().map(|user| (user.id, user.email.as_str())).collect();
    assert_eq!(found, [(user_id, email.as_str())]);

    // Their session ends at once.
    let sessions = admin.list_sessions().id(user_id).send().await?.into_inner().items;
    let [session] = sessions.as_slice() else {
        return Err("not one session".into());
    };
    assert_eq!(admin.revoke_session().id(session.id).send().await?.status(), 204);
    assert_eq!(
        admin
            .list_sessions()
            .id(user_id)
            .send()
            .await?
            .into_inner()
            .items
            .len(),
        0
    );

    // Staff of a new library.
    let code = env::var("LIBRARY")?;
    let library = admin
        .create_library()
        .body_map(|library| library.name("Central Library").code(code));
    let library = library.send().await?.into_inner();
    let grant = || {
        let staff = admin.grant_staff().id(library.id);
        staff.body_map(|grant| grant.user_id(Some(user_id)).role(Role::Librarian))
    };
    let record = grant()
        .idempotency_key(format!("staff-{user_id}"))
        .send()
        .await?
        .into_inner();
    assert_eq!(
        (record.role.as_str(), record.email.as_deref()),
        ("librarian", Some(email.as_str()))
    );
    match grant().send().await {
        Err(CallError::ErrorResponse(refused)) => assert_eq!(refused.status(), 409),
        other => return Err(format!("twice on the staff: {other:?}").into()),
    }

    // What the log says of it.
    for event in admin
        .search_audit()
        .target(user_id)
        .send()
        .await?
        .into_inner()
        .items
    {
        println!("{} {}", event.actor_kind, event.action);
    }
    Ok(())
}
