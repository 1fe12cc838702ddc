//! `libraries`, `library_staff`, in the name of whoever asks.

use uuid::Uuid;

use super::caller::CallerTx;
use super::rules::ActError;
use crate::domain::{Change, Library, Page, Role, StaffChange, StaffRecord};

impl CallerTx {
    /// The libraries where the caller is staff, by name.
    pub async fn my_libraries(&mut self) -> Result<Vec<Library>, ActError> {
        Ok(sqlx::query_as!(
            Library,
            r#"select l.id, l.name, l.code, l.address, l.contact_info, l.settings, l.stats, l.status,
                      auth.staff_role(l.id) as role, l.version, l.updated_at
                 from public.libraries l
                where l.id = any (array(select auth.staff_library_ids()))
                order by l.name, l.id"#
        )
        .fetch_all(self.connection())
        .await?)
    }

    /// A library by its code.
    pub async fn library(&mut self, code: &str) -> Result<Library, ActError> {
        sqlx::query_as!(
            Library,
            r#"select l.id, l.name, l.code, l.address, l.contact_info, l.settings, l.stats, l.status,
                      auth.staff_role(l.id) as role, l.version, l.updated_at
                 from public.libraries l where l.code = $1"#,
            code,
        )
        .fetch_optional(self.connection())
        .await?
        .ok_or(ActError::Missing)
    }

    /// Changes a library.
    pub async fn change_library(
        &mut self,
        code: &str,
        version: i32,
        change: &Change,
    ) -> Result<Library, ActError> {
        let changed = sqlx::query_as!(
            Library,
            r#"update public.libraries l
                  set name = coalesce($3::jsonb ->> 'name', l.name),
                      address = l.address || coalesce($3 -> 'address', '{}'),
                      contact_info = l.contact_info || coalesce($3 -> 'contact_info', '{}'),
                      settings = l.settings || coalesce($3 -> 'settings', '{}'),
                      status = coalesce($3 ->> 'status', l.status)
                where l.code = $1 and l.version = $2
            returning l.id, l.name, l.code, l.address, l.contact_info, l.settings, l.stats, l.status,
                      auth.staff_role(l.id) as role, l.version, l.updated_at"#,
            code,
            version,
            change.as_value(),
        )
        .fetch_optional(self.connection())
        .await?;
        match changed {
            Some(library) => Ok(library),
            // Nothing was changed: because it is not there, is not as it was, or is not the caller's to change.
            None if self.library(code).await?.version != version => Err(ActError::Stale),
            None => Err(ActError::Refused),
        }
    }

    /// A library's staff records that the caller may see, newest first.
    pub async fn staff(&mut self, library: Uuid, page: Page) -> Result<Vec<StaffRecord>, ActError> {
        Ok(sqlx::query_as!(
            StaffRecord,
            r#"select s.id as "id!", s.user_id as "user_id!", p.display_name as "display_name?",
                      p.email as "email?", s.role as "role!", s.status as "status!", s.permissions as "permissions!",
                      s.employment_info as "employment_info!", s.deleted_at as "deleted_at?", s.version as "version!",
                      s.created_at as "created_at!"
                 from public.library_staff s
                 left join public.library_people($1) p on p.user_id = s.user_id
                where s.library_id = $1
                  and ($2::uuid is null or (s.created_at, s.id) < (
                    select a.created_at, a.id from public.library_staff a where a.id = $2))
                order by s.created_at desc, s.id desc limit $3"#,
            library,
            page.after,
            page.limit,
        )
        .fetch_all(self.connection())
        .await?)
    }

    /// One staff record.
    pub async fn staff_record(&mut self, library: Uuid, id: Uuid) -> Result<StaffRecord, ActError> {
        sqlx::query_as!(
            StaffRecord,
            r#"select s.id as "id!", s.user_id as "user_id!", p.display_name as "display_name?",
                      p.email as "email?", s.role as "role!", s.status as "status!", s.permissions as "permissions!",
                      s.employment_info as "employment_info!", s.deleted_at as "deleted_at?", s.version as "version!",
                      s.created_at as "created_at!"
                 from public.library_staff s
                 left join public.library_people($1) p on p.user_id = s.user_id
                where s.library_id = $1 and s.id = $2"#,
            library,
            id,
        )
        .fetch_optional(self.connection())
        .await?
        .ok_or(ActError::Missing)
    }

    /// Changes role, status, overrides or employment of a record.
    pub async fn change_staff(
        &mut self,
        id: Uuid,
        version: i32,
        change: &StaffChange,
    ) -> Result<(), ActError> {
        sqlx::query!(
            r#"select id as "id!" from public.change_staff($1, $2, $3, $4, $5, $6)"#,
            id,
            version,
            change.role.map(Role::as_str),
            change.status,
            change.permissions,
            change.employment_info,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(())
    }

    /// Removes a record; it stays, with who and when, and its rights are gone at once.
    pub async fn remove_staff(&mut self, id: Uuid, version: i32) -> Result<(), ActError> {
        sqlx::query!(r#"select id as "id!" from public.remove_staff($1, $2)"#, id, version)
            .fetch_one(self.connection())
            .await?;
        Ok(())
    }

    /// Takes somebody back, in the old role or another.
    pub async fn rehire_staff(&mut self, id: Uuid, version: i32, role: Option<Role>) -> Result<(), ActError> {
        sqlx::query!(
            r#"select id as "id!" from public.rehire_staff($1, $2, $3)"#,
            id,
            version,
            role.map(Role::as_str)
        )
        .fetch_one(self.connection())
        .await?;
        Ok(())
    }
}
