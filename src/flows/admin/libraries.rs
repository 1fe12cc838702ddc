//! Libraries: looked at, made, changed.

use uuid::Uuid;

use super::once::Begun;
use super::staff::Person;
use super::{AdminCaller, AdminError, Flows, Request};
use crate::domain::fields::{self, FieldError};
use crate::domain::{LibraryRecord, Page, Role};
use crate::flows::Part;
use crate::ports::db::{ActError, CreationTx, LibraryChange, LibraryFilter, NewLibrary};

/// A library to be.
#[derive(Debug, Clone)]
pub struct LibraryPlan {
    /// What people call it.
    pub name: String,
    /// Names it in URLs.
    pub code: String,
    /// `active`, `inactive` or `pending`.
    pub status: String,
    /// Its first owner.
    pub owner: Option<Person>,
}

impl Flows {
    /// The libraries, newest first.
    ///
    /// # Errors
    /// An [`AdminError`].
    pub async fn list_libraries(
        &self,
        caller: &AdminCaller,
        filter: &LibraryFilter,
        page: Page,
    ) -> Result<Part<LibraryRecord>, AdminError> {
        let mut transaction = self.db.begin_as_keeper(&caller.actor()).await?;
        Ok(Part::of(transaction.list_libraries(filter, page).await?, page, |library| library.id))
    }

    /// One library.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`] if there is none.
    pub async fn find_library(&self, caller: &AdminCaller, id: Uuid) -> Result<LibraryRecord, AdminError> {
        Ok(self.db.begin_as_keeper(&caller.actor()).await?.library(id).await?)
    }

    /// Makes a library, with its first owner if one is named, who is told.
    ///
    /// # Errors
    /// An [`AdminError`]; then there is none.
    pub async fn make_library(
        &self,
        caller: &AdminCaller,
        plan: &LibraryPlan,
        request: &Request<'_>,
    ) -> Result<LibraryRecord, AdminError> {
        let new = NewLibrary {
            name: name(&plan.name)?,
            code: code(&plan.code)?,
            status: status(&plan.status)?.to_owned(),
        };
        let mut once = match self.begin_once(caller, request).await? {
            Begun::Before(answer) => return Ok(answer),
            Begun::Now(once) => once,
        };
        once.tx.become_keeper(&caller.actor()).await?;
        let owner = match &plan.owner {
            Some(person) => Some(person.find(&mut once.tx).await?),
            None => None,
        };
        let made = self.insert_library(&mut once.tx, &new, owner).await;
        let made = self.finish_once(once, made).await;
        self.outbox_filled.notify_one();
        made
    }

    async fn insert_library(
        &self,
        tx: &mut CreationTx,
        new: &NewLibrary,
        owner: Option<Uuid>,
    ) -> Result<LibraryRecord, ActError> {
        let id = tx.insert_library(new).await?;
        if let Some(owner) = owner {
            tx.insert_staff(owner, id, Role::Owner).await?;
        }
        let library = tx.library(id).await?;
        tx.step_back().await?;
        if let Some(owner) = owner {
            self.tell_of_grant(tx, owner, &library.name, Role::Owner).await?;
        }
        Ok(library)
    }

    /// Changes a library's name, code or status.
    ///
    /// # Errors
    /// An [`AdminError`]; then nothing changed.
    pub async fn change_library_as_admin(
        &self,
        caller: &AdminCaller,
        id: Uuid,
        version: i32,
        change: &LibraryChange,
    ) -> Result<LibraryRecord, AdminError> {
        let change = LibraryChange {
            name: change.name.as_deref().map(name).transpose()?,
            code: change.code.as_deref().map(code).transpose()?,
            status: change.status.as_deref().map(status).transpose()?.map(str::to_owned),
        };
        let mut transaction = self.db.begin_as_keeper(&caller.actor()).await?;
        let library = transaction.update_library(id, version, &change).await?;
        transaction.commit().await?;
        Ok(library)
    }
}

fn name(text: &str) -> Result<String, FieldError> {
    fields::line("name", text, 200, "must have 1 to 200 characters")
}

/// A host label (RFC 1123 §2.1), as the table demands it.
fn code(text: &str) -> Result<String, FieldError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = (1..=63).contains(&text.len())
        && text.bytes().all(|byte| plain(byte) || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    let rule = "must be 1 to 63 lower-case letters, digits and inner hyphens";
    if fits { Ok(text.to_owned()) } else { Err(FieldError { field: "code", rule }) }
}

fn status(word: &str) -> Result<&str, FieldError> {
    let rule = "must be active, inactive or pending";
    ["active", "inactive", "pending"]
        .contains(&word)
        .then_some(word)
        .ok_or(FieldError { field: "status", rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_host_label() {
        for text in ["a", "north-2", &"a".repeat(63)] {
            assert_eq!(code(text).as_deref(), Ok(text));
        }
        for text in ["", "-a", "a-", "North", "a_b", "a.b", "é", &"a".repeat(64)] {
            assert!(code(text).is_err(), "{text}");
        }
    }
}
