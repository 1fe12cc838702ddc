//! Who may do what to which table, whole: what the database allows, not what a handler would ask of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};
use uuid::Uuid;

use super::support::database::{Db, on_both};
use super::support::libraries::{Libraries, management, reading};

/// Rows seen or changed, `-` for permission denied (42501), another SQLSTATE as it is. See [`callers`] and
/// [`statements`]. Everybody acts on the library north, the owner of an inactive library on theirs.
const MATRIX: &str = "
                   anon nobody reader  other volunt librar manage own@rd  owner   term   gone closed service server  admin
auth.audit_chain
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
auth.audit_checkpoints
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
auth.audit_log
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
auth.email_changes
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
auth.idempotency_keys
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
auth.imports
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
auth.mail_failures
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
auth.mail_outbox
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
auth.mail_suppressions
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
auth.schema_migrations
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
auth.service_keys
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
auth.sessions
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
auth.signing_keys
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
auth.users
          select      -      -      -      -      -      -      -      -      -      -      -      -      10     10      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -     10      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
auth.wrong_guesses
          select      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      1      -
public.libraries
          select      1      1      1      1      1      1      1      1      1      1      1      1       1      -      1
          insert      -      -      -      -      -      -      -      -      -      -      -      -       1      -      1
          update      -      0      0      0      0      0      0      0      1      0      0      0       1      -      1
          delete      -      0      0      0      0      0      0      0      1      0      0      0       1      -      -
public.library_access_requests
          select      -      0      1      0      0      0      2      0      2      0      0      0       2      -      2
          insert      -      -      -      1  DC002  DC002  DC002  DC002  DC002      1      1  DC004       1      -      -
          update      -      0      0      0      0      0      0      0      0      0      0      0       1      -      1
          delete      -      -      -      -      -      -      -      -      -      -      -      -       2      -      -
public.library_invitation_responses
          select      -      0      1      0      1      1      1      0      1      0      0      0       1      -      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
public.library_invitations
          select      -      0      0      0      2      2      2      0      2      0      0      0       2      -      -
          insert      -      -      -      -      -      -      -      -      1      -      -      -       1      -      -
          update      -      0      0      0      0      0      1      0      1      0      0      0       1      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       2      -      -
public.library_members
          select      -      0      1      0      2      2      2      0      2      0      0      0       2      -      -
          insert      -      -      -      -      -      1      1      -      1      -      -      -       1      -      -
          update      -      0      0      0      0      2      2      0      2      0      0      0       2      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       2      -      -
public.library_staff
          select      -      0      0      0      1      1      6      0      6      1      1      1       6      -      6
          insert      -      -      -      -      -      -      -      -      -      -      -      -       1      -      1
          update      -      -      -      -      -      -      -      -      -      -      -      -       1      -      1
          delete      -      -      -      -      -      -      -      -      -      -      -      -       6      -      -
public.role_permissions
          select      -     17     17     17     17     17     17     17     17     17     17     17      17      -      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          update      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -       -      -      -
public.user_preferences
          select      -      0      1      1      1      1      1      1      1      1      1      1      10     10      -
          insert      -      -      -      -      -      -      -      -      -      -      -      -   23503      -      -
          update      -      0      1      1      1      1      1      1      1      1      1      1      10      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -      10      -      -
public.user_profiles
          select      -      0      1      1      1      1      1      1      1      1      1      1      10      -     10
          insert      -      -      -      -      -      -      -      -      -      -      -      -   23503      -      -
          update      -      0      1      1      1      1      1      1      1      1      1      1      10      -      -
          delete      -      -      -      -      -      -      -      -      -      -      -      -      10      -      -
";

