//! Figures: what the audit log tells, as a number for each hour.

use std::time::Duration;

use doorcode::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, service_key};
use crate::support::app::{MANAGE, READER, text};
use crate::support::{TestApp, on_both_backends};

/// A series of a site.
fn series<'a>(figures: &'a Value, site: &str, name: &str) -> &'a Vec<Value> {
    let sites = figures["sites"].as_array().unwrap();
    sites.iter().find(|figures| figures["site"] == site).unwrap()[name].as_array().unwrap()
}

/// The sum of a series.
fn sum(figures: &Value, site: &str, name: &str) -> i64 {
    series(figures, site, name).iter().map(|number| number.as_i64().unwrap()).sum()
}

on_both_backends! {
    async fn sign_ins_and_their_ends_are_counted_by_site(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Read).await;
        let ada = app.sign_in(READER, "ada@example.org").await;
        app.sign_in(READER, "eve@example.org").await;
        app.sign_in(MANAGE, "ada@example.org").await;
        assert_eq!(app.logout(READER, "?scope=global", text(&ada, "access_token")).await.status, 204);

        let figures = ask(&app, &key, Method::GET, "/figures", None).await.assert_ok().body.clone();
        let hours = figures["hours"].as_array().unwrap().len();
        assert!([24, 25].contains(&hours), "{hours}");
        assert_eq!(figures["sites"].as_array().unwrap().len(), 2);
        for name in ["sign_ins", "refused_codes", "sends", "new_accounts", "sessions_ended"] {
            assert_eq!(series(&figures, "reader", name).len(), hours, "{name}");
        }
        assert_eq!((sum(&figures, "reader", "sign_ins"), sum(&figures, "reader", "new_accounts")), (2, 2));
        assert_eq!((sum(&figures, "management", "sign_ins"), sum(&figures, "management", "new_accounts")), (1, 0));
        // Both of Ada's sessions, where she said so.
        assert_eq!((sum(&figures, "reader", "sessions_ended"), sum(&figures, "management", "sessions_ended")), (2, 0));
        let one = ask(&app, &key, Method::GET, "/figures?site=management", None).await.body;
        assert_eq!((one["sites"].as_array().unwrap().len(), sum(&one, "management", "sign_ins")), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_are_of_a_month_at_most_and_read_an_index() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Read).await;
    let sql = &app.services.as_ref().unwrap().sql;
    sqlx::raw_sql(
        "insert into auth.audit_log (action, site, created_at)
             select 'profile_changed', 'reader', now() - n * interval '1 second' from generate_series(1, 100000) n;
         insert into auth.audit_log (action, site) select 'code_refused', 'reader' from generate_series(1, 500) n;
         analyze auth.audit_log",
    )
    .execute(sql)
    .await
    .unwrap();
    let plan: Vec<String> = sqlx::query_scalar(
        "explain (costs off) select date_trunc('hour', created_at, 'UTC'), site, action, count(*) from auth.audit_log
          where action = any(array['login', 'code_refused']) and created_at >= now() - interval '1 day'
            and created_at < now() and site is not null group by 1, 2, 3",
    )
    .fetch_all(sql)
    .await
    .unwrap();
    let plan = plan.join("\n");
    assert!(
        plan.contains("_action_created_at_site_idx") && !plan.contains("Seq Scan on audit_log_2"),
        "{plan}"
    );

    app.advance(Duration::from_secs(2 * 3600)).await;
    let figures = ask(&app, &key, Method::GET, "/figures?site=reader", None).await.assert_ok().body.clone();
    let refused = series(&figures, "reader", "refused_codes");
    assert_eq!(refused[refused.len() - 3], json!(500), "two hours ago");
    assert_eq!(sum(&figures, "reader", "refused_codes"), 500);
    for query in [
        "from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z",
        "from=2027-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "site=nowhere",
    ] {
        let refused = ask(&app, &key, Method::GET, &format!("/figures?{query}"), None).await;
        refused.assert_problem(422, "invalid_value");
    }
}
