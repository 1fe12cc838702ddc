//! Three libraries and everybody who has, had or never had to do with them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::database::Db;

/// `north` is where things happen, `south` is another library, `closed` is inactive. Each has a pending invitation, two
/// patron's cards (one of `reader`), a pending request by `reader`, a declined one and a declined invitation.
pub(crate) struct Libraries {
    pub(crate) north: Uuid,
    pub(crate) south: Uuid,
    pub(crate) closed: Uuid,
    /// Staff of north, one a role.
    pub(crate) owner: Uuid,
    pub(crate) manager: Uuid,
    pub(crate) librarian: Uuid,
    pub(crate) volunteer: Uuid,
    /// Once owners of north: one dismissed, one removed.
    pub(crate) terminated: Uuid,
    pub(crate) removed: Uuid,
    /// Owners of south and of closed.
    pub(crate) elsewhere: Uuid,
    pub(crate) inactive: Uuid,
    /// Nobody's staff: one with a card and a request at each library, one without anything.
    pub(crate) reader: Uuid,
    pub(crate) bystander: Uuid,
}

/// What a token of the management site says of its bearer.
pub(crate) fn management(person: Uuid) -> Value {
    token(person, "management")
}

/// What a token of the reader site says of its bearer.
pub(crate) fn reading(person: Uuid) -> Value {
    token(person, "reader")
}

fn token(person: Uuid, site: &str) -> Value {
    json!({"sub": person, "role": "authenticated", "session_id": Uuid::from_u128(7), "site": site, "site_kind": site})
}

impl Libraries {
    pub(crate) async fn fill(db: &mut Db) -> Self {
        let mut people = Vec::new();
        for name in [
            "owner",
            "manager",
            "librarian",
            "volunteer",
            "terminated",
            "removed",
            "elsewhere",
            "inactive",
            "reader",
            "bystander",
        ] {
            people.push(db.make_user(&format!("{name}@example.org"), json!({"role": "owner"})).await);
        }
        let [
            owner,
            manager,
            librarian,
            volunteer,
            terminated,
            removed,
            elsewhere,
            inactive,
            reader,
            bystander,
        ] = people[..]
        else {
            unreachable!("ten people")
        };
        let [north, south, closed] = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
        db.run(&format!(
            "insert into libraries (id, name, code) values
                 ('{north}', 'North', 'north'), ('{south}', 'South', 'south'), ('{closed}', 'Closed', 'closed');
             insert into library_staff (user_id, library_id, role) values
                 ('{owner}', '{north}', 'owner'), ('{manager}', '{north}', 'manager'),
                 ('{librarian}', '{north}', 'librarian'), ('{volunteer}', '{north}', 'volunteer'),
                 ('{terminated}', '{north}', 'owner'), ('{removed}', '{north}', 'owner'),
                 ('{elsewhere}', '{south}', 'owner'), ('{inactive}', '{closed}', 'owner');
             update library_staff set status = 'terminated' where user_id = '{terminated}';
             update library_staff set is_deleted = true where user_id = '{removed}'",
        ))
        .await
        .unwrap();
        for library in [north, south, closed] {
            db.run(&format!(
                "insert into library_members (library_id, member_id, user_id, personal_info) values
                     ('{library}', '1', '{reader}', '{{\"email\": \"Reader@Example.org\"}}'),
                     ('{library}', '2', null, '{{\"first_name\": \"Walk-in\"}}');
                 insert into library_invitations (library_id, inviter_id, email, role, token_hash)
                     select '{library}', id, name || '@example.org', 'librarian', sha256((name || '{library}')::bytea)
                       from library_staff, unnest(array['newcomer', 'refuser']) as name
                      where library_id = '{library}' and role = 'owner' and status = 'active' and not is_deleted;
                 update library_invitations set status = 'declined'
                  where library_id = '{library}' and email = 'refuser@example.org';
                 insert into library_invitation_responses (invitation_id, responder_id, response)
                     select id, '{reader}', 'declined' from library_invitations
                      where library_id = '{library}' and email = 'refuser@example.org';
                 insert into library_access_requests (library_id, user_id) values ('{library}', '{reader}');
                 insert into library_access_requests (library_id, user_id, status, decided_at)
                     values ('{library}', '{bystander}', 'declined', now())",
            ))
            .await
            .unwrap();
        }
        db.run(&format!("update libraries set status = 'inactive' where id = '{closed}'")).await.unwrap();
        Self {
            north,
            south,
            closed,
            owner,
            manager,
            librarian,
            volunteer,
            terminated,
            removed,
            elsewhere,
            inactive,
            reader,
            bystander,
        }
    }

    /// A person's staff record at north.
    pub(crate) async fn record(&self, db: &mut Db, person: Uuid) -> Uuid {
        let north = self.north;
        db.value(&format!(
            "select id from library_staff where user_id = '{person}' and library_id = '{north}'"
        ))
        .await
    }
}
