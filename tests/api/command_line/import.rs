//! `import supabase` and `export users`: who comes over, who does not, and what a killed import leaves.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::process::{Ended, run, spawn};
use crate::support::{Services, embedded};

const HEADING: &str = "instance_id,id,aud,email,encrypted_password,email_confirmed_at,last_sign_in_at,raw_app_meta_data,\
     raw_user_meta_data,created_at,updated_at,phone,banned_until,deleted_at,is_sso_user,is_anonymous";

/// A database of its own, a folder to work in, and the settings that lead to the first.
struct Desk {
    services: Services,
    settings: Vec<(String, String)>,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let services = Services::new().await;
        let mut settings = services.settings();
        settings.push(("DATABASE__MIGRATE_AT_START".to_owned(), "false".to_owned()));
        Self { services, settings, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        run(arguments, &self.settings, self.folder.path()).await
    }

    /// Imports, and reads the report.
    async fn import(&self, arguments: &[&str]) -> Value {
        self.run(&[&["import", "supabase", "--yes", "--json"], arguments].concat()).await.json()
    }

    async fn people(&self) -> Vec<String> {
        self.texts("select to_jsonb(u)::text from auth.users u order by id").await
    }

    async fn texts(&self, query: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(&self.services.sql).await.unwrap()
    }
}

/// A person as JSON lines have them, with some fields changed.
fn person(n: u32, changes: Value) -> Value {
    let mut person = json!({
        "id": id(n),
        "email": format!("person-{n}@example.org"),
        "email_confirmed_at": "2026-01-02T03:04:05.678901Z",
        "raw_user_meta_data": {"display_name": format!("Person {n}"), "sub": id(n)},
        "raw_app_meta_data": {"provider": "email", "providers": ["email"]},
        "created_at": "2025-12-31T23:59:59Z",
        "updated_at": "2026-02-03T04:05:06.5Z",
    });
    let Value::Object(changes) = changes else { panic!("not an object") };
    person.as_object_mut().unwrap().extend(changes);
    person
}

fn id(n: u32) -> Uuid {
    Uuid::from_u128(0x7000_0000_0000_4000_8000_0000_0000_0000 + u128::from(n))
}

fn lines(people: &[Value]) -> String {
    people.iter().fold(String::new(), |mut text, person| {
        writeln!(text, "{person}").unwrap();
        text
    })
}

/// Every oddity once, with what becomes of it.
fn oddities() -> Vec<(Value, &'static str)> {
    vec![
        (person(1, json!({})), "imported"),
        (person(2, json!({"email": "Person-2@Example.ORG"})), "imported"),
        (
            person(3, json!({"banned_until": "infinity", "last_sign_in_at": "2026-03-03T03:03:03Z"})),
            "imported",
        ),
        (person(4, json!({"deleted_at": "2026-03-03T03:03:03Z"})), "deleted"),
        (person(5, json!({"is_anonymous": true, "email": null})), "anonymous"),
        (person(6, json!({"email": "", "phone": "15551234567"})), "no_address"),
        (person(7, json!({"email_confirmed_at": null})), "unconfirmed"),
        (person(8, json!({"email": "\"odd one\"@example.org"})), "address_refused"),
        (person(9, json!({"raw_user_meta_data": {"essay": "x".repeat(3000)}})), "metadata_refused"),
        (person(10, json!({"raw_user_meta_data": {"name": "a\u{0}b"}})), "metadata_refused"),
        (person(11, json!({"raw_app_meta_data": {"essay": "x".repeat(3000)}})), "app_metadata_refused"),
        (person(12, json!({"created_at": "yesterday"})), "unreadable"),
        (person(13, json!({"id": "thirteen"})), "unreadable"),
        // The first again, in other letters; then its id, then its address, with somebody else's.
        (person(1, json!({"email": "PERSON-1@example.org"})), "already_here"),
        (person(1, json!({"email": "another@example.org"})), "id_taken"),
        (person(14, json!({"email": "person-1@example.org"})), "address_taken"),
        (person(15, json!({"raw_user_meta_data": null, "raw_app_meta_data": null})), "imported"),
    ]
}

