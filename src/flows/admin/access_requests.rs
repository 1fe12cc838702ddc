//! Access requests: looked at, and decided where a library's own leaders cannot.

use uuid::Uuid;

use super::{AdminCaller, AdminError, Flows};
use crate::domain::fields::FieldError;
use crate::domain::{AccessRequest, Page, Role, Scope};
use crate::flows::Part;
use crate::flows::library::LibraryMail;

impl Flows {
    /// Access requests at one library or at all, newest first.
    ///
    /// # Errors
    /// An [`AdminError`].
    pub async fn list_access_requests(
        &self,
        caller: &AdminCaller,
        library: Option<Uuid>,
        status: Option<&str>,
        page: Page,
    ) -> Result<Part<AccessRequest>, AdminError> {
        let known = ["pending", "approved", "declined", "withdrawn"];
        if status.is_some_and(|status| !known.contains(&status)) {
            let rule = "must be pending, approved, declined or withdrawn";
            return Err(FieldError { field: "status", rule }.into());
        }
        let mut transaction = self.db.begin_as_keeper(&caller.actor()).await?;
        let requests = transaction.list_access_requests(library, status, page).await?;
        Ok(Part::of(requests, page, |request| request.id))
    }

    /// One access request.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`](crate::ports::db::ActError::Missing) if there is none.
    pub async fn find_access_request(
        &self,
        caller: &AdminCaller,
        id: Uuid,
    ) -> Result<AccessRequest, AdminError> {
        Ok(self.db.begin_as_keeper(&caller.actor()).await?.find_access_request(id).await?)
    }

    /// Approves a request with a role, or declines it without one; the person is told.
    ///
    /// # Errors
    /// An [`AdminError`]; then nothing changed.
    pub async fn decide_request_as_admin(
        &self,
        caller: &AdminCaller,
        id: Uuid,
        version: i32,
        role: Option<Role>,
        note: Option<&str>,
    ) -> Result<AccessRequest, AdminError> {
        if role == Some(Role::Owner) {
            // Whoever may make owners could make themselves one.
            caller.require(Scope::Admin)?;
        }
        let mut transaction = self.db.begin_as_keeper(&caller.actor()).await?;
        let request = transaction.decide_request(id, version, role, note).await?;
        let mail = LibraryMail::AccessDecided {
            user: request.user_id,
            library: request.library_name.clone(),
            role,
            note: note.map(str::to_owned),
        };
        transaction.step_back().await?;
        self.queue_admin_mail(&mut transaction, mail).await?;
        transaction.commit().await?;
        self.outbox_filled.notify_one();
        Ok(request)
    }
}
