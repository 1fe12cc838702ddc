//! Libraries and their staff: looked at and changed in the caller's name.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Caller, Flows, LibraryError};
use crate::domain::keys::Sealed;
use crate::domain::{Change, Library, Page, Role, StaffChange, StaffRecord};
use crate::ports::PortError;
use crate::ports::db::CallerTx;

/// A part of a list, and where the next part begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Ask for what comes after this one; `None` at the end.
    pub next: Option<Uuid>,
}

impl<T> Part<T> {
    pub(super) fn of(items: Vec<T>, page: Page, id: impl Fn(&T) -> Uuid) -> Self {
        let is_full = i64::try_from(items.len()).is_ok_and(|count| count >= page.limit);
        let next = items.last().filter(|_| is_full).map(id);
        Self { items, next }
    }
}

/// A mail that belongs to a change in the database: sealed in the outbox until a worker writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LibraryMail {
    Invitation {
        email: String,
        token: String,
        library: String,
        role: Role,
        inviter: Option<String>,
        message: Option<String>,
        expires_at: DateTime<Utc>,
    },
    /// To everybody who may decide at the library, or, once they have been looked up, to one of them.
    AccessRequested {
        to: Option<String>,
        library_id: Uuid,
        library: String,
        requester: Option<String>,
        requester_email: String,
        message: Option<String>,
    },
    AccessDecided {
        user: Uuid,
        library: String,
        role: Option<Role>,
        note: Option<String>,
    },
    StaffChanged {
        user: Uuid,
        library: String,
        change: StaffNews,
    },
    /// To the address that an account had until now.
    AddressChanged {
        user: Uuid,
        email: String,
        /// An administrator did it, and no code of either mailbox.
        #[serde(default)]
        by_administrator: bool,
    },
    /// To somebody whom an administrator invites to an account.
    AccountInvitation {
        email: String,
        token: String,
        expires_at: DateTime<Utc>,
    },
}

/// A mail in the outbox, and the site in whose name it goes out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OutboxJob {
    pub site: String,
    pub mail: LibraryMail,
}

impl OutboxJob {
    /// The same mail, to one of those it is for.
    pub(super) fn to(&self, email: &str) -> Self {
        let mut job = self.clone();
        if let LibraryMail::AccessRequested { to, .. } = &mut job.mail {
            *to = Some(email.to_owned());
        }
        job
    }
}

/// What a person hears about their record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StaffNews {
    Role { from: String, to: String },
    Granted { role: String },
    Removed,
    Suspended,
    Restored { role: String },
}

impl StaffNews {
    /// What a change of role and status means to the person.
    pub(super) fn between(before: (&str, &str), after: (&str, &str)) -> Option<Self> {
        let role = after.0.to_owned();
        match (before.1, after.1) {
            ("active", "active") if before.0 != after.0 => {
                Some(Self::Role { from: before.0.to_owned(), to: role })
            }
            ("active", "active") => None,
            ("active", _) => Some(Self::Suspended),
            (_, "active") => Some(Self::Restored { role }),
            _ => None,
        }
    }
}

impl Flows {
    /// The libraries where the caller is staff: none, one or many.
    ///
    /// # Errors
    /// A [`LibraryError`].
    pub async fn my_libraries(&self, caller: &Caller) -> Result<Vec<Library>, LibraryError> {
        Ok(self.admit(caller).await?.my_libraries().await?)
    }

    /// A library by its code.
    ///
    /// # Errors
    /// A [`LibraryError`]; one that the caller may not see is missing.
    pub async fn library(&self, caller: &Caller, code: &str) -> Result<Library, LibraryError> {
        Ok(self.admit(caller).await?.library(code).await?)
    }

