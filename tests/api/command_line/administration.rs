//! Commands of administrators: at a running server with a key, and on the database without one.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;

use crate::support::Services;
use crate::support::app::READER;
use crate::support::process::{Ended, Process, open, run_at_terminal, run_with};

/// A running server, and two ways to its admin API.
pub(super) struct Office {
    services: Services,
    settings: Vec<(String, String)>,
    folder: TempDir,
    server: Process,
    key: String,
}

impl Office {
    pub(super) async fn open() -> Self {
        let services = Services::new().await;
        let folder = tempfile::tempdir().unwrap();
        let mut settings = services.settings();
        settings.push(("DATABASE__MIGRATE_AT_START".to_owned(), "false".to_owned()));
        settings.push(("DATABASE__DATA_DIR".to_owned(), folder.path().to_str().unwrap().to_owned()));
        let server = Process::start(&settings, folder.path()).await;
        let office = Self { services, settings, folder, server, key: String::new() };
        let made = office.direct(&["service-key", "create", "tests", "--scope", "admin"]).await;
        assert_eq!(made.code, Some(0), "{}", made.output);
        let key = made.stdout.trim().to_owned();
        assert!(key.starts_with("doorcode_sk_") && !key.contains(char::is_whitespace));
        Self { key, ..office }
    }

    /// On the database.
    async fn direct(&self, arguments: &[&str]) -> Ended {
        self.run(&[arguments, &["--direct"]].concat(), &[]).await
    }

    /// At the server.
    pub(super) async fn remote(&self, arguments: &[&str]) -> Ended {
        self.remote_with(&self.key, arguments).await
    }

    async fn remote_with(&self, key: &str, arguments: &[&str]) -> Ended {
        let server = self.server.address();
        self.run(arguments, &[("DOORCODE_SERVER", server), ("DOORCODE_SERVICE_KEY", key)]).await
    }

    /// At the server, while it runs.
    pub(super) fn remote_open(&self, arguments: &[&str]) -> Child {
        open(arguments, &self.settings, &self.at_server(), self.folder.path())
    }

    /// At the server, by somebody at a terminal.
    pub(super) async fn remote_at_terminal(&self, arguments: &[&str], typed: &str) -> Ended {
        run_at_terminal(arguments, &self.settings, &self.at_server(), typed).await
    }

    fn at_server(&self) -> [(&str, &str); 2] {
        [("DOORCODE_SERVER", self.server.address()), ("DOORCODE_SERVICE_KEY", &self.key)]
    }

    async fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        run_with(arguments, &self.settings, variables, self.folder.path()).await
    }
}

