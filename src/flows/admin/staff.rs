//! Staff records: looked at, granted, changed, revoked. Whoever a record is about hears of it.

use uuid::Uuid;

use super::once::Begun;
use super::{AdminCaller, AdminError, Flows, Request};
use crate::domain::fields::FieldError;
use crate::domain::{EmailAddress, Page, Role, StaffEntry};
use crate::flows::Part;
use crate::flows::library::{LibraryMail, OutboxJob, StaffNews};
use crate::ports::PortError;
use crate::ports::db::{ActError, CreationTx, StaffFilter, StaffUpdate};

/// Somebody with an account, as an administrator names them.
#[derive(Debug, Clone)]
pub enum Person {
    /// By the account's id.
    Id(Uuid),
    /// By the account's address.
    Email(EmailAddress),
}

impl Person {
    pub(super) async fn find(&self, tx: &mut CreationTx) -> Result<Uuid, AdminError> {
        let (found, field) = match self {
            Self::Id(id) => (tx.find_person(Some(*id), None).await?, "user_id"),
            Self::Email(email) => (tx.find_person(None, Some(email.as_str())).await?, "email"),
        };
        found.ok_or(AdminError::NoSuchAccount(field))
    }
}

/// A staff record to be.
#[derive(Debug, Clone)]
pub struct StaffPlan {
    /// At which library.
    pub library: Uuid,
    /// Whose.
    pub person: Person,
    /// In which role.
    pub role: Role,
}

impl Flows {
    /// Staff records of a library or of a person, newest first, removed ones too.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`] if there is no such library or account.
    pub async fn list_staff(
        &self,
        caller: &AdminCaller,
        whose: StaffFilter,
        page: Page,
    ) -> Result<Part<StaffEntry>, AdminError> {
        let mut transaction = self.db.begin_as_keeper(&caller.actor()).await?;
        match whose {
            StaffFilter::Library(id) => drop(transaction.library(id).await?),
            StaffFilter::Person(id) => {
                transaction.find_person(Some(id), None).await?.ok_or(ActError::Missing)?;
            }
        }
        Ok(Part::of(transaction.list_staff(whose, page).await?, page, |record| record.id))
    }

    /// One staff record.
    ///
    /// # Errors
    /// An [`AdminError`]; [`ActError::Missing`] if there is none.
    pub async fn find_staff(&self, caller: &AdminCaller, id: Uuid) -> Result<StaffEntry, AdminError> {
        Ok(self.db.begin_as_keeper(&caller.actor()).await?.staff_entry(id).await?)
    }

    /// Makes a person staff of a library, or takes a former one back.
    ///
    /// # Errors
    /// An [`AdminError`]; then nothing changed.
    pub async fn grant_staff(
        &self,
        caller: &AdminCaller,
        plan: &StaffPlan,
        request: &Request<'_>,
    ) -> Result<StaffEntry, AdminError> {
        let mut once = match self.begin_once(caller, request).await? {
            Begun::Before(answer) => return Ok(answer),
            Begun::Now(once) => once,
        };
        once.tx.become_keeper(&caller.actor()).await?;
        once.tx.library(plan.library).await?;
        let person = plan.person.find(&mut once.tx).await?;
        let granted = self.insert_staff(&mut once.tx, person, plan).await;
        let granted = self.finish_once(once, granted).await;
        self.outbox_filled.notify_one();
        granted
    }

    async fn insert_staff(
        &self,
        tx: &mut CreationTx,
        person: Uuid,
        plan: &StaffPlan,
    ) -> Result<StaffEntry, ActError> {
        let id = tx.insert_staff(person, plan.library, plan.role).await?;
        let record = tx.staff_entry(id).await?;
        tx.step_back().await?;
        self.tell_of_grant(tx, person, &record.library_name, plan.role).await?;
        Ok(record)
    }

    /// Changes the role or the status of a staff record.
    ///
    /// # Errors
    /// An [`AdminError`]; then nothing changed.
    pub async fn update_staff(
        &self,
        caller: &AdminCaller,
        id: Uuid,
        version: i32,
        update: &StaffUpdate,
    ) -> Result<StaffEntry, AdminError> {
        let known = ["active", "inactive", "terminated"];
        if update.status.as_deref().is_some_and(|status| !known.contains(&status)) {
            return Err(FieldError { field: "status", rule: "must be active, inactive or terminated" }.into());
        }
        let mut transaction = self.db.begin_as_keeper(&caller.actor()).await?;
        let before = transaction.staff_entry(id).await?;
        transaction.update_staff(id, version, update).await?;
        let after = transaction.staff_entry(id).await?;
        let news = StaffNews::between((&before.role, &before.status), (&after.role, &after.status));
        self.keep_and_tell_staff(transaction, &after, news).await?;
        Ok(after)
    }

    /// Removes a staff record. It stays, with when; its rights are gone at once.
    ///
    /// # Errors
    /// An [`AdminError`]; then nothing changed.
    pub async fn revoke_staff(&self, caller: &AdminCaller, id: Uuid, version: i32) -> Result<(), AdminError> {
        let mut transaction = self.db.begin_as_keeper(&caller.actor()).await?;
        let record = transaction.staff_entry(id).await?;
        transaction.revoke_staff(id, version).await?;
        self.keep_and_tell_staff(transaction, &record, Some(StaffNews::Removed)).await
    }

    async fn keep_and_tell_staff(
        &self,
        mut transaction: CreationTx,
        record: &StaffEntry,
        news: Option<StaffNews>,
    ) -> Result<(), AdminError> {
        if let Some(change) = news {
            let library = record.library_name.clone();
            let mail = LibraryMail::StaffChanged { user: record.user_id, library, change };
            transaction.step_back().await?;
            self.queue_admin_mail(&mut transaction, mail).await?;
        }
        transaction.commit().await?;
        self.outbox_filled.notify_one();
        Ok(())
    }

    /// Tells a person of a role that they were given.
    pub(super) async fn tell_of_grant(
        &self,
        tx: &mut CreationTx,
        user: Uuid,
        library: &str,
        role: Role,
    ) -> Result<(), PortError> {
        let change = StaffNews::Granted { role: role.as_str().to_owned() };
        let mail = LibraryMail::StaffChanged { user, library: library.to_owned(), change };
        self.queue_admin_mail(tx, mail).await
    }

    /// Queues a mail about what an administrator did: in the name of the site where staff work.
    pub(super) async fn queue_admin_mail(
        &self,
        tx: &mut CreationTx,
        mail: LibraryMail,
    ) -> Result<(), PortError> {
        let Some(site) = self.sites.staff_site() else { return Ok(()) };
        let sealed = self.seal_outbox_job(&OutboxJob { site: site.id.clone(), mail })?;
        tx.queue_mail(&sealed).await
    }
}
