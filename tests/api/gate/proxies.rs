//! The files in `config/` at work: a real nginx and a real Caddy before the server and an application.
//!
//! Each file is used as it is but for what it says is to be replaced: host, addresses, and TLS, which these tests speak none of.

use std::path::Path;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tokio::process::Command;

use super::cookies::cookie_beside;
use super::stack::{Stack, nginx_around};
use crate::support::app::{READER, text};
use crate::support::services::setting;
use crate::support::shipped::{free_port, replaced, shipped};

const PAGE: (&str, &str) = ("Accept", "text/html");

/// The story that every proxy has to tell. Gives the header of somebody who is signed in and staff nowhere.
async fn the_gate_holds(stack: &Stack) -> String {
    // Nobody.
    let answer = stack.get("/libraries/north?tab=1", &[PAGE]).await;
    let wanted = Some("/login?redirectTo=%2Flibraries%2Fnorth%3Ftab%3D1");
    assert_eq!((answer.status, answer.header("location")), (302, wanted), "{}", answer.head);
    let answer = stack.get("/libraries/north", &[]).await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.to_string().contains("not_signed_in"), "{}", answer.body);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{}", answer.head);
    assert_eq!(stack.send("POST", "/libraries/north", &[PAGE]).await.unwrap().status, 401);
    assert_eq!(stack.reached(), 0);
    let answer = stack.get("/open/x?y=%2F", &[]).await;
    assert_eq!((answer.told("authorization"), &answer.body["uri"]), (String::new(), &json!("/open/x?y=%2F")));

    // What clients make up.
    let forged = [
        ("X-Doorcode-User", "1"),
        ("x-doorcode-user", "2"),
        ("X-Doorcode-Email", "root@example.org"),
        ("X-Doorcode-Session", "3"),
        ("X-Doorcode-Libraries", "north"),
        ("X_Doorcode_User", "4"),
        ("X_DOORCODE_LIBRARIES", "north"),
        ("Authorization", "Basic cm9vdDpyb290"),
        ("X-Forwarded-Uri", "/open"),
        ("X-Original-URI", "/open"),
        ("X-Forwarded-Method", "GET"),
        ("X-Original-Method", "GET"),
        ("X-Forwarded-Host", READER),
    ];
    let names = [
        "x-doorcode-user",
        "x-doorcode-email",
        "x-doorcode-session",
        "x-doorcode-libraries",
        "x_doorcode_user",
        "x_doorcode_libraries",
        "authorization",
    ];
    let answer = stack.get("/open/x", &forged).await;
    assert_eq!(names.map(|name| answer.told(name)), names.map(|_| String::new()), "{}", answer.body);
    assert_eq!(stack.get("/libraries/north", &forged).await.status, 401);

    // Staff, with what they send themselves replaced.
    let token = stack.gate.token("owner").await;
    let bearer = format!("Bearer {token}");
    let headers = [&forged[..7], &forged[8..], &[("Authorization", bearer.as_str())]].concat();
    let answer = stack.get("/libraries/north/staff", &headers).await;
    assert_eq!(
        ["x-doorcode-email", "x-doorcode-libraries", "x_doorcode_user"].map(|name| answer.told(name)),
        ["owner@example.org", "north", ""]
    );
    let keys = stack.get("/auth/v1/.well-known/jwks.json", &[]).await;
    let claims = claims_of(&answer.told("authorization"), &keys.body);
    assert_eq!(claims["sub"], answer.told("x-doorcode-user"));
    assert_eq!(claims["session_id"], answer.told("x-doorcode-session"));

    // A browser with the cookie of that session: the application gets a token all the same.
    let cookie = cookie_beside(&token);
    let answer = stack.get("/libraries/north", &[PAGE, ("Cookie", &cookie)]).await;
    assert_eq!(claims_of(&answer.told("authorization"), &keys.body)["session_id"], claims["session_id"]);
    assert_ne!(answer.told("authorization"), bearer);
    // The cookie itself stays behind, its neighbours do not.
    assert_eq!(answer.told("cookie"), "");
    for (sent, wanted) in [
        (format!("a=b; {cookie}; c=d"), vec!["a=b", "c=d"]),
        (format!("{cookie}; c=d"), vec!["c=d"]),
        (format!("a=b; {cookie}"), vec!["a=b"]),
        ("a=b; c=d".to_owned(), vec!["a=b", "c=d"]),
    ] {
        let headers = [("Cookie", sent.as_str()), ("Authorization", &bearer)];
        let got = stack.get("/libraries/north", &headers).await.told("cookie");
        let got: Vec<_> = got.split(';').map(str::trim).filter(|pair| !pair.is_empty()).collect();
        assert_eq!(got, wanted, "{sent}");
    }
    let posted = [("Cookie", cookie.as_str()), ("Content-Length", "0"), ("Origin", "https://evil.example")];
    assert_eq!(stack.send("POST", "/libraries/north", &posted).await.unwrap().status, 403);
    let posted =
        [("Cookie", cookie.as_str()), ("Content-Length", "0"), ("Origin", "http://manage.localhost:8080")];
    assert_eq!(stack.send("POST", "/libraries/north", &posted).await.unwrap().body["method"], "POST");

    // Staff elsewhere, people who are no staff, and a reader's token.
    let answer = stack.get("/libraries/south", &[("Authorization", &bearer), PAGE]).await;
    assert_eq!((answer.status, answer.header("location")), (403, None));
    let patron = format!("Bearer {}", stack.gate.token("patron").await);
    let answer = stack.get("/libraries/north", &[("Authorization", &patron), PAGE]).await;
    assert_eq!((answer.status, answer.header("location")), (302, Some("/request-access")));
    assert_eq!(stack.get("/libraries/north", &[("Authorization", &patron)]).await.status, 403);
    assert_eq!(stack.get("/me", &[("Authorization", &patron)]).await.told("x-doorcode-libraries"), "");
    let reader = stack.gate.app.sign_in(READER, "owner@example.org").await;
    let reader = format!("Bearer {}", text(&reader, "access_token"));
    assert_eq!(stack.get("/me", &[("Authorization", &reader)]).await.status, 401);

    // Doorcode's own paths go there, the gate itself does not.
    assert_eq!(stack.get("/auth/v1/settings", &[]).await.status, 200);
    for path in [
        "/auth/v1/forward",
        "/auth/v1/forward?redirects=false",
        "/auth/v1/%66orward",
        "/auth/v1//forward",
        "/auth/v1/x/../forward",
    ] {
        let headers =
            [("Authorization", bearer.as_str()), ("X-Forwarded-Uri", "/me"), ("X-Forwarded-Method", "GET")];
        let answer = stack.get(path, &headers).await;
        assert!(matches!(answer.status, 400..500), "{path}: {}", answer.head);
        assert_eq!(answer.header("authorization"), None, "{path}");
    }
    patron
}