pub(super) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_do_the_same_to_the_same_people() {
    let office = Office::open().await;
    let made = office.remote(&["user", "create", "Ada@example.org", "--confirmed", "--json"]).await.json();
    assert_eq!(text(&made, "email"), "ada@example.org");
    let ada = text(&made, "id").to_owned();
    let here = office.direct(&["user", "show", &ada, "--json"]).await.json();
    assert_eq!(here, office.remote(&["user", "show", &ada, "--json"]).await.json());

    // Signed in at the server, signed out from beside it.
    office.server.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org"})).await;
    let code = office.server.code_from_inbox("ada@example.org").await;
    let (_, session) = office.server.verify(READER, "ada@example.org", &code).await;
    let sessions = office.remote(&["user", "sessions", &ada, "--json"]).await.json();
    let opened = text(&sessions["items"][0], "id").to_owned();
    assert_eq!(text(&sessions["items"][0], "site"), "reader");
    let ended = office.direct(&["session", "revoke", &opened, "--json"]).await;
    assert_eq!(ended.json(), json!({}));
    let token = json!({"refresh_token": text(&session, "refresh_token")});
    let (status, _) = office.server.post(READER, "/auth/v1/token?grant_type=refresh_token", token).await;
    assert_eq!(status.as_u16(), 400, "the session is over");
    assert_eq!(office.remote(&["user", "sign-out", &ada, "--json"]).await.json(), json!({"ended": 0}));

    let banned = office.direct(&["user", "ban", &ada, "--json"]).await.json();
    assert!(text(&banned, "banned_until").starts_with("9999"));
    let list = office.remote(&["user", "list", "--banned", "true"]).await;
    assert!(list.stdout.starts_with("ID ") && list.stdout.contains("ada@example.org"), "{}", list.output);
    let free = office.remote(&["user", "unban", &ada, "--json"]).await.json();
    assert!(free["banned_until"].is_null());
    let metadata = r#"{"display_name": "Ada \u001b[2J\u202e"}"#;
    let refused = office.remote(&["user", "update", &ada, "--user-metadata", metadata]).await;
    assert_eq!(refused.code, Some(65), "{}", refused.output);
    let changed =
        office.direct(&["user", "update", &ada, "--user-metadata", r#"{"note": "x"}"#, "--json"]).await;
    assert_eq!(changed.json()["user_metadata"]["note"], "x");
    assert_eq!(office.remote(&["user", "unlock", &ada]).await.stdout, "Unlocked.\n");

    assert_eq!(office.remote(&["user", "delete", &ada]).await.code, Some(0));
    let gone = office.direct(&["user", "show", &ada]).await;
    assert_eq!((gone.code, gone.stdout.as_str()), (Some(66), ""), "{}", gone.output);
    assert!(gone.output.contains("not_found"), "{}", gone.output);

    // Each act was written down with who did it.
    let actors = sqlx::query_scalar::<_, String>(
        "select distinct actor_kind from auth.audit_log where action in ('user_created', 'user_changed') order by 1",
    );
    let actors = actors.fetch_all(&office.services.sql).await.unwrap();
    assert_eq!(actors, ["operator", "service_key"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_reaches_as_far_as_its_scope_and_no_further_than_its_end() {
    let office = Office::open().await;
    let made = office.remote(&["service-key", "create", "looks", "--scope", "read", "--json"]).await.json();
    let reader = text(&made, "key").to_owned();
    let list = office.remote_with(&reader, &["service-key", "list", "--json"]).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains("doorcode_sk_"), "keys are shown once");
    let refused = office.remote_with(&reader, &["user", "create", "eve@example.org"]).await;
    assert_eq!(refused.code, Some(77), "{}", refused.output);
    assert!(refused.output.contains("insufficient_scope"), "{}", refused.output);
    assert_eq!(office.direct(&["service-key", "revoke", text(&made, "id")]).await.stdout, "Revoked.\n");
    let refused = office.remote_with(&reader, &["user", "list"]).await;
    assert_eq!(refused.code, Some(77), "{}", refused.output);
    // From a file too, and never from an argument.
    let file = office.folder.path().join("key");
    std::fs::write(&file, format!("{}\n", office.key)).unwrap();
    let arguments = ["user", "list", "--json", "--server", office.server.address(), "--key-file"];
    let listed = office.run(&[&arguments[..], &[file.to_str().unwrap()]].concat(), &[]).await;
    assert_eq!(listed.json(), json!({"items": [], "next": null}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_says_what_to_do() {
    let office = Office::open().await;
    let nowhere = [("DOORCODE_SERVER", "http://127.0.0.1:9"), ("DOORCODE_SERVICE_KEY", "doorcode_sk_hidden")];
    let clear = [("DOORCODE_SERVER", "http://accounts.example.org"), ("DOORCODE_SERVICE_KEY", "x")];
    for (variables, code, part) in [
        (&[][..], 64, "--direct"),
        (&nowhere[..1], 64, "DOORCODE_SERVICE_KEY"),
        (&nowhere[..], 69, "http://127.0.0.1:9"),
        (&clear[..], 64, "https://"),
    ] {
        let ended = office.run(&["user", "list"], variables).await;
        assert_eq!(ended.code, Some(code), "{}", ended.output);
        assert!(ended.output.contains(part) && !ended.output.contains("hidden"), "{}", ended.output);
    }
    let ended = office.remote(&["user", "update", "6c4bacee-81ab-4743-b553-e19e35ca6c22"]).await;
    assert_eq!(ended.code, Some(64), "{}", ended.output);
    let ended = office.remote(&["user", "show", "everybody"]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lists_come_whole_and_short_ones_say_that_there_is_more() {
    let office = Office::open().await;
    for n in 0..120 {
        let insert = "insert into auth.users (id, email) values (gen_random_uuid(), $1)";
        sqlx::query(insert).bind(format!("p{n}@example.org")).execute(&office.services.sql).await.unwrap();
    }
    for (limit, count) in [("0", 120), ("7", 7), ("110", 110)] {
        let list = office.remote(&["user", "list", "--limit", limit, "--json"]).await.json();
        let ids: std::collections::BTreeSet<_> =
            list["items"].as_array().unwrap().iter().map(|user| text(user, "id")).collect();
        assert_eq!((ids.len(), list["next"].is_null()), (count, limit == "0"), "{limit}");
    }
    let shown = office.direct(&["user", "list", "--limit", "3"]).await.stdout;
    assert_eq!(shown.lines().count(), 5, "{shown}");
    assert!(shown.ends_with("There are more: --limit 0 shows all.\n"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_is_made_staffed_and_closed() {
    let office = Office::open().await;
    let ada = office.remote(&["user", "create", "ada@example.org", "--confirmed", "--json"]).await.json();
    let ada = text(&ada, "id");
    let made = office.remote(&["library", "create", "North", "north", "--owner", ada, "--json"]).await.json();
    let library = text(&made, "id");
    office.direct(&["user", "create", "bob@example.org", "--confirmed"]).await;
    let grant = ["staff", "grant", library, "librarian", "--email", "bob@example.org", "--json"];
    let granted = office.direct(&grant).await.json();
    assert_eq!(text(&granted, "role"), "librarian");
    let owner = ["library", "set-owner", library, "--email", "bob@example.org", "--json"];
    let staff = office.remote(&["staff", "list", "--library", library, "--json"]).await.json();
    assert_eq!(staff["items"].as_array().unwrap().len(), 2, "{staff}");
    // Somebody who works there already: whatever the API says of it, the command says it too.
    let again = office.remote(&owner).await;
    assert!(matches!(again.code, Some(0 | 1)), "{}", again.output);
    assert_eq!(office.remote(&["staff", "revoke", text(&granted, "id")]).await.code, Some(0));
    let closed = office.remote(&["library", "deactivate", library, "--json"]).await.json();
    assert_eq!(text(&closed, "status"), "inactive");
    let open = office.direct(&["library", "activate", library, "--json"]).await.json();
    assert_eq!(text(&open, "status"), "active");
    assert!(office.remote(&["library", "list"]).await.stdout.contains("north"));
    let requests = office.remote(&["access-request", "list", "--json"]).await.json();
    assert_eq!(requests, json!({"items": [], "next": null}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_command_is_answered_in_json_both_ways() {
    let office = Office::open().await;
    let suppress = ["mail", "suppress", "eve@example.org", "--note", "asked us to"];
    assert_eq!(office.remote(&suppress).await.stdout, "Nothing is sent there any more.\n");
    let list = office.direct(&["mail", "suppressions", "--json"]).await.json();
    assert_eq!(list["items"][0]["domain"], "example.org", "{list}");
    assert!(!list.to_string().contains("eve"), "an address is kept as a hash");
    assert_eq!(office.direct(&["mail", "unsuppress", "eve@example.org", "--json"]).await.json(), json!({}));
    for arguments in [
        &["mail", "queue"][..],
        &["mail", "failures"],
        &["mail", "suppressions"],
        &["key", "list"],
        &["key", "rotate", "reader"],
        &["audit", "search", "--action", "service_key_made"],
        &["figures"],
        &["service-key", "list"],
        &["access-request", "list"],
        &["library", "list"],
    ] {
        let arguments = [arguments, &["--json"]].concat();
        assert!(office.remote(&arguments).await.json().is_object(), "{arguments:?}");
        assert!(office.direct(&arguments).await.json().is_object(), "{arguments:?}");
    }
    let made = office.remote(&["audit", "search", "--action", "service_key_made"]).await.stdout;
    assert!(made.contains("operator"), "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_done_in_time_and_leave_the_server_alone() {
    let office = Office::open().await;
    let began = std::time::Instant::now();
    assert_eq!(office.direct(&["user", "list"]).await.stdout, "None.\n");
    assert!(began.elapsed() < Duration::from_secs(20), "it waits for nothing");
    assert_eq!(office.server.get(READER, "/health/ready").await.0.as_u16(), 200);
    assert!(Path::new(office.folder.path()).exists());
}
