//! What happens at once: counted in the stores afterwards, not believed from the answers.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::sign_in::wrong_codes;
use super::support::app::{READER, text};
use super::support::{TestApp, on_both_backends};

on_both_backends! {
    async fn t01_of_two_hundred_wrong_guesses_and_one_right_at_most_five_count(app: TestApp) {
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", 1).await;
        let mut guesses = wrong_codes(&code, 200);
        guesses.insert(100, code.clone());
        let opened = verify_at_once(&app, guesses).await;
        assert!(opened <= 1, "{opened} sessions");
        if let Some(services) = &app.services {
            assert_eq!(services.count("auth.sessions").await, opened);
            let mut redis = services.redis().await;
            let mut wrong = 0_i64;
            for key in services.keys().await.iter().filter(|key| key.contains(":wrong:")) {
                wrong += redis::cmd("LLEN").arg(key).query_async::<i64>(&mut redis).await.unwrap();
            }
            assert!(wrong + opened <= 5, "{wrong} wrong guesses were admitted and {opened} right");
            assert!(wrong >= 4, "only {wrong} wrong guesses were counted");
        }
        // Whoever won: the code is gone.
        app.verify(READER, "ada@example.org", &code).await.assert_problem(403, "otp_expired");
    }

    async fn t02_a_right_code_a_hundred_times_at_once_opens_one_session(app: TestApp) {
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", 1).await;
        assert_eq!(verify_at_once(&app, vec![code; 100]).await, 1);
        if let Some(services) = &app.services {
            assert_eq!(services.count("auth.sessions").await, 1);
            assert_eq!(services.count("auth.audit_log where action = 'user_signedup'").await, 1);
        }
    }
}

/// Sends all guesses at the same moment and counts the sessions that were answered.
async fn verify_at_once(app: &TestApp, guesses: Vec<String>) -> i64 {
    let start = Arc::new(Barrier::new(guesses.len()));
    let mut answers = Vec::new();
    let all = futures_join(guesses.into_iter().map(|guess| {
        let start = Arc::clone(&start);
        async move {
            start.wait().await;
            app.verify(READER, "ada@example.org", &guess).await
        }
    }));
    answers.extend(all.await);
    let opened = answers.iter().filter(|answer| answer.status.is_success()).count();
    for answer in answers.iter().filter(|answer| !answer.status.is_success()) {
        answer.assert_problem(403, "otp_expired");
    }
    i64::try_from(opened).unwrap()
}

async fn futures_join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::future::join_all(futures).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t20_a_sign_out_that_races_refreshes_is_final() {
    let app = Arc::new(TestApp::on_services().await);
    let services = app.services.as_ref().unwrap();
    for round in 0..20 {
        let session = app.sign_in(READER, &format!("ada{round}@example.org")).await;
        let (access, refresh) =
            (text(&session, "access_token").to_owned(), text(&session, "refresh_token").to_owned());
        let mut racing = JoinSet::new();
        for _ in 0..4 {
            let (app, refresh) = (Arc::clone(&app), refresh.clone());
            racing.spawn(async move {
                let answer = app.refresh(READER, &refresh).await;
                answer.body["refresh_token"].as_str().map(str::to_owned)
            });
        }
        let signed_out = app.logout(READER, "", &access).await;
        assert_eq!(signed_out.status.as_u16(), 204);
        for token in racing.join_all().await.into_iter().flatten().chain([refresh]) {
            app.refresh(READER, &token).await.assert_problem(400, "session_not_found");
        }
    }
    assert_eq!(services.count("auth.sessions").await, 0);
    assert_eq!(
        services.count("auth.audit_log where action = 'refresh_token_reused'").await,
        0,
        "no false alarm"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_two_first_sign_ins_of_one_address_make_one_account() {
    let app = TestApp::on_services_with(&[
        ("SITES__SHOP__KIND", "reader"),
        ("SITES__SHOP__URL", "http://shop.localhost:8080"),
        ("SITES__SHOP__PUBLISHABLE_KEY", "doorcode_pub_shop_dev"),
        ("SITES__SHOP__AUDIENCE", "shop"),
    ])
    .await;
    let services = app.services.as_ref().unwrap();
    for round in 0..10 {
        let email = format!("ada{round}@example.org");
        let shop = "shop.localhost:8080";
        app.request_code(READER, &email).await.assert_ok();
        let on_reader = app.code(&email, 1).await;
        app.request_code(shop, &email).await.assert_ok();
        let on_shop = app.code(&email, 2).await;
        let (one, two) =
            tokio::join!(app.verify(READER, &email, &on_reader), app.verify(shop, &email, &on_shop));
        assert_eq!(one.assert_ok().body["user"]["id"], two.assert_ok().body["user"]["id"]);
    }
    assert_eq!(services.count("auth.users").await, 10);
    assert_eq!(services.count("public.user_profiles").await, 10);
    assert_eq!(services.count("public.user_preferences").await, 10);
    assert_eq!(services.count("auth.sessions").await, 20);
}