/// No spelling of a path brings somebody to the application who may not go there, or anybody to another site.
async fn no_trick_gets_past(stack: &Stack, patron: &str) {
    let reached = stack.reached();
    for trick in [
        "//libraries/north",
        "/open//libraries/north",
        "/open/../libraries/north",
        "/open/..%2flibraries/north",
        "/open/%2e%2e/libraries/north",
        "/open/%2e%2e%2flibraries/north",
        "/open/..%5clibraries",
        "/open/..\\libraries",
        "/open/..;/libraries/north",
        "/open;/../libraries/north",
        "/open/%252e%252e/libraries",
        "/open/x%00",
        "/open/%c0%ae%c0%ae/libraries",
        "/login/../libraries/north",
        "/login/..%2flibraries/north",
        "/login%2f..%2flibraries%2fnorth",
        "/auth/v1/../../libraries/north",
        "/auth/v1/%2e%2e/%2e%2e/libraries/north",
        "/doorcode/..%2flibraries/north",
        "/.doorcode-gate",
        "//evil.example",
        "//evil.example/%2e%2e",
        "/\\evil.example",
        "/%5cevil.example",
        "/%0d%0aLocation:%20https://evil.example",
        "/.//evil.example",
        "/%2f%2fevil.example",
        "http://evil.example/libraries/north",
        "http://manage.localhost//evil.example/",
    ] {
        for headers in [&[PAGE][..], &[PAGE, ("Authorization", patron)]] {
            let Some(answer) = stack.send("GET", trick, headers).await else { continue };
            let place = answer.header("location").unwrap_or("/login");
            assert!(
                place == "/login" || place == "/request-access" || place.starts_with("/login?redirectTo=%2F"),
                "{trick}: {place}"
            );
            assert!(answer.body["uri"].is_null(), "{trick}: {}", answer.body);
        }
    }
    assert_eq!(stack.reached(), reached, "the application was reached");
    // Another site's host is answered by nobody, and does not choose the rules.
    for host in ["reader.localhost:8080", "reader.localhost", "evil.example", "127.0.0.1:8080"] {
        let answer = stack.send("GET", "/books", &[("Host", host)]).await;
        assert!(answer.is_none_or(|answer| answer.status != 401 && answer.body["uri"].is_null()), "{host}");
    }
    assert_eq!(stack.reached(), reached, "the application was reached");
}