/// The columns of [`MATRIX`]: a database role and the claims of a token.
fn callers(people: &Libraries) -> Vec<(&'static str, &'static str, Value)> {
    let staff = |name, person| (name, "authenticated", management(person));
    vec![
        ("anon", "anon", json!({"role": "anon"})),
        // A session of the database without an identity.
        ("nobody", "authenticated", json!({})),
        // Nobody's staff, but with a card, a request and a declined invitation at each library.
        ("reader", "authenticated", reading(people.reader)),
        // Owner of another library.
        staff("other", people.elsewhere),
        staff("volunt", people.volunteer),
        staff("librar", people.librarian),
        staff("manage", people.manager),
        // The owner with a token of the reader site.
        ("own@rd", "authenticated", reading(people.owner)),
        staff("owner", people.owner),
        // Once owners: dismissed, and removed.
        staff("term", people.terminated),
        staff("gone", people.removed),
        // Owner of a library that is inactive.
        staff("closed", people.inactive),
        ("service", "service_role", json!({"role": "service_role", "sub": people.bystander})),
        // The sign-in server itself, outside of anybody's request.
        ("server", "doorcode_server", json!({})),
        // An administrator's request on libraries.
        ("admin", "doorcode_admin", json!({"role": "doorcode_admin", "actor_kind": "service_key"})),
    ]
}

