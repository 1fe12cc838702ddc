//! How a request is described, and what becomes of one that does not pass.

use super::people::{PEOPLE, Proxy, RULES, told};
use crate::support::TestApp;
use crate::support::app::{MANAGE, READER};

const PAGE: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

fn get(path: &str) -> [(&str, &str); 2] {
    [("x-forwarded-method", "GET"), ("x-forwarded-uri", path)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_a_path_that_can_be_read_in_two_ways_passes_nowhere() {
    let proxy = Proxy::on_services().await;
    let token = proxy.token("owner").await;
    for trick in [
        "//libraries/north",
        "/open//x",
        "/open/../libraries/north",
        "/open/%2e%2e/x",
        "/open/..%2flibraries",
        "/open%2fx",
        "/open/..\\x",
        "/open%5cx",
        "/open/x%00",
        "/open/x;y",
        "/open/..;/x",
        "/open/%252e%252e/x",
        "/open/%c0%ae",
        "/open/%zz",
        "/open/x%0d%0aSet-Cookie:a=b",
        "/open/.",
        "/open/x%20",
        "/open/x#y",
    ] {
        for token in [None, Some(token.as_str())] {
            proxy.ask(trick, token).await.assert_problem(403, "path_refused");
        }
        // Nor is it a place to come back to.
        let answer = proxy.ask_with(MANAGE, "", &[&get(trick)[..], &[PAGE]].concat()).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (403, None), "{trick}");
    }
    proxy.ask("/open/x?a=//..%2f\\;%00", None).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_a_request_must_be_described_once_and_whole() {
    let proxy = Proxy::on_services().await;
    let ask = async |headers: &[(&str, &str)]| proxy.ask_with(MANAGE, "", headers).await;
    let method = ("x-forwarded-method", "GET");
    let long = format!("/open/{}", "a".repeat(9000));
    for headers in [
        &[][..],
        &[method],
        &[("x-forwarded-uri", "/open")],
        &[method, ("x-forwarded-uri", "")],
        &[method, ("x-forwarded-uri", "open")],
        &[method, ("x-forwarded-uri", "*")],
        &[method, ("x-forwarded-uri", "http://manage.localhost:8080/open")],
        &[method, ("x-forwarded-uri", &long)],
        &[("x-forwarded-method", "G ET"), ("x-forwarded-uri", "/open")],
        &[("x-forwarded-method", ""), ("x-forwarded-uri", "/open")],
        // A proxy that sets the one, and a client that sends the other.
        &[method, ("x-forwarded-uri", "/open"), ("x-original-uri", "/libraries/north")],
        &[method, ("x-forwarded-uri", "/open"), ("x-forwarded-uri", "/libraries/north")],
        &[method, ("x-forwarded-method", "POST"), ("x-forwarded-uri", "/open")],
        &[method, ("x-original-method", "POST"), ("x-forwarded-uri", "/open")],
        &[method, ("x-forwarded-uri", "/open"), ("authorization", "Bearer a"), ("authorization", "Bearer b")],
    ] {
        ask(headers).await.assert_problem(400, "validation_failed");
    }
    ask(&[("x-original-method", "GET"), ("x-original-uri", "/open/x")]).await.assert_ok();
    ask(&[method, ("x-forwarded-uri", "/open"), ("x-original-uri", "/open")]).await.assert_ok();
    let missing = ask(&[method]).await;
    assert!(
        missing.body["message"]
            .as_str()
            .unwrap()
            .starts_with("x-forwarded-uri is missing: the proxy must set it")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_says_of_itself_is_overwritten() {
    let proxy = Proxy::on_services().await;
    let forged = [
        ("x-doorcode-user", "00000000-0000-0000-0000-000000000001"),
        ("x-doorcode-email", "root@example.org"),
        ("x-doorcode-session", "x"),
        ("x-doorcode-libraries", "north,south"),
        ("x-doorcode-location", "https://evil.example"),
    ];
    let answer = proxy.ask_with(MANAGE, "", &[&get("/open")[..], &forged].concat()).await;
    assert_eq!(told(answer.assert_ok()), super::people::NOBODY);
    let token = format!("Bearer {}", proxy.token("owner").await);
    let headers = [&get("/libraries/north")[..], &forged, &[("authorization", token.as_str())]].concat();
    let answer = proxy.ask_with(MANAGE, "", &headers).await;
    let [user, email, session, libraries, authorization] = told(answer.assert_ok());
    assert_eq!(
        (email, libraries, authorization),
        (Some("owner@example.org"), Some("north"), Some(token.as_str()))
    );
    assert!(
        [user, session]
            .iter()
            .all(|id| uuid::Uuid::parse_str(id.unwrap()).is_ok_and(|id| id.get_version_num() > 1))
    );
    assert_eq!(answer.header("x-doorcode-location"), None);
    assert_eq!(answer.body, serde_json::Value::Null, "the answer has no body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_sent_to_where_its_person_can_help_themselves() {
    let proxy = Proxy::on_services().await;
    let patron = format!("Bearer {}", proxy.token("patron").await);
    let owner = format!("Bearer {}", proxy.token("owner").await);
    let page = async |path: &str, token: Option<&str>, query: &str| {
        let token = token.map(|token| ("authorization", token));
        let headers: Vec<_> = get(path).into_iter().chain([PAGE]).chain(token).collect();
        proxy.ask_with(MANAGE, query, &headers).await
    };
    for (path, wanted) in [
        ("/", "/login"),
        ("/libraries/north", "/login?redirectTo=%2Flibraries%2Fnorth"),
        ("/a?x=#", "/login?redirectTo=%2Fa%3Fx%3D%23"),
        ("/a%20b?x=1&y=%2F", "/login?redirectTo=%2Fa%2520b%3Fx%3D1%26y%3D%252F"),
        (
            "/a?next=https://evil.example/\\@x",
            "/login?redirectTo=%2Fa%3Fnext%3Dhttps%3A%2F%2Fevil.example%2F%5C%40x",
        ),
        ("/@evil.example", "/login?redirectTo=%2F%40evil.example"),
        ("/a?&redirectTo=//evil.example", "/login?redirectTo=%2Fa%3F%26redirectTo%3D%2F%2Fevil.example"),
    ] {
        let answer = page(path, None, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (302, Some(wanted)), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        // As nginx asks, which cannot pass a redirect on.
        let answer = page(path, None, "?redirects=false").await;
        assert_eq!(answer.header("location"), None);
        answer.assert_problem(401, "not_signed_in");
        assert!(answer.header("x-doorcode-location").unwrap().starts_with("/login"));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let long = format!("/x?{}", "a".repeat(4000));
    assert_eq!(page(&long, None, "").await.header("location"), Some("/login"));

    let answer = page("/libraries/north", Some(&patron), "").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (302, Some("/request-access")));
    let answer = page("/libraries/north", Some(&patron), "?redirects=false").await;
    answer.assert_problem(403, "not_staff");
    assert_eq!(answer.header("x-doorcode-location"), Some("/request-access"));
    for query in ["", "?redirects=false"] {
        let answer = page("/libraries/south", Some(&owner), query).await;
        answer.assert_problem(403, "forbidden");
        assert_eq!((answer.header("location"), answer.header("x-doorcode-location")), (None, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_browser_opening_a_page_gets_a_problem() {
    let proxy = Proxy::on_services().await;
    let ask = async |method: &str, accept: Option<&str>| {
        let accept = accept.map(|accept| ("accept", accept));
        let headers: Vec<_> =
            [("x-forwarded-method", method), ("x-forwarded-uri", "/")].into_iter().chain(accept).collect();
        let answer = proxy.ask_with(MANAGE, "", &headers).await;
        (answer.status.as_u16(), answer.header("location").map(str::to_owned))
    };
    for (method, accept) in [
        ("GET", None),
        ("GET", Some("*/*")),
        ("GET", Some("application/json")),
        ("GET", Some("text/htmlx")),
        ("POST", Some("text/html")),
    ] {
        assert_eq!(ask(method, accept).await, (401, None), "{method} {accept:?}");
    }
    for (method, accept) in [("GET", "text/html"), ("HEAD", "text/html"), ("GET", "*/*, TEXT/HTML;q=0.1")] {
        assert_eq!(ask(method, Some(accept)).await, (302, Some("/login".to_owned())), "{method} {accept}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_the_host_names_the_site_and_another_word_for_it_counts_from_our_own_proxies_alone() {
    let stranger = Proxy::on_services().await;
    let trusted = Proxy::before(
        TestApp::on_filled_services(PEOPLE, &[RULES, ("SERVER__TRUSTED_PROXIES", "127.0.0.1")]).await,
    );
    let ask = async |proxy: &Proxy, host: &str, more: &[(&str, &str)]| {
        let answer = proxy.ask_with(host, "", &[&get("/books")[..], more].concat()).await;
        (answer.status.as_u16(), answer.header("x-sb-error-code").map(str::to_owned))
    };
    let problem = |status: u16, code: &str| (status, Some(code.to_owned()));
    let forwarded = |host| [("x-forwarded-host", host)];
    let (passes, refused) = ((200, None), problem(401, "not_signed_in"));
    for proxy in [&stranger, &trusted] {
        // `/books` is public at the reader site and for staff at the other.
        assert_eq!(ask(proxy, READER, &[]).await, passes);
        assert_eq!(ask(proxy, MANAGE, &[]).await, refused);
        // A host of ours cannot be talked over, by no header.
        assert_eq!(ask(proxy, MANAGE, &forwarded(READER)).await, refused);
        assert_eq!(ask(proxy, READER, &forwarded(MANAGE)).await, passes);
        let others = [
            ("forwarded", "host=reader.localhost:8080"),
            ("x-host", READER),
            ("origin", "http://reader.localhost:8080"),
            ("apikey", "doorcode_pub_reader_dev"),
        ];
        assert_eq!(ask(proxy, MANAGE, &others).await, refused);
        // A shared host says nothing, and neither a key nor an origin can say it here.
        assert_eq!(ask(proxy, "127.0.0.1:8080", &others).await, problem(400, "site_unknown"));
        assert_eq!(ask(proxy, "evil.example", &others).await, problem(421, "unknown_host"));
    }
    for host in ["127.0.0.1:8080", "doorcode.internal:8080"] {
        assert_eq!(ask(&trusted, host, &forwarded(READER)).await, passes, "{host}");
        assert_eq!(ask(&trusted, host, &forwarded("Manage.Localhost:8080")).await, refused, "{host}");
        assert_eq!(ask(&trusted, host, &forwarded("evil.example")).await, problem(421, "unknown_host"));
        let twice = [("x-forwarded-host", READER), ("x-forwarded-host", MANAGE)];
        assert_eq!(ask(&trusted, host, &twice).await, problem(421, "unknown_host"));
        assert_ne!(ask(&stranger, host, &forwarded(READER)).await, passes, "{host}");
    }
}
