//! Who passes where, and how soon it ends.

use std::time::Duration;

use reqwest::Method;

use super::people::{NOBODY, PEOPLE, Proxy, RULES, told};
use crate::support::app::{MANAGE, READER, text};
use crate::support::{Services, TestApp};

const PATHS: [&str; 9] = [
    "/health",
    "/me",
    "/",
    "/libraries/north",
    "/libraries/south/",
    "/libraries/closed",
    "/libraries/north/staff/7",
    "/libraries/south/staff",
    "/catalogue/books?page=2",
];

/// For each of [`PATHS`]: `+` passes, `?` has to sign in, `-` is staff nowhere, `x` has not the right.
const MATRIX: &[(&str, &str)] = &[
    ("", "+????????"),
    ("patron", "++-------"),
    ("removed", "++-------"),
    ("closed", "++-------"),
    ("volunteer", "++++xxxxx"),
    ("librarian", "++++xxxxx"),
    ("owner", "++++xx+x+"),
    ("elsewhere", "+++x+xx++"),
];

async fn each_demand_lets_through_whom_it_names(app: TestApp) {
    let proxy = Proxy::before(app);
    for (name, wanted) in MATRIX {
        let token = if name.is_empty() { None } else { Some(proxy.token(name).await) };
        let mut got = String::new();
        for path in PATHS {
            let answer = proxy.ask(path, token.as_deref()).await;
            got.push(match (answer.status.as_u16(), answer.header("x-sb-error-code")) {
                (200, None) => '+',
                (401, Some("not_signed_in")) => '?',
                (403, Some("not_staff")) => '-',
                (403, Some("forbidden")) => 'x',
                other => panic!("{name} {path}: {other:?}"),
            });
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        assert_eq!(got, *wanted, "{name}");
    }
    // The same people with a session of the reader site: signed in there, and staff nowhere.
    let session = proxy.app.sign_in(READER, "owner@example.org").await;
    let token = text(&session, "access_token");
    let answer = proxy.ask_at(READER, "/profile/settings", Some(token)).await;
    let bearer = format!("Bearer {token}");
    assert_eq!(
        told(answer.assert_ok())[1..],
        [Some("owner@example.org"), answer.header("x-doorcode-session"), Some(""), Some(bearer.as_str())]
    );
    proxy.ask_at(READER, "/profile/settings", None).await.assert_problem(401, "not_signed_in");
    assert_eq!(told(proxy.ask_at(READER, "/books", None).await.assert_ok()), NOBODY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_demand_lets_through_whom_it_names_on_services() {
    each_demand_lets_through_whom_it_names(TestApp::on_filled_services(PEOPLE, &[RULES]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_demand_lets_through_whom_it_names_on_embedded() {
    each_demand_lets_through_whom_it_names(TestApp::on_filled_embedded(PEOPLE, &[RULES]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_what_is_no_live_token_of_the_site_is_nobody() {
    let proxy = Proxy::on_services().await;
    let reader = proxy.app.sign_in(READER, "owner@example.org").await;
    let manager = proxy.app.sign_in(MANAGE, "owner@example.org").await;
    let token = text(&manager, "access_token");
    // The last character of a signature is one of A, Q, g and w.
    let bent = format!("{}{}", &token[..token.len() - 1], if token.ends_with('A') { 'Q' } else { 'A' });
    for wrong in [
        text(&reader, "access_token"),
        text(&reader, "refresh_token"),
        text(&manager, "refresh_token"),
        &bent,
        "a.b.c",
        "x",
        "doorcode_pub_manage_dev",
    ] {
        for path in ["/me", "/", "/libraries/north"] {
            proxy.ask(path, Some(wrong)).await.assert_problem(401, "not_signed_in");
        }
        assert_eq!(told(proxy.ask("/health", Some(wrong)).await.assert_ok()), NOBODY, "{wrong}");
    }
    // Other schemes are the application's business, and tell us nothing.
    let basic = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/me"), ("authorization", "Basic dTpw")];
    proxy.ask_with(MANAGE, "", &basic).await.assert_problem(401, "not_signed_in");
    proxy.ask("/me", Some(token)).await.assert_ok();
    proxy.app.advance(Duration::from_secs(900)).await;
    proxy.ask("/me", Some(token)).await.assert_problem(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t29_what_was_taken_away_is_gone_a_second_later() {
    let proxy = Proxy::on_services().await;
    let second = Duration::from_secs(1);
    let (owner, volunteer) = (proxy.token("owner").await, proxy.token("volunteer").await);
    let librarian = proxy.token("librarian").await;

    proxy.ask("/catalogue", Some(&owner)).await.assert_ok();
    proxy.sql("update library_staff set is_deleted = true where role = 'volunteer'").await;
    proxy.app.advance(second).await;
    proxy.ask("/libraries/north", Some(&volunteer)).await.assert_problem(403, "not_staff");

    proxy.ask("/libraries/north", Some(&librarian)).await.assert_ok();
    proxy.sql("update auth.users set banned_until = 'infinity' where email like 'librarian@%'").await;
    proxy.app.advance(second).await;
    proxy.ask("/libraries/north", Some(&librarian)).await.assert_problem(401, "not_signed_in");

    proxy.ask("/libraries/north", Some(&owner)).await.assert_ok();
    proxy.sql("update libraries set status = 'inactive' where code = 'north'").await;
    proxy.app.advance(second).await;
    proxy.ask("/libraries/north", Some(&owner)).await.assert_problem(403, "not_staff");
    proxy.sql("update libraries set status = 'active' where code = 'north'").await;
    proxy.app.advance(second).await;
    proxy.ask("/libraries/north", Some(&owner)).await.assert_ok();

    let bearer = [("authorization", format!("Bearer {owner}"))];
    let headers = bearer.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>();
    proxy.app.send(MANAGE, Method::POST, "/auth/v1/logout?scope=local", &headers, None).await;
    proxy.app.advance(second).await;
    proxy.ask("/libraries/north", Some(&owner)).await.assert_problem(401, "not_signed_in");
    assert_eq!(told(proxy.ask("/health", Some(&owner)).await.assert_ok()), NOBODY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_works_at_very_many_libraries_passes_at_each_and_the_header_has_an_end() {
    let proxy = Proxy::on_services().await;
    let token = proxy.token("patron").await;
    proxy
        .sql(
            "insert into libraries (name, code) select 'Branch', 'branch-' || lpad(n::text, 3, '0') from generate_series(1, 120) n;
             insert into library_staff (user_id, library_id, role)
             select u.id, l.id, 'volunteer' from auth.users u, libraries l
              where u.email = 'patron@example.org' and l.code like 'branch-%'",
        )
        .await;
    let answer = proxy.ask("/libraries/branch-120", Some(&token)).await;
    let codes: Vec<_> = told(answer.assert_ok())[3].unwrap().split(',').map(str::to_owned).collect();
    let wanted: Vec<_> = (1..=100).map(|n| format!("branch-{n:03}")).collect();
    assert_eq!(codes, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_public_paths_stay_open_and_the_rest_is_503() {
    let proxy = Proxy::on_services().await;
    let token = proxy.token("owner").await;
    let services = proxy.app.services.as_ref().unwrap();
    let mut lock = services.sql.begin().await.unwrap();
    sqlx::raw_sql("lock table auth.sessions").execute(&mut *lock).await.unwrap();
    let answer = proxy.ask("/libraries/north", Some(&token)).await;
    answer.assert_problem(503, "service_unavailable");
    assert!(answer.header("retry-after").is_some_and(|seconds| (1..=5).contains(&seconds.parse().unwrap())));
    assert_eq!(told(proxy.ask("/health", Some(&token)).await.assert_ok()), NOBODY);
    // Who shows nothing needs no database.
    proxy.ask("/libraries/north", None).await.assert_problem(401, "not_signed_in");
    lock.rollback().await.unwrap();
    proxy.ask("/libraries/north", Some(&token)).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobodys_claims_stay_on_a_connection() {
    let proxy =
        Proxy::before(TestApp::on_filled_services(PEOPLE, &[RULES, ("DATABASE__POOL_SIZE", "1")]).await);
    let token = proxy.token("owner").await;
    proxy.ask("/libraries/north", Some(&token)).await.assert_ok();
    // The same connection, for somebody with fewer rights and for nobody.
    let patron = proxy.token("patron").await;
    proxy.ask("/libraries/north", Some(&patron)).await.assert_problem(403, "not_staff");
    let permissions = proxy.app.get_with_token(MANAGE, "/api/v1/permissions", &patron).await;
    assert_eq!(permissions.assert_ok().body["is_library_staff"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_permissions_that_a_rule_can_name_are_those_of_the_database() {
    let services = Services::new().await;
    let known: Vec<String> =
        sqlx::query_scalar("select distinct permission from role_permissions order by permission")
            .fetch_all(&services.sql)
            .await
            .unwrap();
    let mut named = doorcode::domain::PERMISSIONS;
    named.sort_unstable();
    assert_eq!(known, named);
}