/// Select, insert, update and delete for each table, each touching one library.
#[expect(clippy::too_many_lines, reason = "a table")]
fn statements(library: Uuid, invitation: Uuid, bystander: Uuid) -> BTreeMap<&'static str, [String; 4]> {
    let at = format!("where library_id = '{library}'");
    let new = Uuid::new_v4();
    BTreeMap::from([
        (
            "public.libraries",
            [
                format!("select id from public.libraries where id = '{library}'"),
                "insert into public.libraries (name, code) values ('New', 'new')".into(),
                format!("update public.libraries set name = 'x' where id = '{library}'"),
                format!("delete from public.libraries where id = '{library}'"),
            ],
        ),
        (
            "public.library_staff",
            [
                format!("select * from public.library_staff {at}"),
                format!(
                    "insert into public.library_staff (user_id, library_id, role)
                     values ('{bystander}', '{library}', 'volunteer')"
                ),
                format!("update public.library_staff set role = 'manager' {at} and role = 'librarian'"),
                format!("delete from public.library_staff {at}"),
            ],
        ),
        (
            "public.library_members",
            [
                format!("select * from public.library_members {at}"),
                format!(
                    "insert into public.library_members (library_id, member_id) values ('{library}', '3')"
                ),
                format!("update public.library_members set is_deleted = true {at}"),
                format!("delete from public.library_members {at}"),
            ],
        ),
        (
            "public.library_invitations",
            [
                format!("select id from public.library_invitations {at}"),
                format!(
                    "insert into public.library_invitations (library_id, email, role, token_hash)
                     values ('{library}', 'x@example.org', 'volunteer', sha256('x'))"
                ),
                format!(
                    "update public.library_invitations set status = 'cancelled' {at} and status = 'pending'"
                ),
                format!("delete from public.library_invitations {at}"),
            ],
        ),
        (
            "public.library_invitation_responses",
            [
                format!(
                    "select * from public.library_invitation_responses where invitation_id = '{invitation}'"
                ),
                format!(
                    "insert into public.library_invitation_responses (invitation_id, response)
                     values ('{invitation}', 'accepted')"
                ),
                "update public.library_invitation_responses set notes = 'x'".into(),
                "delete from public.library_invitation_responses".into(),
            ],
        ),
        (
            "public.library_access_requests",
            [
                format!("select * from public.library_access_requests {at}"),
                format!("insert into public.library_access_requests (library_id) values ('{library}')"),
                format!(
                    "update public.library_access_requests set status = 'withdrawn' {at} and status = 'pending'"
                ),
                format!("delete from public.library_access_requests {at}"),
            ],
        ),
        (
            "public.role_permissions",
            [
                "select * from public.role_permissions".into(),
                "insert into public.role_permissions values ('volunteer', 'manage_staff')".into(),
                "update public.role_permissions set role = 'volunteer' where permission = 'manage_staff'"
                    .into(),
                "delete from public.role_permissions".into(),
            ],
        ),
        (
            "public.user_profiles",
            [
                "select id, email from public.user_profiles".into(),
                format!("insert into public.user_profiles (id, email) values ('{new}', 'x@example.org')"),
                "update public.user_profiles set bio = 'x'".into(),
                "delete from public.user_profiles".into(),
            ],
        ),
        (
            "public.user_preferences",
            [
                "select id, interface from public.user_preferences".into(),
                format!("insert into public.user_preferences (id) values ('{new}')"),
                "update public.user_preferences set interface = '{}'".into(),
                "delete from public.user_preferences".into(),
            ],
        ),
        (
            "auth.users",
            [
                "select * from auth.users".into(),
                format!("insert into auth.users (id, email) values ('{new}', 'x@example.org')"),
                "update auth.users set locale = 'vi'".into(),
                "delete from auth.users".into(),
            ],
        ),
        (
            "auth.sessions",
            [
                "select * from auth.sessions".into(),
                format!(
                    "insert into auth.sessions (id, user_id, site, challenge_id, not_after)
                     values ('{new}', '{bystander}', 'reader', '{new}', now())"
                ),
                "update auth.sessions set refresh_counter = 1".into(),
                "delete from auth.sessions".into(),
            ],
        ),
        (
            "auth.signing_keys",
            [
                "select * from auth.signing_keys".into(),
                "insert into auth.signing_keys (kid, site, alg, public_jwk, wrapped_private_key)
                 values ('x', 'x', 'ES256', '{}', '')"
                    .into(),
                "update auth.signing_keys set state = 'gone'".into(),
                "delete from auth.signing_keys".into(),
            ],
        ),
        (
            "auth.audit_chain",
            [
                "select * from auth.audit_chain".into(),
                "insert into auth.audit_chain (seq, event_id, event_at, parts, link)
                 select seq + 1, gen_random_uuid(), now(), parts, link from auth.audit_chain"
                    .into(),
                "update auth.audit_chain set link = link".into(),
                "delete from auth.audit_chain".into(),
            ],
        ),
        (
            "auth.audit_checkpoints",
            [
                "select * from auth.audit_checkpoints".into(),
                "insert into auth.audit_checkpoints (seq, link, dropped_before, mac)
                 values (9, decode(repeat('00', 32), 'hex'), now(), decode(repeat('00', 32), 'hex'))"
                    .into(),
                "update auth.audit_checkpoints set dropped_before = now()".into(),
                "delete from auth.audit_checkpoints".into(),
            ],
        ),
        (
            "auth.audit_log",
            [
                "select * from auth.audit_log".into(),
                "insert into auth.audit_log (action) values ('forged')".into(),
                "update auth.audit_log set action = 'forged'".into(),
                "delete from auth.audit_log".into(),
            ],
        ),
        (
            "auth.email_changes",
            [
                "select * from auth.email_changes".into(),
                "insert into auth.email_changes (user_id, id, session_id, site, new_email, expires_at)
                 select u.id, u.id, s.id, 'reader', 'x@example.org', now()
                   from auth.users u, auth.sessions s where u.id <> s.user_id limit 1"
                    .into(),
                "update auth.email_changes set expires_at = now()".into(),
                "delete from auth.email_changes".into(),
            ],
        ),
        (
            "auth.imports",
            [
                "select * from auth.imports".into(),
                "insert into auth.imports (source) values (sha256('y'))".into(),
                "update auth.imports set records = 7".into(),
                "delete from auth.imports".into(),
            ],
        ),
        (
            "auth.idempotency_keys",
            [
                "select * from auth.idempotency_keys".into(),
                format!(
                    "insert into auth.idempotency_keys (administrator, key, request_hash, answer)
                     values ('{new}', 'x', 'x', 'x')"
                ),
                "update auth.idempotency_keys set answer = 'y'".into(),
                "delete from auth.idempotency_keys".into(),
            ],
        ),
        (
            "auth.service_keys",
            [
                "select * from auth.service_keys".into(),
                format!(
                    "insert into auth.service_keys (id, name, scope, sealed_hash)
                     values ('{new}', 'x', 'read', sha256('x'))"
                ),
                "update auth.service_keys set revoked_at = now()".into(),
                "delete from auth.service_keys".into(),
            ],
        ),
        (
            "auth.mail_failures",
            [
                "select * from auth.mail_failures".into(),
                "insert into auth.mail_failures (site, mail, reason, address_tag, domain)
                 values ('x', 'x', 'refused', substring(sha256('x') for 16), 'x')"
                    .into(),
                "update auth.mail_failures set reason = 'expired'".into(),
                "delete from auth.mail_failures".into(),
            ],
        ),
        (
            "auth.mail_suppressions",
            [
                "select * from auth.mail_suppressions".into(),
                "insert into auth.mail_suppressions (address_tag, domain) values (substring(sha256('y') for 16), 'x')"
                    .into(),
                "update auth.mail_suppressions set note = 'x'".into(),
                "delete from auth.mail_suppressions".into(),
            ],
        ),
        (
            "auth.wrong_guesses",
            [
                "select * from auth.wrong_guesses".into(),
                "insert into auth.wrong_guesses (id, address_tag, known, guessed_at)
                 values (gen_random_uuid(), substring(sha256('x') for 16), false, now())"
                    .into(),
                "update auth.wrong_guesses set known = true".into(),
                "delete from auth.wrong_guesses".into(),
            ],
        ),
        (
            "auth.mail_outbox",
            [
                "select * from auth.mail_outbox".into(),
                "insert into auth.mail_outbox (sealed) values ('x')".into(),
                "update auth.mail_outbox set due_at = now()".into(),
                "delete from auth.mail_outbox".into(),
            ],
        ),
        (
            "auth.schema_migrations",
            [
                "select 1 from auth.schema_migrations where version = 1".into(),
                "insert into auth.schema_migrations values (0, 'x', now(), true, '', 0)".into(),
                "update auth.schema_migrations set success = false".into(),
                "delete from auth.schema_migrations".into(),
            ],
        ),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_do_what_to_which_table() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let callers = callers(&people);
        every_role_has_a_column(db, &callers).await;
        // One row in each table that a library's people have no part in.
        db.run(&format!(
            "insert into auth.sessions (id, user_id, site, challenge_id, not_after)
                 values (gen_random_uuid(), '{0}', 'reader', gen_random_uuid(), now());
             insert into auth.email_changes (user_id, id, session_id, site, new_email, expires_at)
                 select user_id, id, id, site, 'y@example.org', now() from auth.sessions;
             insert into auth.signing_keys (kid, site, alg, public_jwk, wrapped_private_key)
                 values ('k', 'reader', 'ES256', '{{}}', '');
             insert into auth.mail_outbox (sealed) values ('x');
             insert into auth.mail_failures (site, mail, reason, address_tag, domain)
                 values ('x', 'x', 'refused', substring(sha256('x') for 16), 'x');
             insert into auth.mail_suppressions (address_tag, domain) values (substring(sha256('x') for 16), 'x');
             insert into auth.wrong_guesses (id, address_tag, known, guessed_at)
                 values (gen_random_uuid(), substring(sha256('x') for 16), false, now());
             insert into auth.service_keys (id, name, scope, sealed_hash) values ('{0}', 'x', 'read', sha256('x'));
             insert into auth.idempotency_keys (administrator, key, request_hash, answer) values ('{0}', 'x', 'x', 'x');
             insert into auth.imports (source) values (sha256('x'));
             insert into auth.audit_chain (seq, event_id, event_at, parts, link)
                 values (1, gen_random_uuid(), now(), decode(repeat('00', 112), 'hex'), decode(repeat('00', 32), 'hex'));
             insert into auth.audit_checkpoints (seq, link, dropped_before, mac)
                 select seq, link, now(), link from auth.audit_chain;
             truncate auth.audit_log;
             insert into auth.audit_log (action, actor_id) values ('login', '{0}')",
            people.reader
        ))
        .await
        .unwrap();
        let tables = db
            .texts(
                "select format('%I.%I', n.nspname, c.relname) from pg_class c
                   join pg_namespace n on n.oid = c.relnamespace
                  where n.nspname in ('auth', 'public') and c.relkind in ('r', 'p') and not c.relispartition",
            )
            .await;
        let written: BTreeSet<String> =
            statements(Uuid::nil(), Uuid::nil(), Uuid::nil()).into_keys().map(str::to_owned).collect();
        assert_eq!(
            tables.into_iter().collect::<BTreeSet<_>>(),
            written,
            "the tables there are, and those tried"
        );

        let mut of_library = BTreeMap::new();
        for library in [people.north, people.closed] {
            let declined = format!(
                "select id from library_invitations where library_id = '{library}' and status = 'declined'"
            );
            let declined = db.value(&declined).await;
            of_library.insert(library, statements(library, declined, people.bystander));
        }
        let mut matrix = format!("\n{:16}", "");
        for (name, ..) in &callers {
            write!(matrix, " {name:>6}").unwrap();
        }
        for table in written {
            write!(matrix, "\n{table}").unwrap();
            for (place, operation) in ["select", "insert", "update", "delete"].into_iter().enumerate() {
                write!(matrix, "\n{operation:>16}").unwrap();
                for (name, role, claims) in &callers {
                    let library = if *name == "closed" { people.closed } else { people.north };
                    let statement = &of_library[&library][table.as_str()][place];
                    let cell = match db.as_role(role, claims, statement).await {
                        Ok(rows) => rows.to_string(),
                        Err(code) if code == "42501" => "-".to_owned(),
                        Err(code) => code.split(' ').next().unwrap_or_default().to_owned(),
                    };
                    write!(matrix, " {cell:>0$}", name.len().max(6)).unwrap();
                }
            }
        }
        matrix.push('\n');
        assert!(matrix == MATRIX, "{}", differences(MATRIX, &matrix));
    })
    .await;
}

