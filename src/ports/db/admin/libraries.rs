//! `libraries`, as the [keeper](super::keeper) sees and changes them. Triggers write the audit rows.

use uuid::Uuid;

use super::CreationTx;
use crate::domain::{LibraryRecord, Page};
use crate::ports::db::ActError;

/// Which libraries are wanted.
#[derive(Debug, Clone, Default)]
pub struct LibraryFilter {
    /// `active`, `inactive` or `pending`.
    pub status: Option<String>,
    /// What the name begins with, in any case.
    pub name: Option<String>,
}

/// A library to be.
#[derive(Debug, Clone)]
pub struct NewLibrary {
    /// What people call it.
    pub name: String,
    /// Names it in URLs.
    pub code: String,
    /// `active`, `inactive` or `pending`.
    pub status: String,
}

/// A change of a library: what is given is set.
#[derive(Debug, Clone, Default)]
pub struct LibraryChange {
    /// What people call it.
    pub name: Option<String>,
    /// Names it in URLs.
    pub code: Option<String>,
    /// `active`, `inactive` or `pending`.
    pub status: Option<String>,
}

impl CreationTx {
    /// The libraries, newest first.
    pub async fn list_libraries(
        &mut self,
        filter: &LibraryFilter,
        page: Page,
    ) -> Result<Vec<LibraryRecord>, ActError> {
        Ok(sqlx::query_as!(
            LibraryRecord,
            r#"select l.id, l.name, l.code, l.status,
                      count(s.id) filter (where s.role = 'owner') as "owners!", count(s.id) as "staff!",
                      l.version, l.created_at, l.updated_at
                 from public.libraries l
                 left join public.library_staff s
                   on s.library_id = l.id and s.status = 'active' and not s.is_deleted
                where ($1::text is null or l.status = $1)
                  and ($2::text is null or starts_with(lower(l.name), lower($2)))
                  and ($3::uuid is null or (l.created_at, l.id) < (
                    select a.created_at, a.id from public.libraries a where a.id = $3))
                group by l.id order by l.created_at desc, l.id desc limit $4"#,
            filter.status.as_deref(),
            filter.name.as_deref(),
            page.after,
            page.limit,
        )
        .fetch_all(self.connection())
        .await?)
    }

    /// One library.
    pub async fn library(&mut self, id: Uuid) -> Result<LibraryRecord, ActError> {
        sqlx::query_as!(
            LibraryRecord,
            r#"select l.id, l.name, l.code, l.status,
                      count(s.id) filter (where s.role = 'owner') as "owners!", count(s.id) as "staff!",
                      l.version, l.created_at, l.updated_at
                 from public.libraries l
                 left join public.library_staff s
                   on s.library_id = l.id and s.status = 'active' and not s.is_deleted
                where l.id = $1 group by l.id"#,
            id,
        )
        .fetch_optional(self.connection())
        .await?
        .ok_or(ActError::Missing)
    }

    /// Makes a library and answers its id.
    pub async fn insert_library(&mut self, new: &NewLibrary) -> Result<Uuid, ActError> {
        Ok(sqlx::query_scalar!(
            "insert into public.libraries (name, code, status) values ($1, $2, $3) returning id",
            new.name,
            new.code,
            new.status,
        )
        .fetch_one(self.connection())
        .await?)
    }

    /// Changes a library that is as the caller has seen it.
    pub async fn update_library(
        &mut self,
        id: Uuid,
        version: i32,
        change: &LibraryChange,
    ) -> Result<LibraryRecord, ActError> {
        let changed = sqlx::query!(
            "update public.libraries l
                set name = coalesce($3, l.name), code = coalesce($4, l.code), status = coalesce($5, l.status)
              where l.id = $1 and l.version = $2",
            id,
            version,
            change.name.as_deref(),
            change.code.as_deref(),
            change.status.as_deref(),
        )
        .execute(self.connection())
        .await?;
        let library = self.library(id).await?;
        if changed.rows_affected() == 1 { Ok(library) } else { Err(ActError::Stale) }
    }

    /// The account of an id or an address.
    pub async fn find_person(
        &mut self,
        id: Option<Uuid>,
        email: Option<&str>,
    ) -> Result<Option<Uuid>, ActError> {
        Ok(sqlx::query_scalar!(
            "select id from public.user_profiles
              where ($1::uuid is not null or $2::text is not null)
                and id = coalesce($1, id) and email = coalesce($2, email)",
            id,
            email,
        )
        .fetch_optional(self.connection())
        .await?)
    }
}