/// The claims of a bearer token, checked as any application can: by the key set that the site publishes.
fn claims_of(authorization: &str, keys: &Value) -> Value {
    let token = authorization.strip_prefix("Bearer ").unwrap();
    let keys: JwkSet = serde_json::from_value(keys.clone()).unwrap();
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let mut expected = Validation::new(Algorithm::ES256);
    expected.set_audience(&["management"]);
    expected.set_issuer(&["http://manage.localhost:8080/auth/v1"]);
    let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    jsonwebtoken::decode::<Value>(token, &key, &expected).unwrap().claims
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_t42_nginx_with_the_file_that_we_ship() {
    let mut stack = Stack::behind_nginx().await;
    let patron = the_gate_holds(&stack).await;
    no_trick_gets_past(&stack, &patron).await;
    // The server is gone: nobody passes, not even where it is public.
    stack.gate.app.stop().await;
    let answer = stack.get("/open", &[]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")));
    stack.proxy.kill().await.unwrap();
    let log = std::fs::read_to_string(stack.folder.path().join("error.log")).unwrap();
    assert!(!log.contains("Bearer"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_t42_caddy_with_the_file_that_we_ship() {
    let mut stack = Stack::behind_caddy().await;
    let patron = the_gate_holds(&stack).await;
    no_trick_gets_past(&stack, &patron).await;
    stack.gate.app.stop().await;
    assert_eq!(stack.get("/open", &[]).await.status, 502);
    stack.proxy.kill().await.unwrap();
}

/// The whole file with its TLS, which the story above leaves out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_accepts_the_file_with_its_tls() {
    let folder = tempfile::tempdir().unwrap();
    let file = shipped("config/nginx.conf");
    let certificates = Path::new(&setting("DOORCODE_TEST_SMTP_CA")).parent().unwrap().to_owned();
    let certificate = certificates.join("localhost").display().to_string();
    let file = replaced(
        &file,
        &[
            // nginx takes the ports to test a file.
            ("listen 443 ssl", &format!("listen 127.0.0.1:{} ssl", free_port())),
            ("/etc/ssl/manage.library.example.pem", &format!("{certificate}.pem")),
            ("/etc/ssl/private/manage.library.example.key", &format!("{certificate}.key")),
        ],
    );
    std::fs::write(folder.path().join("site.conf"), file).unwrap();
    std::fs::write(folder.path().join("main.conf"), nginx_around("site.conf")).unwrap();
    let mut command = Command::new(setting("DOORCODE_TEST_NGINX"));
    let tried = command.arg("-t").arg("-p").arg(folder.path()).args(["-c", "main.conf", "-e", "error.log"]);
    let tried = tried.output().await.unwrap();
    assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
}

/// The ten lines of the README, with nothing around them but an application.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_nginx_with_the_ten_lines_of_the_readme() {
    let readme = shipped("README.md");
    let (_, section) = readme.split_once("## Protect a site in ten lines of nginx\n").unwrap();
    let (_, block) = section.split_once("```nginx\n").unwrap();
    let (lines, _) = block.split_once("```").unwrap();
    assert_eq!(lines.lines().count(), 10);
    let site = format!("{lines}location / {{ proxy_pass http://127.0.0.1:3000; }}\n");
    let stack = Stack::start(&site, |folder, port, lines| {
        let lines = replaced(lines, &[("www.library.example", "manage.localhost:8080")]);
        let site = format!("server {{\nlisten 127.0.0.1:{port};\n{lines}}}\n");
        std::fs::write(folder.join("site.conf"), site).unwrap();
        std::fs::write(folder.join("main.conf"), nginx_around("site.conf")).unwrap();
        let mut command = Command::new(setting("DOORCODE_TEST_NGINX"));
        command.arg("-p").arg(folder).args(["-c", "main.conf", "-e", "error.log"]);
        command
    })
    .await;
    let bearer = format!("Bearer {}", stack.gate.token("owner").await);
    let authorization = ("Authorization", bearer.as_str());
    assert_eq!(stack.get("/open/x", &[]).await.status, 200);
    assert_eq!(stack.get("/libraries/north", &[authorization]).await.status, 200);
    assert_eq!(stack.get("/libraries/south", &[authorization]).await.status, 403);
    assert_eq!(stack.get("/libraries/north", &[]).await.status, 401);
    let reached = stack.reached();
    for forged in [
        ("X-Forwarded-Uri", "/open"),
        ("X-Original-URI", "/open"),
        ("X-Original-Method", "HEAD"),
        ("X-Forwarded-Host", READER),
        ("Host", READER),
        ("Origin", "http://reader.localhost:8080"),
        ("apikey", "doorcode_pub_reader_dev"),
        ("Content-Length", "0"),
    ] {
        let answer = stack.get("/libraries/north", &[forged]).await;
        assert!(matches!(answer.status, 401 | 500), "{forged:?}: {}", answer.head);
    }
    for trick in ["/open/../libraries/north", "/open//x", "/open/%2e%2e/x", "/open/..%2fx", "/open;/x"] {
        assert_eq!(stack.get(trick, &[authorization]).await.status, 403, "{trick}");
    }
    assert_eq!(stack.reached(), reached);
}
