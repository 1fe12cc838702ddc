//! `library_staff`, as the [keeper](super::keeper) sees and changes it. Triggers write the audit rows, and see to it that a
//! library keeps an active owner, whoever acts.

use uuid::Uuid;

use super::CreationTx;
use crate::domain::{Page, Role, StaffEntry};
use crate::ports::db::ActError;

/// Whose records are wanted: a library's or a person's.
#[derive(Debug, Clone, Copy)]
pub enum StaffFilter {
    /// Everybody's at a library.
    Library(Uuid),
    /// One person's at all libraries.
    Person(Uuid),
}

/// A change of a record: what is given is set.
#[derive(Debug, Clone, Default)]
pub struct StaffUpdate {
    /// Another role; where the record differed from the old one is forgotten.
    pub role: Option<Role>,
    /// `active`, `inactive` or `terminated`.
    pub status: Option<String>,
}

impl CreationTx {
    /// Staff records, newest first, removed ones too.
    pub async fn list_staff(&mut self, whose: StaffFilter, page: Page) -> Result<Vec<StaffEntry>, ActError> {
        let (library, person) = match whose {
            StaffFilter::Library(id) => (Some(id), None),
            StaffFilter::Person(id) => (None, Some(id)),
        };
        Ok(sqlx::query_as!(
            StaffEntry,
            r#"select s.id, s.user_id, p.display_name as "display_name?", p.email as "email?", s.library_id,
                      l.name as library_name, l.code as library_code, s.role, s.status, s.deleted_at, s.version,
                      s.created_at
                 from public.library_staff s
                 join public.libraries l on l.id = s.library_id
                 left join public.user_profiles p on p.id = s.user_id
                where ($1::uuid is null or s.library_id = $1) and ($2::uuid is null or s.user_id = $2)
                  and ($3::uuid is null or (s.created_at, s.id) < (
                    select a.created_at, a.id from public.library_staff a where a.id = $3))
                order by s.created_at desc, s.id desc limit $4"#,
            library,
            person,
            page.after,
            page.limit,
        )
        .fetch_all(self.connection())
        .await?)
    }

    /// One staff record.
    pub async fn staff_entry(&mut self, id: Uuid) -> Result<StaffEntry, ActError> {
        sqlx::query_as!(
            StaffEntry,
            r#"select s.id, s.user_id, p.display_name as "display_name?", p.email as "email?", s.library_id,
                      l.name as library_name, l.code as library_code, s.role, s.status, s.deleted_at, s.version,
                      s.created_at
                 from public.library_staff s
                 join public.libraries l on l.id = s.library_id
                 left join public.user_profiles p on p.id = s.user_id
                where s.id = $1"#,
            id,
        )
        .fetch_optional(self.connection())
        .await?
        .ok_or(ActError::Missing)
    }

    /// Makes a person staff, or takes a former one back, with nothing but the role; answers the record's id.
    ///
    /// As `auth.hire` does, which nobody may be granted: it runs as the owner of the tables.
    pub async fn insert_staff(&mut self, person: Uuid, library: Uuid, role: Role) -> Result<Uuid, ActError> {
        sqlx::query_scalar!(
            "insert into public.library_staff as s (user_id, library_id, role) values ($1, $2, $3)
             on conflict on constraint library_staff_user_library_key do update
             set role = excluded.role, status = 'active', is_deleted = false, permissions = '{}'
             where s.status <> 'active' or s.is_deleted
             returning s.id",
            person,
            library,
            role.as_str(),
        )
        .fetch_optional(self.connection())
        .await?
        .ok_or_else(|| ActError::IllegalState("already_staff".to_owned()))
    }

    /// Changes a record that is as the caller has seen it.
    pub async fn update_staff(
        &mut self,
        id: Uuid,
        version: i32,
        update: &StaffUpdate,
    ) -> Result<(), ActError> {
        self.lock_library_of(id).await?;
        let changed = sqlx::query!(
            "update public.library_staff s
                set role = coalesce($3, s.role), status = coalesce($4, s.status),
                    permissions = case when coalesce($3, s.role) = s.role then s.permissions else '{}' end
              where s.id = $1 and s.version = $2 and not s.is_deleted",
            id,
            version,
            update.role.map(Role::as_str),
            update.status.as_deref(),
        )
        .execute(self.connection())
        .await?;
        self.changed_or_why(id, version, changed.rows_affected()).await
    }

    /// Removes a record; it stays, with when, and its rights are gone at once.
    pub async fn revoke_staff(&mut self, id: Uuid, version: i32) -> Result<(), ActError> {
        self.lock_library_of(id).await?;
        let removed = sqlx::query!(
            "update public.library_staff s set is_deleted = true, status = 'terminated'
              where s.id = $1 and s.version = $2 and not s.is_deleted",
            id,
            version,
        )
        .execute(self.connection())
        .await?;
        self.changed_or_why(id, version, removed.rows_affected()).await
    }

    /// One change at a time at a library, in the order in which the procedures take their locks.
    async fn lock_library_of(&mut self, record: Uuid) -> Result<(), ActError> {
        sqlx::query_scalar!(
            "select l.id from public.libraries l
              where l.id = (select s.library_id from public.library_staff s where s.id = $1)
                for no key update",
            record,
        )
        .fetch_optional(self.connection())
        .await?
        .map(drop)
        .ok_or(ActError::Missing)
    }

    async fn changed_or_why(&mut self, id: Uuid, version: i32, changed: u64) -> Result<(), ActError> {
        if changed == 1 {
            return Ok(());
        }
        match self.staff_entry(id).await? {
            record if record.version != version => Err(ActError::Stale),
            _ => Err(ActError::IllegalState("removed".to_owned())),
        }
    }
}
