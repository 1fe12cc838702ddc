//! The library API over HTTP: what each role gets, and what bad input leaves behind. The rules themselves are tried on the
//! database; here it is shown that the API asks it and tells what it said.

use doorcode::domain::Locale;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::support::TestApp;
use super::support::app::{Answer, MANAGE, READER, text};

/// A server with one library, `central`, and people in it.
struct Library {
    app: TestApp,
}

/// Somebody signed in on a site.
struct Person {
    host: &'static str,
    token: String,
    email: String,
}

impl Library {
    async fn new() -> Self {
        let app = TestApp::on_services().await;
        let library = Self { app };
        library.sql("insert into public.libraries (name, code) values ('Central Library', 'central')").await;
        library
    }

    async fn sql(&self, statement: &str) {
        let services = self.app.services.as_ref().unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&services.sql).await.unwrap();
    }

    /// Signs somebody in on the management site, as staff if a role is given.
    async fn person(&self, name: &str, role: Option<&str>) -> Person {
        let email = format!("{name}@example.org");
        self.app.sign_in(READER, &email).await;
        let session = self.app.sign_in(MANAGE, &email).await;
        if let Some(role) = role {
            self.sql(&format!(
                "insert into public.library_staff (user_id, library_id, role)
                 select u.id, l.id, '{role}' from auth.users u, public.libraries l
                  where u.email = '{email}' and l.code = 'central'"
            ))
            .await;
        }
        Person { host: MANAGE, token: text(&session, "access_token").to_owned(), email }
    }

    async fn ask(
        &self,
        person: &Person,
        method: Method,
        path: &str,
        version: Option<&str>,
        body: Value,
    ) -> Answer {
        let bearer = format!("Bearer {}", person.token);
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(version.map(|version| ("if-match", version)));
        let body = (method != Method::GET).then(|| body.to_string());
        self.app.send(person.host, method, &format!("/api/v1{path}"), &headers, body).await
    }

    async fn get(&self, person: &Person, path: &str) -> Answer {
        self.ask(person, Method::GET, path, None, Value::Null).await
    }
}

