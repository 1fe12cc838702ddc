//! Redis is slow, full, or has forgotten everything: what it costs, and whom it does not concern.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::support::app::{READER, text};
use super::super::support::{OwnRedis, Services};
use super::serve;

/// A way to Redis on which every answer takes its time.
struct SlowWay {
    /// Redis, by this way.
    url: String,
    millis: Arc<AtomicU64>,
}

impl SlowWay {
    async fn to(redis: &OwnRedis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, ours) = (redis.masters[0], listener.local_addr().unwrap().port());
        let url = redis.url.replace(&format!(":{port}"), &format!(":{ours}"));
        let way = Self { url, millis: Arc::default() };
        let millis = Arc::clone(&way.millis);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let millis = Arc::clone(&millis);
                tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
                tokio::spawn(async move {
                    let mut bytes = vec![0; 1 << 16];
                    loop {
                        let Ok(count @ 1..) = from_server.read(&mut bytes).await else { return };
                        tokio::time::sleep(Duration::from_millis(millis.load(Ordering::SeqCst))).await;
                        if to_client.write_all(&bytes[..count]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        way
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f02_a_slow_redis_costs_guesses_no_more_than_once_and_sessions_nothing() {
    let redis = OwnRedis::start(&["one"]).await;
    let way = SlowWay::to(&redis).await;
    let services = Services::on(&redis).await;
    let folder = tempfile::tempdir().unwrap();
    let more = [("REDIS__URL", way.url.as_str()), ("SERVER__METRICS_LISTEN", "127.0.0.1:0")];
    let process = serve(&redis, &services, &more, folder.path()).await;
    for email in ["ada@example.org", "eve@example.org"] {
        let asked = process.post(READER, "/auth/v1/otp", json!({"email": email})).await;
        assert_eq!(asked.0.as_u16(), 200);
    }
    let (code, other) =
        (process.code_from_inbox("ada@example.org").await, process.code_from_inbox("eve@example.org").await);
    let (_, session) = process.verify(READER, "ada@example.org", &code).await;
    way.millis.store(1500, Ordering::SeqCst);
    let mut times = Vec::new();
    for round in 0..12 {
        let (path, body) = match round {
            0..3 => {
                ("/auth/v1/verify", json!({"type": "email", "email": "eve@example.org", "token": "000000"}))
            }
            _ => ("/auth/v1/otp", json!({"email": format!("v{round}@example.org")})),
        };
        let began = Instant::now();
        let (status, body) = process.post(READER, path, body).await;
        assert_eq!((status.as_u16(), text(&body, "code")), (503, "service_unavailable"));
        times.push(began.elapsed());
    }
    assert!(times.iter().all(|took| *took < Duration::from_secs(2)), "{times:?}");
    assert!(times.iter().filter(|took| **took < Duration::from_millis(100)).count() >= 4, "{times:?}");
    assert!(process.metrics().await.contains("doorcode_redis_resting 1"));
    let mut refresh = text(&session, "refresh_token").to_owned();
    for _ in 0..20 {
        let began = Instant::now();
        let path = "/auth/v1/token?grant_type=refresh_token";
        let (status, next) = process.post(READER, path, json!({"refresh_token": refresh})).await;
        assert_eq!(status.as_u16(), 200, "{next}");
        let access = text(&next, "access_token").to_owned();
        let found = process.as_bearer(READER, Method::GET, "/auth/v1/user", &access, json!({})).await;
        assert_eq!(found.0.as_u16(), 200);
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
        text(&next, "refresh_token").clone_into(&mut refresh);
    }
    let (_, last) = process
        .post(READER, "/auth/v1/token?grant_type=refresh_token", json!({"refresh_token": refresh}))
        .await;
    let began = Instant::now();
    let access = text(&last, "access_token");
    let out = process.as_bearer(READER, Method::POST, "/auth/v1/logout", access, json!({})).await;
    assert_eq!(out.0.as_u16(), 204);
    assert!(began.elapsed() < Duration::from_millis(500), "signing out took {:?}", began.elapsed());
    assert_eq!(
        services
            .count("auth.sessions where user_id in (select id from auth.users where email like 'eve%')")
            .await,
        0
    );
    way.millis.store(0, Ordering::SeqCst);
    // Three guesses at most, of five, were made by what nobody waited for.
    let recovered = Instant::now();
    loop {
        let (status, body) = process.verify(READER, "eve@example.org", &other).await;
        if status.as_u16() == 200 {
            break;
        }
        assert_eq!(status.as_u16(), 503, "{body}");
        assert!(recovered.elapsed() < Duration::from_secs(10), "no recovery:\n{}", process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(process.metrics().await.contains("doorcode_redis_resting 0"));
    assert_eq!(services.count("auth.sessions").await, 1);
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f02_a_right_code_whose_answer_was_late_works_again_long_before_its_lease_is_over() {
    let redis = OwnRedis::start(&["one"]).await;
    let way = SlowWay::to(&redis).await;
    let services = Services::on(&redis).await;
    let folder = tempfile::tempdir().unwrap();
    let process = serve(&redis, &services, &[("REDIS__URL", way.url.as_str())], folder.path()).await;
    let asked = process.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org"})).await;
    assert_eq!(asked.0.as_u16(), 200);
    let code = process.code_from_inbox("ada@example.org").await;
    // Redis has the script by now, and what is slow from here on is its answer alone.
    assert_eq!(process.verify(READER, "ada@example.org", "000000").await.0.as_u16(), 403);
    way.millis.store(1500, Ordering::SeqCst);
    let (status, body) = process.verify(READER, "ada@example.org", &code).await;
    assert_eq!((status.as_u16(), text(&body, "code")), (503, "service_unavailable"));
    way.millis.store(0, Ordering::SeqCst);
    let recovered = Instant::now();
    while process.verify(READER, "ada@example.org", &code).await.0.as_u16() != 200 {
        // The lease is of ten seconds.
        assert!(recovered.elapsed() < Duration::from_secs(6), "no recovery:\n{}", process.log());
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(services.count("auth.sessions").await, 1);
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_forgetting_everything_between_guesses_gives_nobody_more_of_them_on_a_code() {
    let redis = OwnRedis::start(&["one"]).await;
    let (services, folder) = (Services::on(&redis).await, tempfile::tempdir().unwrap());
    let process = serve(&redis, &services, &[], folder.path()).await;
    process.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org"})).await;
    let code = process.code_from_inbox("ada@example.org").await;
    for _ in 0..3 {
        assert_eq!(process.verify(READER, "ada@example.org", "000000").await.0.as_u16(), 403);
    }
    let mut server = services.redis().await;
    redis::cmd("FLUSHALL").exec_async(&mut server).await.unwrap();
    // The scripts are gone too.
    redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut server).await.unwrap();
    for guess in ["000000", code.as_str()] {
        let (status, body) = process.verify(READER, "ada@example.org", guess).await;
        assert_eq!((status.as_u16(), text(&body, "code")), (403, "otp_expired"));
    }
    assert_eq!(services.count("auth.sessions").await, 0);
    // They ask again, and the queue, whose group is gone, brings it.
    let asked = process.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org"})).await;
    assert_eq!(asked.0.as_u16(), 200);
    let code = process.nth_code_from_inbox("ada@example.org", 2).await;
    assert_eq!(process.verify(READER, "ada@example.org", &code).await.0.as_u16(), 200);
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f05_a_full_redis_takes_no_more_codes_and_forgets_no_count() {
    let redis = OwnRedis::start(&["one"]).await;
    let (services, folder) = (Services::on(&redis).await, tempfile::tempdir().unwrap());
    let process = serve(&redis, &services, &[], folder.path()).await;
    process.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org"})).await;
    let code = process.code_from_inbox("ada@example.org").await;
    assert_eq!(process.verify(READER, "ada@example.org", "000000").await.0.as_u16(), 403);
    let mut keys = services.keys().await;
    keys.retain(|key| [":code:", ":wrong:", ":sends:"].iter().any(|kind| key.contains(kind)));
    assert_eq!(keys.len(), 3, "{keys:?}");
    let mut server = services.redis().await;
    let limit = async |server: &mut redis::aio::MultiplexedConnection, bytes: &str| {
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec_async(server).await.unwrap();
    };
    limit(&mut server, "1mb").await;
    for path in ["/auth/v1/otp", "/auth/v1/verify"] {
        let body = json!({"type": "email", "email": "ada@example.org", "token": "000000"});
        let answer = process.answer(READER, path, &body).await;
        assert_eq!(answer.status().as_u16(), 503, "{path}");
        assert!(answer.headers().contains_key("retry-after"), "{path}");
    }
    let now = services.keys().await;
    assert!(keys.iter().all(|key| now.contains(key)), "{keys:?} of {now:?}");
    let (status, ready) = process.get(READER, "/health/ready").await;
    assert_eq!(status.as_u16(), 200, "{ready}");
    limit(&mut server, "0").await;
    assert_eq!(process.verify(READER, "ada@example.org", &code).await.0.as_u16(), 200);
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f20_requests_that_are_given_up_mix_up_nobodys_answers() {
    let redis = OwnRedis::start(&["one"]).await;
    let (services, folder) = (Services::on(&redis).await, tempfile::tempdir().unwrap());
    let process = Arc::new(serve(&redis, &services, &[], folder.path()).await);
    let impatient = {
        let process = Arc::clone(&process);
        async move {
            for count in 0..2000_u64 {
                let body = json!({"email": format!("gone{count}@example.org")});
                let given_up = process.answer(READER, "/auth/v1/otp", &body);
                let _ = tokio::time::timeout(Duration::from_micros(200 + 20 * (count % 100)), given_up).await;
            }
        }
    };
    let giving_up = tokio::spawn(impatient);
    let mut checked = 0;
    while checked < 10 || !giving_up.is_finished() {
        let email = format!("ada{checked}@example.org");
        let asked = process.post(READER, "/auth/v1/otp", json!({"email": email})).await;
        assert_eq!(asked.0.as_u16(), 200, "{}", asked.1);
        let code = process.code_from_inbox(&email).await;
        let wrong = if code == "000000" { "111111" } else { "000000" };
        assert_eq!(process.verify(READER, &email, wrong).await.0.as_u16(), 403);
        let (status, session) = process.verify(READER, &email, &code).await;
        assert_eq!((status.as_u16(), &session["user"]["email"]), (200, &json!(email)));
        checked += 1;
    }
    giving_up.await.unwrap();
    assert_eq!(services.count("auth.sessions").await, i64::from(checked));
    assert_eq!(Arc::into_inner(process).unwrap().stop().await.0, Some(0));
}