/// Every staff role, and every database role that was granted anything, is among the callers.
async fn every_role_has_a_column(db: &mut Db, callers: &[(&str, &str, Value)]) {
    let tried: BTreeSet<&str> = callers.iter().map(|(_, role, _)| *role).collect();
    let granted = db
        .texts(
            "select distinct grantee::text from (
               select grantee from information_schema.column_privileges where table_schema in ('auth', 'public')
               union all
               select grantee from information_schema.routine_privileges where routine_schema in ('auth', 'public')
             ) as granted
              where grantee <> (select tableowner from pg_tables where tablename = 'libraries') order by 1",
        )
        .await;
    assert_eq!(
        granted.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        tried,
        "database roles, and those tried"
    );
    let staff_roles = db.texts("select distinct role from role_permissions order by 1").await;
    assert_eq!(
        staff_roles,
        ["librarian", "manager", "owner", "volunteer"],
        "staff roles, each with a column"
    );
}

/// The lines that are not as written, and the whole as found, to be read and then pasted.
fn differences(written: &str, found: &str) -> String {
    let mut report = "who may do what has changed:\n".to_owned();
    for (written, found) in written.lines().zip(found.lines()).filter(|(written, found)| written != found) {
        write!(report, "  written {written}\n  found   {found}\n").unwrap();
    }
    write!(report, "as found:\n{found}").unwrap();
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_each_staff_role_may_do() {
    on_both(async |db| {
        let roles = ["owner", "manager", "librarian", "volunteer"];
        let permissions = db.texts("select distinct permission from role_permissions order by 1").await;
        let mut table = format!("{:16} {}\n", "", roles.join(" "));
        for permission in permissions {
            write!(table, "{permission:16}").unwrap();
            for role in roles {
                let held: bool = db
                    .value(&format!(
                        "select exists (select from role_permissions where role = '{role}' and permission = '{permission}')"
                    ))
                    .await;
                write!(table, " {:^1$}", if held { "x" } else { "." }, role.len()).unwrap();
            }
            table = table.trim_end().to_owned() + "\n";
        }
        assert_eq!(
            table,
            "                 owner manager librarian volunteer
admin_settings     x      .        .         .
manage_catalog     x      x        x         .
manage_inventory   x      x        x         .
manage_members     x      x        x         .
manage_staff       x      .        .         .
process_loans      x      x        x         x
view_reports       x      x        .         .
"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_staff_records_are_never_read_whole() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        // The triggers would make a profile a person and an audit row a record: not what is looked at here.
        // The embedded database takes a minute for as many; a tenth is enough for it to prefer an index.
        let readers = if db.services.is_some() { 50_000 } else { 5_000 };
        db.run(&format!(
            "alter table auth.users disable trigger user; alter table library_staff disable trigger user;
             insert into libraries (name, code) select 'L' || n, 'l' || n from generate_series(1, 1000) n;
             insert into auth.users (id, email)
                 select gen_random_uuid(), 'u' || n || '@example.org' from generate_series(1, {readers}) n;
             insert into library_staff (user_id, library_id, role)
                 select u.id, l.id, (array['owner', 'manager', 'librarian', 'volunteer'])[1 + u.n % 4]
                   from (select id, row_number() over () as n from auth.users where email like 'u%') u
                  cross join generate_series(0, 1) k
                   join (select id, row_number() over () as n from libraries where code ~ '^l[0-9]') l
                     on l.n = 1 + (u.n + 7 * k) % 1000;
             alter table auth.users enable trigger user; alter table library_staff enable trigger user;
             analyze auth.users; analyze libraries; analyze library_staff; analyze role_permissions",
        ))
        .await
        .unwrap();
        let north = people.north;
        let staff: i64 = db.value("select count(*) from library_staff").await;
        assert!(staff >= 2 * readers, "{staff}");
        // The plans of what is asked in plain sight, under the policies …
        for (who, person) in [("volunteer", people.volunteer), ("owner", people.owner)] {
            for query in [
                "select * from library_staff".to_owned(),
                format!("select * from library_staff where library_id = '{north}' order by created_at"),
                format!(
                    "select id from library_invitations where library_id = '{north}' order by created_at desc"
                ),
                "select * from library_access_requests where status = 'pending'".to_owned(),
                "select * from libraries where code = 'north'".to_owned(),
            ] {
                let plan = explain(db, &management(person), &query).await;
                assert!(!plan.contains("Seq Scan on library_staff"), "{who}: {query}\n{plan}");
                assert!(!query.contains("library_staff") || plan.contains("Index"), "{who}: {query}\n{plan}");
            }
        }
        // … and what the questions do behind it, as the database counts it.
        for question in [
            "auth.my_permissions()".to_owned(),
            format!("auth.staff_role('{north}')"),
            format!("auth.staff_id('{north}')"),
            "auth.staff_library_ids()".to_owned(),
            "auth.owned_library_ids()".to_owned(),
            format!("auth.has_permission('{north}', 'manage_staff')"),
            "auth.has_catalog_power()".to_owned(),
            format!("auth.may_grant_role('{north}', 'volunteer')"),
            format!("public.library_people('{north}')"),
        ] {
            // Often enough for the plan that is kept. The counters may still hold what was done before.
            db.run("begin").await.unwrap();
            let before = scans(db).await;
            db.run(&format!(
                "set local role authenticated; select set_config('request.jwt.claims', '{}', true);
                 select {question} from generate_series(1, 10); reset role",
                management(people.owner)
            ))
            .await
            .unwrap();
            let after = scans(db).await;
            db.run("rollback").await.unwrap();
            assert_eq!(after.0, before.0, "{question} reads the table whole");
            assert!(after.1 > before.1, "{question} reads it by an index");
        }
    })
    .await;
}

async fn explain(db: &mut Db, claims: &Value, query: &str) -> String {
    db.run(&format!(
        "begin; set local role authenticated; select set_config('request.jwt.claims', '{claims}', true)"
    ))
    .await
    .unwrap();
    let plan = db.texts(&format!("explain (costs off) {query}")).await.join("\n");
    db.run("rollback").await.unwrap();
    plan
}

/// How often `library_staff` was read whole and by an index, as far as this connection has not reported it yet.
async fn scans(db: &mut Db) -> (i64, i64) {
    sqlx::query_as(
        "select seq_scan, idx_scan from pg_stat_xact_user_tables where relid = 'library_staff'::regclass",
    )
    .fetch_one(&mut db.connection)
    .await
    .unwrap()
}
