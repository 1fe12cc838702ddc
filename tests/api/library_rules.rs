//! The rules of libraries as the database keeps them, tried with plain SQL under the role of a signed-in person.

mod attacks;
mod invitations;
mod records;
mod staff;

use serde_json::Value;
use uuid::Uuid;

use super::support::database::{Db, Outcome};
use super::support::libraries::{Libraries, management};

fn denied() -> Outcome {
    Err("42501".to_owned())
}

fn refused(reason: &str) -> Outcome {
    Err(reason.to_owned())
}

/// Has the library's owner invite somebody; the token is the name.
async fn invite(db: &mut Db, people: &Libraries, token: &str, email: &str, role: &str) -> Outcome {
    let statement = format!(
        "insert into library_invitations (library_id, email, role, token_hash)
         values ('{}', '{email}', '{role}', sha256('{token}'))",
        people.north
    );
    db.act(&management(people.owner), &statement).await
}

fn accept(token: &str) -> String {
    format!("select * from accept_invitation(sha256('{token}'))")
}

/// Calls a procedure on somebody's staff record at north, with its latest version.
async fn on_record(db: &mut Db, people: &Libraries, by: &Value, person: Uuid, call: &str) -> Outcome {
    let record = people.record(db, person).await;
    let version: i32 = db.value(&format!("select version from library_staff where id = '{record}'")).await;
    let call = call.replace("RECORD", &format!("'{record}', {version}"));
    db.act(by, &format!("select {call}")).await
}

async fn role_at_north(db: &mut Db, people: &Libraries, claims: &Value) -> String {
    db.ask(claims, &format!("select auth.staff_role('{}')", people.north)).await.remove(0)
}
