//! `library_invitations` and `library_access_requests`, in the name of whoever asks: the two ways to become staff.

use uuid::Uuid;

use super::caller::CallerTx;
use super::rules::ActError;
use crate::domain::{AccessRequest, EmailAddress, Invitation, Offer, Page, Role};

/// A new invitation.
#[derive(Debug, Clone)]
pub struct NewInvitation<'a> {
    /// At which library.
    pub library: Uuid,
    /// Whom it is for.
    pub email: &'a EmailAddress,
    /// The role offered.
    pub role: Role,
    /// A note to the person.
    pub message: Option<&'a str>,
    /// SHA-256 of the token in the mailed link.
    pub token_hash: &'a [u8; 32],
}

impl CallerTx {
    /// Makes an invitation.
    pub async fn invite(&mut self, new: &NewInvitation<'_>) -> Result<Invitation, ActError> {
        Ok(sqlx::query_as!(
            Invitation,
            "insert into public.library_invitations (library_id, email, role, kind, token_hash, personal_message)
             values ($1, $2, $3, 'library_staff', $4, $5)
          returning id, email, role, kind, status, personal_message, expires_at, version, created_at",
            new.library,
            new.email.as_str(),
            new.role.as_str(),
            new.token_hash.as_slice(),
            new.message,
        )
        .fetch_one(self.connection())
        .await?)
    }

    /// A library's invitations, newest first.
    pub async fn invitations(&mut self, library: Uuid, page: Page) -> Result<Vec<Invitation>, ActError> {
        Ok(sqlx::query_as!(
            Invitation,
            r#"select i.id, i.email, i.role, i.kind,
                      case when i.status = 'pending' and i.expires_at <= now() then 'expired' else i.status end as "status!",
                      i.personal_message, i.expires_at, i.version, i.created_at
                 from public.library_invitations i
                where i.library_id = $1
                  and ($2::uuid is null or (i.created_at, i.id) < (
                    select a.created_at, a.id from public.library_invitations a where a.id = $2))
                order by i.created_at desc, i.id desc limit $3"#,
            library,
            page.after,
            page.limit,
        )
        .fetch_all(self.connection())
        .await?)
    }

    /// Cancels an invitation that is still pending.
    pub async fn cancel_invitation(&mut self, library: Uuid, id: Uuid, version: i32) -> Result<(), ActError> {
        let cancelled = sqlx::query!(
            "update public.library_invitations set status = 'cancelled'
              where library_id = $1 and id = $2 and version = $3",
            library,
            id,
            version,
        )
        .execute(self.connection())
        .await?;
        if cancelled.rows_affected() == 1 {
            return Ok(());
        }
        let seen = sqlx::query_scalar!(
            "select version from public.library_invitations where library_id = $1 and id = $2",
            library,
            id
        )
        .fetch_optional(self.connection())
        .await?;
        match seen {
            None => Err(ActError::Missing),
            Some(now) if now != version => Err(ActError::Stale),
            Some(_) => Err(ActError::Refused),
        }
    }

    /// What the holder of a token is offered.
    pub async fn offer(&mut self, token_hash: &[u8; 32]) -> Result<Offer, ActError> {
        sqlx::query_as!(
            Offer,
            r#"select library_name as "library_name!", library_code as "library_code!", kind as "kind!", role,
                      inviter_name, email as "email!", personal_message, status as "status!",
                      expires_at as "expires_at!"
                 from public.find_invitation($1)"#,
            token_hash.as_slice(),
        )
        .fetch_optional(self.connection())
        .await?
        .ok_or(ActError::Missing)
    }

    /// Accepts an invitation; answers the library's code.
    pub async fn accept_invitation(&mut self, token_hash: &[u8; 32]) -> Result<String, ActError> {
        Ok(sqlx::query_scalar!(
            r#"select library_code as "code!" from public.accept_invitation($1)"#,
            token_hash.as_slice()
        )
        .fetch_one(self.connection())
        .await?)
    }