    /// Changes a library.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing changed.
    pub async fn change_library(
        &self,
        caller: &Caller,
        code: &str,
        version: i32,
        change: &Change,
    ) -> Result<Library, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let library = transaction.change_library(code, version, change).await?;
        transaction.commit().await?;
        Ok(library)
    }

    /// A library's staff, as far as the caller may see them.
    ///
    /// # Errors
    /// A [`LibraryError`].
    pub async fn staff(
        &self,
        caller: &Caller,
        code: &str,
        page: Page,
    ) -> Result<Part<StaffRecord>, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let library = transaction.library(code).await?;
        Ok(Part::of(transaction.staff(library.id, page).await?, page, |record| record.id))
    }

    /// Changes a staff record, and tells its owner.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing changed.
    pub async fn change_staff(
        &self,
        caller: &Caller,
        code: &str,
        id: Uuid,
        version: i32,
        change: &StaffChange,
    ) -> Result<StaffRecord, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let library = transaction.library(code).await?;
        let before = transaction.staff_record(library.id, id).await?;
        transaction.change_staff(id, version, change).await?;
        let after = transaction.staff_record(library.id, id).await?;
        let news = StaffNews::between((&before.role, &before.status), (&after.role, &after.status));
        self.keep_and_tell(caller, transaction, &library, &after, news).await?;
        Ok(after)
    }

    /// Removes a staff record, and tells its owner. It stays, with who and when; its rights are gone at once.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing changed.
    pub async fn remove_staff(
        &self,
        caller: &Caller,
        code: &str,
        id: Uuid,
        version: i32,
    ) -> Result<(), LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let library = transaction.library(code).await?;
        let record = transaction.staff_record(library.id, id).await?;
        transaction.remove_staff(id, version).await?;
        self.keep_and_tell(caller, transaction, &library, &record, Some(StaffNews::Removed)).await
    }

    /// Takes somebody back who was removed or suspended, and tells them.
    ///
    /// # Errors
    /// A [`LibraryError`]; then nothing changed.
    pub async fn rehire_staff(
        &self,
        caller: &Caller,
        code: &str,
        id: Uuid,
        version: i32,
        role: Option<Role>,
    ) -> Result<StaffRecord, LibraryError> {
        let mut transaction = self.admit(caller).await?;
        let library = transaction.library(code).await?;
        transaction.staff_record(library.id, id).await?;
        transaction.rehire_staff(id, version, role).await?;
        let record = transaction.staff_record(library.id, id).await?;
        let news = StaffNews::Restored { role: record.role.clone() };
        self.keep_and_tell(caller, transaction, &library, &record, Some(news)).await?;
        Ok(record)
    }

    async fn keep_and_tell(
        &self,
        caller: &Caller,
        transaction: CallerTx,
        library: &Library,
        record: &StaffRecord,
        news: Option<StaffNews>,
    ) -> Result<(), LibraryError> {
        match news {
            None => Ok(transaction.commit().await?),
            Some(change) => {
                let mail =
                    LibraryMail::StaffChanged { user: record.user_id, library: library.name.clone(), change };
                self.keep_and_mail(caller, transaction, mail).await
            }
        }
    }

    /// Commits with a mail: it goes out if, and only if, the change is kept.
    pub(super) async fn keep_and_mail(
        &self,
        caller: &Caller,
        transaction: CallerTx,
        mail: LibraryMail,
    ) -> Result<(), LibraryError> {
        let sealed = self.seal_outbox_job(&OutboxJob { site: caller.site.id.clone(), mail })?;
        transaction.queue_mail_and_commit(&sealed).await?;
        self.outbox_filled.notify_one();
        Ok(())
    }

    pub(super) fn seal_outbox_job(&self, job: &OutboxJob) -> Result<Vec<u8>, PortError> {
        self.seal(Sealed::MailJob, OUTBOX, job)
    }

    pub(super) fn open_outbox_job(&self, sealed: &[u8]) -> Result<OutboxJob, PortError> {
        self.open(Sealed::MailJob, OUTBOX, sealed)
    }
}

/// Bound into what is sealed for the outbox, so that it is never taken for a code's mail.
pub(super) const OUTBOX: &str = "outbox";
