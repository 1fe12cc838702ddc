//! What the database itself guarantees, on PostgreSQL and on the embedded one: row-level security, roles, triggers.

use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use super::support::Services;
use super::support::database::{Db, on_both};
use super::support::libraries::Libraries;
use super::support::services::{as_owner, login_url, owner_url};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t34_t35_the_catalogue_holds_no_offender() {
    on_both(async |db| {
        let unprotected = db
            .texts(
                "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                  where n.nspname in ('auth', 'public') and c.relkind in ('r', 'p')
                    and not (c.relrowsecurity and c.relforcerowsecurity)",
            )
            .await;
        assert_eq!(unprotected, Vec::<String>::new(), "tables without forced row-level security");
        let unchecked = db
            .texts(
                "select tablename || '.' || policyname from pg_policies where schemaname in ('auth', 'public')
                  and ((cmd in ('ALL', 'UPDATE') and (qual is null or with_check is null))
                    or (cmd = 'INSERT' and with_check is null))",
            )
            .await;
        assert_eq!(unchecked, Vec::<String>::new(), "policies that do not say what may be written");
        // A body that was read where the function was made looks nothing up later.
        let loose = db
            .texts(
                "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                  where n.nspname in ('auth', 'public')
                    and (not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'],
                                      p.prosqlbody is not null and not p.prosecdef)
                      or exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                                  where a.grantee = 0))",
            )
            .await;
        assert_eq!(loose, Vec::<String>::new(), "functions with a loose search path, or callable by anybody");
        let views = db
            .texts(
                "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                  where n.nspname in ('auth', 'public') and c.relkind in ('v', 'm')
                    and not coalesce(c.reloptions @> array['security_invoker=true'], false)",
            )
            .await;
        assert_eq!(views, Vec::<String>::new(), "views that read with their owner's rights");
        let temporary = db
            .texts(
                "select rolname::text from pg_roles
                  where rolname in ('anon', 'authenticated', 'service_role', 'doorcode_server', 'doorcode_admin', 'doorcode',
                          'doorcode_login')
                    and has_database_privilege(oid, current_database(), 'temporary')",
            )
            .await;
        assert_eq!(temporary, Vec::<String>::new(), "roles that can make temporary tables");
        let mighty = db
            .texts(
                "select rolname::text from pg_roles where (rolsuper or rolbypassrls or rolcreaterole)
                  and rolname in ('anon', 'authenticated', 'service_role', 'doorcode_server', 'doorcode_admin', 'doorcode',
                          'doorcode_login')",
            )
            .await;
        assert_eq!(mighty, Vec::<String>::new(), "roles that could step around the policies");
        let owned = db
            .texts(
                "select c.relname::text from pg_class c join pg_roles r on r.oid = c.relowner
                  where r.rolname in ('doorcode_server', 'doorcode_admin', 'doorcode', 'doorcode_login')",
            )
            .await;
        assert_eq!(owned, Vec::<String>::new(), "the server's role owns nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t34_the_login_role_sees_nothing_of_libraries_until_it_takes_on_the_administrators_role() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let login = if db.services.is_some() { "doorcode_login" } else { "doorcode" };
        let new = format!(
            "insert into library_staff (user_id, library_id, role) values ('{}', '{}', 'owner')",
            people.bystander, people.north
        );
        let denied = || Err("42501".to_owned());
        // Statement, what the login role gets, what it gets as doorcode_admin.
        let matrix = [
            ("select * from library_staff", Ok(0), Ok(8)),
            ("select * from library_access_requests", Ok(0), Ok(6)),
            ("select id, email from user_profiles", Ok(0), Ok(10)),
            ("update libraries set status = 'inactive'", Ok(0), Ok(3)),
            ("update library_staff set status = 'inactive' where role = 'volunteer'", Ok(0), Ok(1)),
            (new.as_str(), denied(), Ok(1)),
            ("insert into libraries (name, code) values ('New', 'new')", denied(), Ok(1)),
            ("select auth.hire(null, null, 'owner')", denied(), denied()),
        ];
        for (statement, as_login, as_admin) in matrix {
            assert_eq!(db.as_role(login, &json!({}), statement).await, as_login, "{login}: {statement}");
            assert_eq!(db.as_role("doorcode_admin", &json!({}), statement).await, as_admin, "{statement}");
        }
        let member: bool =
            db.value(&format!("select pg_has_role('{login}', 'doorcode_admin', 'member')")).await;
        assert!(member, "and it can take it on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_reads_and_writes_their_own_profile_and_preferences_and_nothing_else() {
    on_both(async |db| {
        let ada = db.make_user("ada@example.org", json!({})).await;
        let eve = db.make_user("eve@example.org", json!({})).await;
        let claims = json!({"sub": ada, "role": "authenticated", "email": "ada@example.org"});
        let nobody = json!({});
        let denied = || Err("42501".to_owned());
        // role, claims, statement, expected
        let matrix: Vec<(&str, &Value, String, Result<u64, String>)> = vec![
            ("authenticated", &claims, "select * from user_profiles".into(), Ok(1)),
            ("authenticated", &claims, "select * from user_preferences".into(), Ok(1)),
            ("authenticated", &claims, "update user_profiles set bio = 'x'".into(), Ok(1)),
            ("authenticated", &claims, "update user_preferences set privacy = '{}'".into(), Ok(1)),
            (
                "authenticated",
                &claims,
                format!("update user_profiles set bio = 'x' where id = '{eve}'"),
                Ok(0),
            ),
            ("authenticated", &claims, "update user_profiles set email = 'x@y.z'".into(), denied()),
            ("authenticated", &claims, "update user_profiles set reading_stats = '{}'".into(), denied()),
            ("authenticated", &claims, format!("update user_profiles set id = '{eve}'"), denied()),
            ("authenticated", &claims, "delete from user_profiles".into(), denied()),
            (
                "authenticated",
                &claims,
                format!("insert into user_profiles (id, email) values ('{}', 'x@y.z')", Uuid::new_v4()),
                denied(),
            ),
            ("authenticated", &claims, "select * from auth.users".into(), denied()),
            ("authenticated", &claims, "select * from auth.sessions".into(), denied()),
            ("authenticated", &claims, "select * from auth.signing_keys".into(), denied()),
            ("authenticated", &claims, "select * from auth.audit_log".into(), denied()),
            ("authenticated", &claims, "select auth.prepare_audit_partitions(1)".into(), denied()),
            ("authenticated", &nobody, "select * from user_profiles".into(), Ok(0)),
            ("authenticated", &nobody, "update user_profiles set bio = 'x'".into(), Ok(0)),
            ("anon", &nobody, "select * from user_profiles".into(), denied()),
            ("anon", &claims, "select * from user_preferences".into(), denied()),
            ("service_role", &nobody, "select * from user_profiles".into(), Ok(2)),
            ("service_role", &nobody, "select * from auth.users".into(), Ok(2)),
            ("service_role", &nobody, "select * from auth.sessions".into(), denied()),
            ("doorcode_server", &nobody, "select * from auth.users".into(), Ok(2)),
            ("doorcode_server", &nobody, "select * from user_profiles".into(), denied()),
            ("doorcode_server", &nobody, "select id, interface from user_preferences".into(), Ok(2)),
            ("doorcode_server", &nobody, "select privacy from user_preferences".into(), denied()),
            ("doorcode_server", &nobody, "insert into auth.audit_log (action) values ('x')".into(), Ok(1)),
            ("doorcode_server", &nobody, "update auth.audit_log set action = 'y'".into(), denied()),
            ("doorcode_server", &nobody, "delete from auth.audit_log".into(), denied()),
            ("doorcode_server", &nobody, "delete from auth.users".into(), denied()),
            ("doorcode_server", &nobody, "delete from auth.signing_keys".into(), denied()),
            ("doorcode_server", &nobody, "create table public.x (y int)".into(), denied()),
            ("doorcode_server", &nobody, "create table auth.x (y int)".into(), denied()),
        ];
        for (role, claims, statement, expected) in matrix {
            assert_eq!(db.as_role(role, claims, &statement).await, expected, "{role}: {statement}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_profile_and_preferences_come_with_the_account_follow_it_and_go_with_it() {
    on_both(async |db| {
        let ada = db.make_user("ada@example.org", json!({"full_name": "Ada L.", "avatar_url": "https://a.example/1"})).await;
        let eve = db.make_user("eve@example.org", json!({})).await;
        let profile = async |db: &mut Db, id: Uuid| -> (String, String, Option<String>) {
            let row = sqlx::query("select email, display_name, avatar_url from user_profiles where id = $1")
                .bind(id)
                .fetch_one(&mut db.connection)
                .await
                .unwrap();
            (row.get(0), row.get(1), row.get(2))
        };
        assert_eq!(profile(db, ada).await, ("ada@example.org".into(), "Ada L.".into(), Some("https://a.example/1".into())));
        assert_eq!(profile(db, eve).await.1, "eve", "the part before the @");
        let defaults: Value = sqlx::query_scalar("select to_jsonb(p) from user_preferences p where id = $1")
            .bind(ada)
            .fetch_one(&mut db.connection)
            .await
            .unwrap();
        assert_eq!(defaults["notifications"]["due_date_reminders"], true);
        assert_eq!(defaults["privacy"]["profile_visibility"], "public");
        assert_eq!(defaults["interface"], json!({"preferred_language": "en", "preferred_country": "US", "theme": "system",
            "books_per_page": 20, "default_view": "grid"}));
        db.run("insert into auth.users (id, email, locale) values (gen_random_uuid(), 'linh@example.org', 'vi')").await.unwrap();
        let first = "select p.version || interface::text from user_preferences p join auth.users u using (id) where u.locale = 'vi'";
        let vietnamese = r#"1{"theme": "system", "default_view": "grid", "books_per_page": 20, "preferred_country": "US", "preferred_language": "vi"}"#;
        assert_eq!(db.texts(first).await, [vietnamese], "in their language, and as new as the account");
        db.run("delete from auth.users where locale = 'vi'").await.unwrap();
        // What the account suggested follows the account …
        db.run(&format!("update auth.users set raw_user_meta_data = '{{\"display_name\": \"Ada\"}}', email = 'a@example.org' where id = '{ada}'")).await.unwrap();
        assert_eq!(profile(db, ada).await, ("a@example.org".into(), "Ada".into(), None));
        // … and what the person chose stays.
        db.run(&format!("update user_profiles set display_name = 'Countess' where id = '{ada}'")).await.unwrap();
        db.run(&format!("update auth.users set raw_user_meta_data = '{{\"display_name\": \"Eve\"}}', email = 'b@example.org' where id = '{ada}'")).await.unwrap();
        assert_eq!(profile(db, ada).await, ("b@example.org".into(), "Countess".into(), None));
        // A profile that cannot be made fails the sign-up.
        db.run("alter table user_preferences add constraint never check (false) not valid").await.unwrap();
        let failed = db.run(&format!("insert into auth.users (id, email) values ('{}', 'x@example.org')", Uuid::new_v4())).await;
        assert!(failed.is_err());
        db.run("alter table user_preferences drop constraint never").await.unwrap();
        assert_eq!(db.texts("select email from auth.users where email = 'x@example.org'").await, Vec::<String>::new());
        db.run(&format!("delete from auth.users where id = '{ada}'")).await.unwrap();
        let left = db.texts("select id::text from user_profiles union all select id::text from user_preferences").await;
        assert_eq!(left, [eve.to_string(), eve.to_string()]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrating_again_and_from_two_replicas_at_once_changes_nothing() {
    let services = Services::new().await;
    let (url, login) = (owner_url(&services.name).into(), login_url(&services.name).into());
    let before = policies(&services).await;
    let (mut one, mut two) = (as_owner(&url).await, as_owner(&url).await);
    let (one, two) = tokio::join!(one.migrate(&login), two.migrate(&login));
    one.unwrap();
    two.unwrap();
    assert_eq!(policies(&services).await, before);
    assert!(before.len() > 15, "{before:?}");
}

async fn policies(services: &Services) -> Vec<String> {
    let query = "select format('%s.%s %s %s %s %s', tablename, policyname, roles, cmd, qual, with_check) from pg_policies order by 1";
    sqlx::query_scalar(query).fetch_all(&services.sql).await.unwrap()
}
