//! What an administrator does: rotates ahead of time, revokes in an emergency; and what others make of it.

use std::time::{Duration, Instant};

use doorcode::flows::{KeyActor, SigningKeysError};

use super::*;
use crate::support::app::MANAGE;

const OPERATOR: KeyActor<'static> = KeyActor { kind: "operator", id: None, ip: None, agent: Some("a test") };
const HOUR: Duration = Duration::from_secs(3600);

/// How often an action is in the audit log, with who did it.
async fn audited(app: &TestApp, action: &str, kind: &str) -> i64 {
    let services = app.services.as_ref().unwrap();
    services.count(&format!("auth.audit_log where action = '{action}' and actor_kind = '{kind}'")).await
}

on_both_backends! {
    async fn a_revoked_key_takes_its_tokens_with_it_and_sessions_go_on(app: TestApp) {
        let session = app.sign_in(READER, "ada@example.org").await;
        let access = text(&session, "access_token");
        let kid = the_key(&app, KeyState::Active).await;
        assert_eq!(kid_of(access), kid);
        // Recognised, and so remembered.
        assert!(recognises(&app, access).await);
        let manager = text(&app.sign_in(MANAGE, "ada@example.org").await, "access_token").to_owned();
        let revoked = app.flows.revoke_signing_key(&kid, OPERATOR).await.unwrap();
        let successor = the_key(&app, KeyState::Active).await;
        assert_eq!((revoked.site.as_str(), revoked.successor.as_deref()), ("reader", Some(&*successor)));
        assert!(!recognises(&app, access).await);
        assert_eq!(published(&app).await, std::slice::from_ref(&successor));
        let refreshed = app.refresh(READER, text(&session, "refresh_token")).await;
        let access = text(&refreshed.assert_ok().body, "access_token");
        assert_eq!(kid_of(access), successor);
        assert!(recognises(&app, access).await);
        app.get_with_token(MANAGE, "/auth/v1/user", &manager).await.assert_ok();
        let again = app.flows.revoke_signing_key(&kid, OPERATOR).await;
        assert!(matches!(again, Err(SigningKeysError::NoSuchKey)), "{again:?}");
    }

    async fn a_key_that_was_just_made_waits_until_it_has_been_published(app: TestApp) {
        let before = the_key(&app, KeyState::Active).await;
        let site = app.flows.sites.iter().find(|site| site.id == "reader").unwrap();
        let rotation = app.flows.rotate_signing_key(site, OPERATOR).await.unwrap();
        assert!(!rotation.is_active);
        let wait = rotation.signs_from - app.flows.now();
        assert!((3590..=3600).contains(&wait.num_seconds()), "{wait}");
        assert_eq!(published(&app).await, [before.clone(), rotation.kid.clone()]);
        let access = app.sign_in(READER, "ada@example.org").await;
        assert_eq!(kid_of(text(&access, "access_token")), before);
        // Asked again, it is the same key at the same time.
        assert_eq!(app.flows.rotate_signing_key(site, OPERATOR).await.unwrap(), rotation);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_was_asked_for_happens_by_itself_when_its_time_has_come() {
    let app = TestApp::on_services().await;
    let site = app.flows.sites.iter().find(|site| site.id == "reader").unwrap();
    let before = the_key(&app, KeyState::Active).await;
    let rotation = app.flows.rotate_signing_key(site, OPERATOR).await.unwrap();
    app.advance(Duration::from_secs(3570)).await;
    app.flows.load_signing_keys().await.unwrap();
    assert_eq!(the_key(&app, KeyState::Active).await, before);
    app.advance(Duration::from_secs(31)).await;
    app.flows.load_signing_keys().await.unwrap();
    assert_eq!(the_key(&app, KeyState::Active).await, rotation.kid);
    assert_eq!(the_key(&app, KeyState::Retiring).await, before);
    assert_eq!((audited(&app, "signing_key_made", "operator").await), 1);
    assert_eq!((audited(&app, "signing_key_activated", "system").await), 3, "one a site at first");
    assert_eq!((audited(&app, "signing_key_retired", "system").await), 1);
    // The last of its tokens has died, and a little longer.
    app.advance(HOUR + Duration::from_secs(151)).await;
    app.flows.load_signing_keys().await.unwrap();
    assert_eq!(the_key(&app, KeyState::Gone).await, before);
    assert_eq!(published(&app).await, [rotation.kid]);
    assert_eq!((audited(&app, "signing_key_gone", "system").await), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_next_key_that_is_old_enough_signs_at_once_when_it_is_wanted() {
    let app = TestApp::on_services_with(&[("KEYS__ROTATE_DAYS", "1")]).await;
    let site = app.flows.sites.iter().find(|site| site.id == "reader").unwrap();
    let before = the_key(&app, KeyState::Active).await;
    // Made late, after an outage: its time is an hour from now.
    app.advance(23 * HOUR + Duration::from_secs(3540)).await;
    app.flows.load_signing_keys().await.unwrap();
    let next = the_key(&app, KeyState::Next).await;
    let services = app.services.as_ref().unwrap();
    sqlx::query("update auth.signing_keys set created_at = created_at - interval '1 hour' where kid = $1")
        .bind(&next)
        .execute(&services.sql)
        .await
        .unwrap();
    let rotation = app.flows.rotate_signing_key(site, OPERATOR).await.unwrap();
    assert_eq!((rotation.is_active, &rotation.kid), (true, &next));
    assert_eq!(the_key(&app, KeyState::Retiring).await, before);
    assert_eq!(audited(&app, "signing_key_hastened", "operator").await, 1);
    assert_eq!(audited(&app, "signing_key_activated", "operator").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_binds_on_the_other_replica_by_itself_within_a_minute() {
    let app = TestApp::on_services().await;
    let other = app.replica(&[]).await;
    let session = app.sign_in(READER, "ada@example.org").await;
    let access = text(&session, "access_token");
    assert!(recognises(&app, access).await && recognises(&other, access).await);
    let kid = kid_of(access);
    let started = Instant::now();
    let revoked = app.flows.revoke_signing_key(&kid, OPERATOR).await.unwrap();
    assert!(!recognises(&app, access).await);
    // What it signs instead is known at once, by being seen.
    let refreshed = app.refresh(READER, text(&session, "refresh_token")).await;
    let renewed = text(&refreshed.assert_ok().body, "access_token");
    assert_eq!(Some(kid_of(renewed)), revoked.successor);
    assert!(recognises(&other, renewed).await);
    assert!(!recognises(&other, access).await);
    // And where nobody shows it, the other reads the keys by itself.
    let refreshed = app.refresh(READER, text(&refreshed.body, "refresh_token")).await;
    let renewed = text(&refreshed.assert_ok().body, "access_token");
    app.flows.revoke_signing_key(&kid_of(renewed), OPERATOR).await.unwrap();
    while recognises(&other, renewed).await {
        assert!(started.elapsed() < Duration::from_secs(60), "it still binds nobody");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_made_up_keys_have_the_keys_read_now_and_then_and_no_oftener() {
    let app = TestApp::on_services().await;
    let services = app.services.as_ref().unwrap();
    let session = app.sign_in(READER, "ada@example.org").await;
    let (_, rest) = text(&session, "access_token").split_once('.').unwrap();
    // {"alg":"ES256","kid":"nobody"}
    let made_up = format!("eyJhbGciOiJFUzI1NiIsImtpZCI6Im5vYm9keSJ9.{rest}");
    // A reading takes this lock; one would wait for it.
    let mut lock = services.sql.begin().await.unwrap();
    let readings = async || services.connections("wait_event_type = 'Lock'").await;
    assert!(!recognises(&app, &made_up).await);
    sqlx::query("lock table auth.signing_keys in access exclusive mode").execute(&mut *lock).await.unwrap();
    let started = Instant::now();
    for _ in 0..50 {
        assert!(!recognises(&app, &made_up).await);
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(readings().await, 0);
    lock.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_replicas_that_find_the_same_thing_due_one_does_it() {
    let day = [("KEYS__ROTATE_DAYS", "1")];
    let app = TestApp::on_services_with(&day).await;
    let other = app.replica(&day).await;
    let services = app.services.as_ref().unwrap();
    for round in 1..=10 {
        for wait in [23 * HOUR, HOUR] {
            app.advance(wait + Duration::from_secs(1)).await;
            let readings = (0..4).flat_map(|_| [&app, &other]).map(|app| app.flows.load_signing_keys());
            for done in futures_util::future::join_all(readings).await {
                done.unwrap();
            }
            assert_eq!(keys_in(&app, KeyState::Active).await.len(), 1);
            assert_eq!(services.count("auth.signing_keys where state = 'active'").await, 2);
        }
        // Two sites, each with its first key and one more a round.
        let each = [
            ("signing_key_made", 2 + 2 * round),
            ("signing_key_activated", 2 + 2 * round),
            ("signing_key_retired", 2 * round),
        ];
        for (action, count) in each {
            assert_eq!(audited(&app, action, "system").await, count, "{action} in round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_races_a_promotion_leaves_one_key_that_signs() {
    let day = [("KEYS__ROTATE_DAYS", "1")];
    let app = TestApp::on_services_with(&day).await;
    let other = app.replica(&day).await;
    for _ in 0..10 {
        app.advance(23 * HOUR + Duration::from_secs(1)).await;
        app.flows.load_signing_keys().await.unwrap();
        app.advance(HOUR).await;
        let active = the_key(&app, KeyState::Active).await;
        let (revoked, promoted) =
            tokio::join!(app.flows.revoke_signing_key(&active, OPERATOR), other.flows.load_signing_keys(),);
        revoked.unwrap();
        promoted.unwrap();
        let signing = the_key(&app, KeyState::Active).await;
        assert_ne!(signing, active);
        assert!(!keys_in(&app, KeyState::Retiring).await.iter().any(|key| key.kid == active));
        // The next key of this round may still be waiting; let it have its turn.
        app.flows.load_signing_keys().await.unwrap();
        other.flows.load_signing_keys().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_stays_gone_and_has_no_private_part() {
    let app = TestApp::on_services().await;
    let kid = the_key(&app, KeyState::Active).await;
    app.flows.revoke_signing_key(&kid, OPERATOR).await.unwrap();
    let sql = &app.services.as_ref().unwrap().sql;
    let left: i32 =
        sqlx::query_scalar("select octet_length(wrapped_private_key) from auth.signing_keys where kid = $1")
            .bind(&kid)
            .fetch_one(sql)
            .await
            .unwrap();
    assert_eq!(left, 0);
    let revived =
        sqlx::query("update auth.signing_keys set state = 'retiring', drop_at = now() where kid = $1")
            .bind(&kid)
            .execute(sql)
            .await;
    let refused = revived.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "23514");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_algorithm_signs_once_verifiers_have_its_key_and_the_old_key_retires() {
    let app = TestApp::on_services().await;
    let before = the_key(&app, KeyState::Active).await;
    let session = app.sign_in(READER, "ada@example.org").await;
    let app = app.restart_with(&[("SITES__READER__TOKEN_ALGORITHM", "RS256")]).await;
    assert_eq!(the_key(&app, KeyState::Active).await, before);
    let next = the_key(&app, KeyState::Next).await;
    assert_eq!(published(&app).await, [before.clone(), next.clone()]);
    let refreshed = app.refresh(READER, text(&session, "refresh_token")).await.assert_ok().body.clone();
    assert_eq!(kid_of(text(&refreshed, "access_token")), before);
    app.advance(HOUR + Duration::from_secs(1)).await;
    app.flows.load_signing_keys().await.unwrap();
    assert_eq!(the_key(&app, KeyState::Retiring).await, before);
    let refreshed = app.refresh(READER, text(&refreshed, "refresh_token")).await.assert_ok().body.clone();
    assert_eq!(kid_of(text(&refreshed, "access_token")), next);
    assert!(recognises(&app, text(&refreshed, "access_token")).await);
}