fn counts(report: &Value) -> Vec<(String, u64)> {
    let outcomes = report["outcomes"].as_object().unwrap().iter();
    outcomes.map(|(name, count)| (name.clone(), count.as_u64().unwrap())).filter(|(_, n)| *n > 0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_oddity_is_taken_over_or_counted_by_its_reason_and_a_trial_says_the_same() {
    let desk = Desk::new().await;
    let (people, expected): (Vec<_>, Vec<_>) = oddities().into_iter().unzip();
    let file = desk.write("users.jsonl", &lines(&people));
    let rejects = desk.path("rejects.jsonl");

    let trial = desk.run(&["import", "supabase", &file, "--dry-run", "--json"]).await.json();
    assert_eq!(desk.services.count("auth.users").await, 0, "a trial writes nothing");
    assert_eq!(desk.services.count("auth.imports").await, 0);
    let report = desk.import(&[&file, "--rejects", &rejects]).await;
    assert_eq!(counts(&trial), counts(&report));
    assert_eq!((&trial["dry_run"], &report["records"]), (&json!(true), &json!(people.len())));

    let mut wanted = std::collections::BTreeMap::<String, u64>::new();
    for outcome in &expected {
        *wanted.entry((*outcome).to_owned()).or_default() += 1;
    }
    assert_eq!(counts(&report), wanted.into_iter().collect::<Vec<_>>());

    // The list of rejects names each with its record and reason, and is nobody else's to read.
    let list = std::fs::read_to_string(&rejects).unwrap();
    let told: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has_account = |outcome: &str| matches!(outcome, "imported" | "already_here");
    let rejected: Vec<_> = expected.iter().zip(1..).filter(|(outcome, _)| !has_account(outcome)).collect();
    assert_eq!(told.len(), rejected.len());
    for (line, (outcome, record)) in told.iter().zip(rejected) {
        assert_eq!((&line["reason"], &line["record"]), (&json!(outcome), &json!(record)), "{line}");
    }
    assert_eq!(told.last().unwrap()["email"], "person-1@example.org");
    assert_eq!(std::fs::metadata(&rejects).unwrap().permissions().mode() & 0o777, 0o600);

    let first: Value = serde_json::from_str(&desk.people().await[0]).unwrap();
    assert_eq!(first["id"], json!(id(1)));
    assert_eq!(first["raw_user_meta_data"], people[0]["raw_user_meta_data"]);
    assert_eq!(first["updated_at"], "2026-02-03T04:05:06.5+00:00", "as it was over there");
    let profiles = desk.texts("select display_name from public.user_profiles order by id").await;
    assert_eq!(profiles, ["Person 1", "Person 2", "Person 3", "person-15"]);
    assert_eq!(desk.services.count("public.user_preferences").await, 4);
    let banned = desk.services.count("auth.users where banned_until > now() + interval '1000 years'").await;
    assert_eq!(banned, 1, "a ban without an end is not lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_here_is_not_touched_and_flags_let_doubtful_people_in() {
    let desk = Desk::new().await;
    let first = desk.write("first.jsonl", &lines(&[person(1, json!({"raw_user_meta_data": {"n": 1}}))]));
    assert_eq!(counts(&desk.import(&[&first]).await), [("imported".to_owned(), 1)]);
    let before = desk.people().await;
    let doubtful = [
        person(1, json!({"raw_user_meta_data": {"n": 2}, "banned_until": "2099-01-01T00:00:00Z"})),
        person(2, json!({"raw_user_meta_data": {"essay": "x".repeat(3000), "full_name": "B\u{202e}"}})),
        person(3, json!({"email_confirmed_at": null})),
    ];
    let second = desk.write("second.jsonl", &lines(&doubtful));
    let report = desk.import(&[&second, "--trim-metadata", "--unconfirmed"]).await;
    assert_eq!(counts(&report), [("already_here".to_owned(), 1), ("imported".to_owned(), 2)]);
    assert_eq!(report["trimmed"], 1);
    let after = desk.people().await;
    assert_eq!(after[0], before[0]);
    let trimmed: Value = serde_json::from_str(&after[1]).unwrap();
    assert_eq!(trimmed["raw_user_meta_data"], json!({"full_name": "B"}));
    let unconfirmed: Value = serde_json::from_str(&after[2]).unwrap();
    assert_eq!(unconfirmed["email_confirmed_at"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_pages_and_a_database_say_the_same_as_json_lines() {
    let csv = format!(
        "{HEADING}\n\
         0,{},authenticated,one@example.org,$2a$10$x,2026-01-02 03:04:05.678901+00,,\
         \"{{\"\"provider\"\": \"\"email\"\", \"\"providers\"\": [\"\"email\"\"]}}\",\
         \"{{\"\"display_name\"\": \"\"One, \\\"\"1\\\"\"\"\"}}\",2026-01-01 00:00:00+00,2026-01-01 00:00:00+00,,,,f,f\n\
         0,{},authenticated,,,,,,,2026-01-01 00:00:00+00,,15551234567,,,f,f\n",
        id(1),
        id(2),
    );
    let one = json!({
        "id": id(1), "aud": "authenticated", "email": "one@example.org", "phone": "", "is_anonymous": false,
        "email_confirmed_at": "2026-01-02T03:04:05.678901Z", "identities": [],
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {"display_name": "One, \"1\""},
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });
    let two = json!({"id": id(2), "phone": "15551234567", "created_at": "2026-01-01T00:00:00Z"});
    let pages = format!(
        "{}\n{}\n",
        json!({"users": [one], "aud": "authenticated"}),
        json!({"users": [two], "aud": "authenticated"})
    );
    let mut found = Vec::new();
    let mut last = None;
    for (name, content) in [("users.csv", csv), ("pages.json", pages)] {
        let desk = Desk::new().await;
        let file = desk.write(name, &content);
        let report = desk.import(&[&file]).await;
        assert_eq!(counts(&report), [("imported".to_owned(), 1), ("no_address".to_owned(), 1)], "{name}");
        found.push(desk.people().await);
        last = Some(desk);
    }
    // Out of the second database, whose table lacks what a project's has, into a third; the server's role may read it.
    let from = last.unwrap();
    let (_, url) = from.settings.iter().find(|(name, _)| name == "DATABASE__URL").unwrap();
    let desk = Desk::new().await;
    let report = desk.import(&[url]).await;
    assert_eq!(counts(&report), [("imported".to_owned(), 1)]);
    found.push(desk.people().await);
    assert_eq!(found[0].len(), 1);
    assert!(found.iter().all(|people| *people == found[0]), "{found:?}");
    // A project's own columns, which ours does not have.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "alter table auth.users add column is_anonymous boolean;
         insert into auth.users (id, email, email_confirmed_at, deleted_at)
         values ('{}', 'deleted@example.org', now(), now())",
        id(3)
    )))
    .execute(&from.services.sql)
    .await
    .unwrap();
    let report = desk.import(&[url]).await;
    assert_eq!(counts(&report), [("already_here".to_owned(), 1), ("deleted".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_file_says_where_and_how_and_what_came_before_stays() {
    let desk = Desk::new().await;
    let mut content = lines(&[person(1, json!({}))]);
    content.push_str("{\"id\": \"very-secret");
    let file = desk.write("broken.jsonl", &content);
    let ended = desk.run(&["import", "supabase", &file, "--yes"]).await;
    assert_eq!(ended.code, Some(65), "{}", ended.output);
    assert!(ended.output.contains("record 2") && !ended.output.contains("very-secret"), "{}", ended.output);
    let ended = desk.run(&["import", "supabase", "/nowhere/users.csv", "--yes"]).await;
    assert_eq!(ended.code, Some(66), "{}", ended.output);
    let ended = desk.run(&["import", "supabase", "postgres://user:hidden@127.0.0.1:1/db", "--yes"]).await;
    assert_eq!(ended.code, Some(69), "{}", ended.output);
    assert!(!ended.output.contains("hidden"), "{}", ended.output);
    let ended = desk.run(&["import", "supabase", &file]).await;
    assert_eq!(ended.code, Some(64), "nobody can be asked: {}", ended.output);
}

/// `count` people as JSON lines, the first `odd` of them unconfirmed.
fn crowd(count: u32, odd: u32) -> String {
    let confirmed = |n: u32| if n <= odd { Value::Null } else { json!("2026-01-02T03:04:05Z") };
    lines(&(1..=count).map(|n| person(n, json!({"email_confirmed_at": confirmed(n)}))).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_in_the_middle_goes_on_where_it_stopped() {
    const PEOPLE: u32 = 15_000;
    let desk = Desk::new().await;
    let file = desk.write("crowd.jsonl", &crowd(PEOPLE, 5));
    let rejects = desk.path("rejects.jsonl");
    let arguments = ["import", "supabase", &file, "--yes", "--json", "--rejects", &rejects];
    let mut killed_at = Vec::new();
    // Killed twice, each time after some batches and before the last.
    while killed_at.len() < 2 {
        let before = killed_at.last().copied().unwrap_or_default();
        let mut import = spawn(&arguments, &desk.settings, desk.folder.path());
        let settled = loop {
            let records =
                desk.texts("select records::text from auth.imports where finished_at is null").await;
            let records: i64 = records.first().map_or(0, |records| records.parse().unwrap());
            if records > before {
                break records;
            }
            assert!(import.try_wait().unwrap().is_none(), "it ended before it could be killed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        import.kill().await.unwrap();
        assert!(settled < i64::from(PEOPLE), "it was at {settled} already");
        killed_at.push(settled);
    }
    let here = desk.services.count("auth.users").await;
    assert!(here > 0 && here < i64::from(PEOPLE) - 5, "{here}");

    let report = desk.run(&arguments).await.json();
    assert!(report["records_before"].as_u64().unwrap() > 0, "{report}");
    let expected = [("imported".to_owned(), u64::from(PEOPLE) - 5), ("unconfirmed".to_owned(), 5)];
    assert_eq!(counts(&report), expected, "nobody twice, nobody missing");
    assert_eq!(desk.services.count("auth.users").await, i64::from(PEOPLE) - 5);
    assert_eq!(desk.services.count("public.user_profiles").await, i64::from(PEOPLE) - 5);
    assert_eq!(std::fs::read_to_string(&rejects).unwrap().lines().count(), 5, "each reject once");
    // The audit log tells of exactly the accounts that are there.
    let audited = desk
        .texts(
            "select sum((details #>> '{batch,outcomes,imported}')::bigint)::text from auth.audit_log
              where action = 'users_imported'",
        )
        .await;
    assert_eq!(audited, [(PEOPLE - 5).to_string()]);
    // Once more from the start: everybody is here.
    let report = desk.run(&arguments).await.json();
    assert_eq!(counts(&report)[0], ("already_here".to_owned(), u64::from(PEOPLE) - 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_imports_of_one_file_do_not_run_side_by_side_and_leave_nobody_twice() {
    let desk = Desk::new().await;
    let file = desk.write("crowd.jsonl", &crowd(6000, 0));
    let arguments = ["import", "supabase", &file, "--yes", "--json"];
    let (one, other) = tokio::join!(desk.run(&arguments), desk.run(&arguments));
    assert!(one.code == Some(0) || other.code == Some(0), "{} {}", one.output, other.output);
    assert_eq!(desk.services.count("auth.users").await, 6000);
    assert_eq!(desk.services.count("auth.imports where finished_at is null").await, 0);
}

async fn export_and_import_into_another(settings: &[(String, String)], folder: &Path) {
    let run = async |arguments: &[&str], settings: &[(String, String)]| -> Ended {
        run(arguments, settings, folder).await
    };
    let crowd = [
        person(1, json!({"banned_until": "2099-01-01T00:00:00Z", "locale": "fr"})),
        person(
            2,
            json!({"raw_user_meta_data": {"note": "x".repeat(2030), "email_verified": true, "sub": id(2)}}),
        ),
        person(
            3,
            json!({"email": "ada@bücher.example", "raw_user_meta_data": {"quote": "\"a\",\nb \\ ü", "n": 1.5}}),
        ),
        person(
            4,
            json!({"raw_app_meta_data": {"provider": "email", "providers": ["email"], "plan": ["gold"]}}),
        ),
        person(5, json!({"email_confirmed_at": null})),
    ];
    let file = folder.join("crowd.jsonl");
    std::fs::write(&file, lines(&crowd)).unwrap();
    let import = run(
        &[
            "import",
            "supabase",
            file.to_str().unwrap(),
            "--yes",
            "--unconfirmed",
            "--administrators",
            "--json",
        ],
        settings,
    )
    .await;
    assert_eq!(counts(&import.json()), [("imported".to_owned(), 5)]);
    let list = run(&["export", "users"], settings).await;
    assert_eq!(list.stdout.lines().count(), 5, "{}", list.output);
    for format in ["jsonl", "csv"] {
        let out = folder.join(format!("people.{format}"));
        let out = out.to_str().unwrap();
        let ended = run(&["export", "users", "--format", format, "--out", out, "--json"], settings).await;
        assert_eq!(ended.json(), json!({"users": 5}));
        let other = Desk::new().await;
        let report = other.import(&[out, "--unconfirmed", "--administrators"]).await;
        assert_eq!(counts(&report), [("imported".to_owned(), 5)], "{format}");
        let again = run(&["export", "users"], &other.settings).await;
        assert_eq!(again.stdout, list.stdout, "{format}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_imported_elsewhere_is_the_same_people() {
    let desk = Desk::new().await;
    export_and_import_into_another(&desk.settings, desk.folder.path()).await;
    assert_eq!(desk.services.count("auth.audit_log where action = 'users_exported'").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_database_imports_and_exports_too() {
    let folder = embedded::data_folder().await;
    export_and_import_into_another(&embedded::settings(folder.path()), folder.path()).await;
}
