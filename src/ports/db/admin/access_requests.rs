//! `library_access_requests`, as the [keeper](super::keeper) sees and decides them. Triggers write the audit rows.

use uuid::Uuid;

use super::CreationTx;
use crate::domain::{AccessRequest, Page, Role};
use crate::ports::db::ActError;

impl CreationTx {
    /// Access requests, newest first, at one library or at all.
    pub async fn list_access_requests(
        &mut self,
        library: Option<Uuid>,
        status: Option<&str>,
        page: Page,
    ) -> Result<Vec<AccessRequest>, ActError> {
        Ok(sqlx::query_as!(
            AccessRequest,
            r#"select r.id, r.library_id, l.name as library_name, l.code as library_code, r.user_id,
                      p.display_name as "display_name?", p.email as "email?", r.message, r.status, r.decided_at,
                      r.decision_note, r.granted_role, r.version, r.created_at
                 from public.library_access_requests r
                 join public.libraries l on l.id = r.library_id
                 left join public.user_profiles p on p.id = r.user_id
                where ($1::uuid is null or r.library_id = $1) and ($2::text is null or r.status = $2)
                  and ($3::uuid is null or (r.created_at, r.id) < (
                    select a.created_at, a.id from public.library_access_requests a where a.id = $3))
                order by r.created_at desc, r.id desc limit $4"#,
            library,
            status,
            page.after,
            page.limit,
        )
        .fetch_all(self.connection())
        .await?)
    }

    /// One access request.
    pub async fn find_access_request(&mut self, id: Uuid) -> Result<AccessRequest, ActError> {
        sqlx::query_as!(
            AccessRequest,
            r#"select r.id, r.library_id, l.name as library_name, l.code as library_code, r.user_id,
                      p.display_name as "display_name?", p.email as "email?", r.message, r.status, r.decided_at,
                      r.decision_note, r.granted_role, r.version, r.created_at
                 from public.library_access_requests r
                 join public.libraries l on l.id = r.library_id
                 left join public.user_profiles p on p.id = r.user_id
                where r.id = $1"#,
            id,
        )
        .fetch_optional(self.connection())
        .await?
        .ok_or(ActError::Missing)
    }

    /// Approves a request that is as the caller has seen it with a role, or declines it without one.
    pub async fn decide_request(
        &mut self,
        id: Uuid,
        version: i32,
        role: Option<Role>,
        note: Option<&str>,
    ) -> Result<AccessRequest, ActError> {
        // As the procedure for a library's leaders: the library first, then the account and its record, then the request.
        sqlx::query_scalar!(
            "select l.id from public.libraries l
              where l.id = (select r.library_id from public.library_access_requests r where r.id = $1)
                for no key update",
            id,
        )
        .fetch_optional(self.connection())
        .await?
        .ok_or(ActError::Missing)?;
        let request = self.find_access_request(id).await?;
        match request.status.as_str() {
            "pending" if request.version != version => return Err(ActError::Stale),
            "pending" => {}
            ended => return Err(ActError::IllegalState(ended.to_owned())),
        }
        if let Some(role) = role {
            self.insert_staff(request.user_id, request.library_id, role).await?;
        }
        let decided = sqlx::query!(
            "update public.library_access_requests r
                set status = case when $3::text is null then 'declined' else 'approved' end,
                    decided_at = now(), decision_note = $4, granted_role = $3
              where r.id = $1 and r.version = $2 and r.status = 'pending'",
            id,
            version,
            role.map(Role::as_str),
            note,
        )
        .execute(self.connection())
        .await?;
        // Withdrawn since it was read, or gone with its account.
        if decided.rows_affected() == 1 { self.find_access_request(id).await } else { Err(ActError::Stale) }
    }
}