/// An RFC 9457 problem with this status and code.
#[track_caller]
fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.body["code"].as_str(), answer.header("content-type")),
        (status, Some(code), Some("application/problem+json")),
        "{answer:?}"
    );
    assert_eq!(answer.body["status"], status);
    assert_eq!(answer.body["type"], format!("urn:doorcode:problem:{code}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_reads_and_changes_their_profile_and_nobody_overwrites_another_change() {
    let library = Library::new().await;
    let ada = library.person("ada", None).await;
    let profile = library.get(&ada, "/profile").await;
    assert_eq!(text(&profile.assert_ok().body, "display_name"), "ada");
    assert!(text(&profile.body, "updated_at").ends_with('Z'), "{profile:?}");
    let tag = profile.header("etag").unwrap().to_owned();
    let change = json!({"display_name": "Ada L.", "bio": "Counts.", "location": {"city": "Huế"}, "social_links": {"website": "https://ada.example"}});
    let patch = async |version: Option<&str>, body: Value| {
        library.ask(&ada, Method::PATCH, "/profile", version, body).await
    };
    assert_problem(&patch(None, change.clone()).await, 428, "precondition_required");
    assert_problem(&patch(Some("nonsense"), change.clone()).await, 400, "validation_failed");
    let changed = patch(Some(&tag), change.clone()).await;
    assert_eq!(changed.assert_ok().body["location"]["city"], "Huế");
    assert_eq!(changed.body["location"]["country"], Value::Null, "fields beside it stay");
    assert_problem(&patch(Some(&tag), json!({"bio": "Mine!"})).await, 412, "stale_version");
    let tag = changed.header("etag").unwrap().to_owned();
    for (body, field) in [
        (json!({"display_name": "x".repeat(65)}), "display_name"),
        (json!({"bio": "x".repeat(2001)}), "bio"),
        (json!({"avatar_url": "javascript:alert(1)"}), "avatar_url"),
        (json!({"location": {"city": "a\u{202e}b"}}), "city"),
    ] {
        let refused = patch(Some(&tag), body).await;
        assert_problem(&refused, 422, "invalid_value");
        assert_eq!(refused.body["field"], field);
    }
    let emptied = patch(Some(&tag), json!({"bio": ""})).await;
    assert_eq!(emptied.assert_ok().body["bio"], Value::Null);
    assert_eq!(text(&library.get(&ada, "/profile").await.body, "display_name"), "Ada L.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_shows_others_what_its_owner_shares() {
    let library = Library::new().await;
    let (ada, eve) = (library.person("ada", None).await, library.person("eve", None).await);
    let id = text(&library.get(&ada, "/profile").await.body, "id").to_owned();
    let seen = library.get(&eve, &format!("/profiles/{id}")).await;
    assert_eq!(text(&seen.assert_ok().body, "display_name"), "ada");
    assert!(seen.body.get("email").is_none() && seen.body["location"].is_null(), "{seen:?}");
    let preferences = library.get(&ada, "/preferences").await;
    let tag = preferences.assert_ok().header("etag").unwrap().to_owned();
    let private =
        json!({"privacy": {"profile_visibility": "private"}, "interface": {"preferred_language": "vi"}});
    let changed = library.ask(&ada, Method::PATCH, "/preferences", Some(&tag), private).await;
    assert_eq!(changed.assert_ok().body["privacy"]["reading_activity"], "public", "fields beside it stay");
    assert_problem(&library.get(&eve, &format!("/profiles/{id}")).await, 404, "not_found");
    assert_problem(&library.get(&eve, &format!("/profiles/{}", Uuid::new_v4())).await, 404, "not_found");
    let tag = changed.header("etag").unwrap().to_owned();
    let too_many = json!({"interface": {"books_per_page": 200}});
    assert_problem(
        &library.ask(&ada, Method::PATCH, "/preferences", Some(&tag), too_many).await,
        422,
        "invalid_value",
    );
    let spoken_elsewhere = json!({"interface": {"preferred_language": "pt"}});
    let refused = library.ask(&ada, Method::PATCH, "/preferences", Some(&tag), spoken_elsewhere).await;
    assert_problem(&refused, 422, "invalid_value");
    assert!(refused.body.to_string().contains(Locale::TAGS), "{}", refused.body);
    let unknown = json!({"privacy": {"profile_visibility": "everyone"}});
    assert_problem(
        &library.ask(&ada, Method::PATCH, "/preferences", Some(&tag), unknown).await,
        400,
        "validation_failed",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t29_rights_are_those_of_this_moment_and_exist_on_the_management_site_alone() {
    let library = Library::new().await;
    let owner = library.person("owner", Some("owner")).await;
    let permissions = library.get(&owner, "/permissions").await;
    assert_eq!(permissions.assert_ok().body["staff_permissions"]["central"]["manage_staff"], true);
    assert_eq!(permissions.body["staff_libraries"][0]["role"], "owner");
    // T24: the same person, an owner, with a token of the reader site.
    library.app.advance(std::time::Duration::from_secs(61)).await;
    let on_reader = library.app.sign_in(READER, &owner.email).await;
    let reader = Person {
        host: READER,
        token: text(&on_reader, "access_token").to_owned(),
        email: owner.email.clone(),
    };
    let permissions = library.get(&reader, "/permissions").await;
    assert_eq!(
        permissions.assert_ok().body,
        json!({"is_reader": true, "is_library_staff": false, "staff_libraries": [], "staff_permissions": {}})
    );
    assert_eq!(library.get(&reader, "/libraries/central").await.assert_ok().body["role"], Value::Null);
    let tag = "\"1\"";
    let rename = json!({"name": "Mine"});
    assert_problem(
        &library.ask(&reader, Method::PATCH, "/libraries/central", Some(tag), rename.clone()).await,
        403,
        "forbidden",
    );
    assert_eq!(library.get(&reader, "/libraries/central/staff").await.assert_ok().body["items"], json!([]));
    // A library can be changed by its owner, until the owner's record ends.
    let changed = library
        .ask(&owner, Method::PATCH, "/libraries/central", Some(tag), json!({"settings": {"max_renewals": 3}}))
        .await;
    assert_eq!(
        (
            &changed.assert_ok().body["settings"]["max_renewals"],
            &changed.body["settings"]["loan_period_days"]
        ),
        (&json!(3), &json!(14))
    );
    let bad = library
        .ask(
            &owner,
            Method::PATCH,
            "/libraries/central",
            changed.header("etag"),
            json!({"settings": {"max_renewals": -1}}),
        )
        .await;
    assert_problem(&bad, 422, "invalid_value");
    assert!(text(&bad.body, "field").contains("max_renewals"), "{bad:?}");
    library.sql("update public.library_staff set status = 'terminated' where role = 'nobody'").await;
    library.sql("alter table public.library_staff disable trigger library_staff_keep_an_owner; update public.library_staff set status = 'terminated'; alter table public.library_staff enable trigger library_staff_keep_an_owner").await;
    assert_eq!(library.get(&owner, "/permissions").await.assert_ok().body["is_library_staff"], false);
    let late = library.ask(&owner, Method::PATCH, "/libraries/central", changed.header("etag"), rename).await;
    assert_problem(&late, 403, "forbidden");
    assert_problem(&library.get(&owner, "/libraries/unknown").await, 404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_mailed_accepted_by_its_address_alone_and_ends_once() {
    let library = Library::new().await;
    let owner = library.person("owner", Some("owner")).await;
    let manager = library.person("manager", Some("manager")).await;
    let eve = library.person("eve", None).await;
    let invite = async |who: &Person, body: Value| {
        library.ask(who, Method::POST, "/libraries/central/invitations", None, body).await
    };
    assert_problem(
        &invite(&manager, json!({"email": "ada@example.org", "role": "librarian"})).await,
        403,
        "forbidden",
    );
    assert_problem(
        &invite(&owner, json!({"email": "Ada <ada@example.org>", "role": "librarian"})).await,
        422,
        "invalid_value",
    );
    assert_problem(&invite(&owner, json!({"email": "ada@example.org"})).await, 422, "invalid_value");
    let made =
        invite(&owner, json!({"email": "Ada@Example.org", "role": "librarian", "message": "Come\nand help"}))
            .await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
    assert!(made.body.get("token").is_none());
    assert_problem(
        &invite(&owner, json!({"email": "ada@example.org", "role": "volunteer"})).await,
        409,
        "already_exists",
    );
    let mail = library.app.mail("ada@example.org", 1).await;
    assert!(
        mail.text.contains("Central Library") && mail.subject.contains("Central Library"),
        "{}",
        mail.text
    );
    let token =
        mail.text.split("/invitations/").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(!made.body.to_string().contains(&token));
    let act = async |who: &Person, what: &str, token: &str| {
        library.ask(who, Method::POST, &format!("/invitations/{what}"), None, json!({"token": token})).await
    };
    // Whoever has the link sees the offer; only the invited address can take it.
    assert_eq!(text(&act(&eve, "lookup", &token).await.assert_ok().body, "role"), "librarian");
    assert_problem(&act(&eve, "accept", &token).await, 404, "not_found");
    assert_problem(&act(&eve, "decline", &token).await, 404, "not_found");
    assert_problem(&act(&eve, "lookup", "nonsense").await, 404, "not_found");
    library.app.advance(std::time::Duration::from_secs(61)).await;
    library.app.request_code(READER, "ada@example.org").await.assert_ok();
    let code = library.app.code("ada@example.org", 2).await;
    let session = library.app.verify(READER, "ada@example.org", &code).await.assert_ok().body.clone();
    let ada = Person {
        host: READER,
        token: text(&session, "access_token").to_owned(),
        email: "ada@example.org".to_owned(),
    };
    assert_eq!(text(&act(&ada, "accept", &token).await.assert_ok().body, "library_code"), "central");
    assert_problem(&act(&ada, "accept", &token).await, 409, "illegal_state");
    let listed = library.get(&owner, "/libraries/central/invitations").await;
    assert_eq!(listed.assert_ok().body["items"][0]["status"], "accepted");
    assert_eq!(
        library.get(&eve, "/libraries/central/invitations").await.assert_ok().body["items"],
        json!([])
    );
    let services = library.app.services.as_ref().unwrap();
    assert_eq!(services.count("public.library_staff where role = 'librarian'").await, 1);
    assert_eq!(
        services
            .count("public.library_invitation_responses where response = 'accepted' and ip is not null")
            .await,
        1
    );
    let again = invite(&owner, json!({"email": "ada@example.org", "role": "volunteer"})).await;
    assert_problem(&again, 409, "illegal_state");
    // Cancelling ends an offer; its version is asked for.
    let made = invite(&owner, json!({"email": "bob@example.org", "role": "volunteer"})).await;
    let path = format!("/libraries/central/invitations/{}", text(&made.body, "id"));
    let cancel =
        async |version: &str| library.ask(&owner, Method::DELETE, &path, Some(version), Value::Null).await;
    assert_problem(&cancel("\"7\"").await, 412, "stale_version");
    assert_eq!(cancel("\"1\"").await.status.as_u16(), 204);
    assert_problem(&cancel("\"2\"").await, 409, "illegal_state");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_access_is_decided_once_and_everybody_is_told() {
    let library = Library::new().await;
    let owner = library.person("owner", Some("owner")).await;
    let manager = library.person("manager", Some("manager")).await;
    let volunteer = library.person("volunteer", Some("volunteer")).await;
    let (ada, eve) = (library.person("ada", None).await, library.person("eve", None).await);
    let request = async |who: &Person| {
        library
            .ask(
                who,
                Method::POST,
                "/libraries/central/access-requests",
                None,
                json!({"message": "I know the shelves."}),
            )
            .await
    };
    let made = request(&ada).await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
    assert_problem(&request(&ada).await, 409, "already_exists");
    assert_problem(&request(&volunteer).await, 409, "illegal_state");
    // Each of the two who may decide hears of it: their third mail, after two codes.
    for decider in [&owner, &manager] {
        let mail = library.app.mail(&decider.email, 3).await;
        assert!(mail.text.contains("http://manage.localhost:8080/access-requests\n"), "{}", mail.text);
        assert!(
            mail.text.contains("ada@example.org") && mail.text.contains("I know the shelves."),
            "{}",
            mail.text
        );
    }
    assert_eq!(library.app.mails_to(&volunteer.email), 2);
    let id = text(&made.body, "id").to_owned();
    let decide = async |who: &Person, version: Option<&str>, body: Value| {
        library.ask(who, Method::POST, &format!("/access-requests/{id}/decision"), version, body).await
    };
    let first = Some("\"1\"");
    for nobody in [&volunteer, &eve, &ada] {
        assert_problem(&decide(nobody, first, json!({"role": "volunteer"})).await, 404, "not_found");
    }
    assert_problem(&decide(&manager, None, json!({"role": "volunteer"})).await, 428, "precondition_required");
    assert_problem(
        &decide(&manager, Some("\"9\""), json!({"role": "volunteer"})).await,
        412,
        "stale_version",
    );
    assert_problem(&decide(&manager, first, json!({"role": "owner"})).await, 403, "forbidden");
    let services = library.app.services.as_ref().unwrap();
    assert_eq!(services.count("public.library_staff").await, 3, "nothing half-done");
    let decided = decide(&manager, first, json!({"role": "librarian", "note": "Welcome"})).await;
    assert_eq!(text(&decided.assert_ok().body, "status"), "approved");
    assert_problem(&decide(&owner, Some("\"2\""), json!({})).await, 409, "illegal_state");
    let mail = library.app.mail(&ada.email, 3).await;
    assert!(mail.text.contains("http://manage.localhost:8080/libraries\n"), "{}", mail.text);
    assert!(mail.text.contains("Welcome") && mail.text.contains("Central Library"), "{}", mail.text);
    assert_eq!(
        library.get(&ada, "/permissions").await.assert_ok().body["staff_libraries"][0]["role"],
        "librarian"
    );
    let mine = library.get(&ada, "/access-requests").await;
    assert_eq!(mine.assert_ok().body["items"][0]["granted_role"], "librarian");
    // Withdrawing is the requester's own.
    let made = request(&eve).await;
    let path = format!("/access-requests/{}/withdraw", text(&made.body, "id"));
    assert_problem(&library.ask(&ada, Method::POST, &path, first, json!({})).await, 404, "not_found");
    let withdrawn = library.ask(&eve, Method::POST, &path, first, json!({})).await;
    assert_eq!(text(&withdrawn.assert_ok().body, "status"), "withdrawn");
    assert_eq!(request(&eve).await.status.as_u16(), 201, "asking again after an end works");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_are_changed_removed_and_taken_back_and_an_owner_remains() {
    let library = Library::new().await;
    let owner = library.person("owner", Some("owner")).await;
    let ada = library.person("ada", Some("librarian")).await;
    let record = async |who: &Person, email: &str| {
        let staff = library.get(who, "/libraries/central/staff").await;
        let items = staff.assert_ok().body["items"].as_array().cloned().unwrap_or_default();
        items.into_iter().find(|item| item["email"] == email).unwrap_or(Value::Null)
    };
    let of_ada = record(&owner, &ada.email).await;
    let path = format!("/libraries/central/staff/{}", text(&of_ada, "id"));
    let change = async |who: &Person, path: &str, version: i64, body: Value| {
        library.ask(who, Method::PATCH, path, Some(&format!("\"{version}\"")), body).await
    };
    assert_problem(&change(&ada, &path, 1, json!({"role": "owner"})).await, 403, "forbidden");
    let promoted = change(&owner, &path, 1, json!({"role": "manager"})).await;
    assert_eq!(text(&promoted.assert_ok().body, "role"), "manager");
    assert_problem(&change(&owner, &path, 1, json!({"role": "volunteer"})).await, 412, "stale_version");
    assert_problem(&change(&owner, &path, 2, json!({"status": "asleep"})).await, 422, "invalid_value");
    assert_problem(
        &change(&owner, &path, 2, json!({"permissions": {"fly": true}})).await,
        422,
        "invalid_value",
    );
    let mail = library.app.mail(&ada.email, 3).await;
    assert!(mail.text.to_lowercase().contains("manager"), "{}", mail.text);
    let of_owner = record(&owner, &owner.email).await;
    let own_path = format!("/libraries/central/staff/{}", text(&of_owner, "id"));
    assert_problem(&change(&owner, &own_path, 1, json!({"role": "manager"})).await, 409, "last_owner");
    assert_problem(
        &library.ask(&owner, Method::DELETE, &own_path, Some("\"1\""), Value::Null).await,
        409,
        "last_owner",
    );
    let removed = library.ask(&owner, Method::DELETE, &path, Some("\"2\""), Value::Null).await;
    assert_eq!(removed.status.as_u16(), 204, "{removed:?}");
    assert_eq!(library.get(&ada, "/permissions").await.assert_ok().body["is_library_staff"], false);
    library.app.mail(&ada.email, 4).await;
    let back = library
        .ask(&owner, Method::POST, &format!("{path}/rehire"), Some("\"3\""), json!({"role": "volunteer"}))
        .await;
    assert_eq!((text(&back.assert_ok().body, "role"), text(&back.body, "status")), ("volunteer", "active"));
    assert_problem(
        &change(&owner, &format!("/libraries/central/staff/{}", Uuid::new_v4()), 1, json!({})).await,
        404,
        "not_found",
    );
    let unpaged = library.get(&owner, "/libraries/central/staff?limit=0").await;
    assert_problem(&unpaged, 422, "invalid_value");
    let first = library.get(&owner, "/libraries/central/staff?limit=1").await;
    let next = text(&first.assert_ok().body, "next").to_owned();
    let second = library.get(&owner, &format!("/libraries/central/staff?limit=1&after={next}")).await;
    assert_ne!(first.body["items"][0]["id"], second.assert_ok().body["items"][0]["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t33_without_a_live_token_of_the_site_nothing_is_told() {
    let library = Library::new().await;
    let ada = library.person("ada", Some("owner")).await;
    let paths = [
        "/profile",
        "/preferences",
        "/permissions",
        "/libraries",
        "/libraries/central",
        "/libraries/central/staff",
        "/libraries/central/invitations",
        "/libraries/central/access-requests",
        "/access-requests",
    ];
    for path in paths {
        let path = format!("/api/v1{path}");
        assert_problem(
            &library.app.send(MANAGE, Method::GET, &path, &[], None).await,
            401,
            "no_authorization",
        );
        let nonsense = library.app.get_with_token(MANAGE, &path, "nonsense").await;
        assert_problem(&nonsense, 403, "bad_jwt");
        assert_problem(&library.app.get_with_token(READER, &path, &ada.token).await, 403, "bad_jwt");
        library.app.get_with_token(MANAGE, &path, &ada.token).await.assert_ok();
    }
    library.app.logout(MANAGE, "", &ada.token).await;
    for path in paths {
        let ended = library.app.get_with_token(MANAGE, &format!("/api/v1{path}"), &ada.token).await;
        assert_problem(&ended, 403, "session_not_found");
    }
}