    /// Declines an invitation.
    pub async fn decline_invitation(&mut self, token_hash: &[u8; 32]) -> Result<(), ActError> {
        sqlx::query!("select public.decline_invitation($1)", token_hash.as_slice())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Asks a library for access.
    pub async fn request_access(&mut self, library: Uuid, message: Option<&str>) -> Result<Uuid, ActError> {
        Ok(sqlx::query_scalar!(
            "insert into public.library_access_requests (library_id, message) values ($1, $2) returning id",
            library,
            message,
        )
        .fetch_one(self.connection())
        .await?)
    }

    /// Requests that the caller may see, newest first: those at one library, or the caller's own.
    pub async fn access_requests(
        &mut self,
        library: Option<Uuid>,
        page: Page,
    ) -> Result<Vec<AccessRequest>, ActError> {
        Ok(sqlx::query_as!(
            AccessRequest,
            r#"select r.id as "id!", r.library_id as "library_id!", l.name as "library_name!",
                      l.code as "library_code!", r.user_id as "user_id!", p.display_name as "display_name?",
                      p.email as "email?", r.message as "message?", r.status as "status!",
                      r.decided_at as "decided_at?", r.decision_note as "decision_note?",
                      r.granted_role as "granted_role?", r.version as "version!", r.created_at as "created_at!"
                 from public.library_access_requests r
                 join public.libraries l on l.id = r.library_id
                 left join public.library_people($1) p on p.user_id = r.user_id
                where case when $1::uuid is null then r.user_id = auth.uid() else r.library_id = $1 end
                  and ($2::uuid is null or (r.created_at, r.id) < (
                    select a.created_at, a.id from public.library_access_requests a where a.id = $2))
                order by r.created_at desc, r.id desc limit $3"#,
            library,
            page.after,
            page.limit,
        )
        .fetch_all(self.connection())
        .await?)
    }

    /// What waits for a decision of the caller, the oldest first, over all libraries. At most 100.
    ///
    /// The policy shows requests to who may decide them; the caller's own are not for the caller to decide.
    pub async fn open_access_requests(&mut self) -> Result<Vec<AccessRequest>, ActError> {
        Ok(sqlx::query_as!(
            AccessRequest,
            r#"select r.id as "id!", r.library_id as "library_id!", l.name as "library_name!",
                      l.code as "library_code!", r.user_id as "user_id!", p.display_name as "display_name?",
                      p.email as "email?", r.message as "message?", r.status as "status!",
                      r.decided_at as "decided_at?", r.decision_note as "decision_note?",
                      r.granted_role as "granted_role?", r.version as "version!", r.created_at as "created_at!"
                 from public.library_access_requests r
                 join public.libraries l on l.id = r.library_id
                 left join lateral public.library_people(r.library_id) p on p.user_id = r.user_id
                where r.status = 'pending' and r.user_id <> auth.uid()
                order by r.created_at, r.id limit 100"#,
        )
        .fetch_all(self.connection())
        .await?)
    }

    /// One request that the caller may see.
    pub async fn access_request(&mut self, id: Uuid) -> Result<AccessRequest, ActError> {
        sqlx::query_as!(
            AccessRequest,
            r#"select r.id as "id!", r.library_id as "library_id!", l.name as "library_name!",
                      l.code as "library_code!", r.user_id as "user_id!", p.display_name as "display_name?",
                      p.email as "email?", r.message as "message?", r.status as "status!",
                      r.decided_at as "decided_at?", r.decision_note as "decision_note?",
                      r.granted_role as "granted_role?", r.version as "version!", r.created_at as "created_at!"
                 from public.library_access_requests r
                 join public.libraries l on l.id = r.library_id
                 left join lateral public.library_people(r.library_id) p on p.user_id = r.user_id
                where r.id = $1"#,
            id,
        )
        .fetch_optional(self.connection())
        .await?
        .ok_or(ActError::Missing)
    }

    /// Approves a request with a role, or declines it without one.
    pub async fn decide_access_request(
        &mut self,
        id: Uuid,
        version: i32,
        role: Option<Role>,
        note: Option<&str>,
    ) -> Result<(), ActError> {
        sqlx::query!(
            r#"select id as "id!" from public.decide_access_request($1, $2, $3, $4, $5)"#,
            id,
            role.is_some(),
            role.map(Role::as_str),
            note,
            version,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(())
    }

    /// Withdraws the caller's own request.
    pub async fn withdraw_access_request(&mut self, id: Uuid, version: i32) -> Result<(), ActError> {
        let withdrawn = sqlx::query!(
            "update public.library_access_requests set status = 'withdrawn' where id = $1 and version = $2",
            id,
            version,
        )
        .execute(self.connection())
        .await?;
        if withdrawn.rows_affected() == 1 {
            return Ok(());
        }
        match self.access_request(id).await?.version {
            now if now != version => Err(ActError::Stale),
            _ => Err(ActError::Refused),
        }
    }
}
