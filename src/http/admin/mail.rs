//! Mail: what waits, what did not leave, which addresses get none. An address is named by its tag, never whole.

use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi, Tags};
use serde::Deserialize;
use uuid::Uuid;

use super::caller::{By, Read, Support};
use super::errors::AdminProblem;
use super::strict::Strict;
use crate::domain::fields::FieldError;
use crate::domain::{AddressTag, MailFailure, MailFailureRecord, MailQueue, MailSuppression};
use crate::flows::SharedFlows;
use crate::http::library::{Gone, List, page};
use crate::http::timestamp::Timestamp;

/// See the module.
pub(super) struct MailApi {
    pub(super) flows: SharedFlows,
}

/// Groups of operations.
#[derive(Tags)]
enum Group {
    /// What leaves by mail, and what does not.
    Mail,
}

#[OpenApi]
impl MailApi {
    /// How the mail queues stand
    #[oai(path = "/mail/queue", method = "get", operation_id = "getMailQueue", tag = "Group::Mail")]
    async fn queue(&self, _by: By<Read>) -> Result<Json<MailQueuesObject>, AdminProblem> {
        let (codes, outbox) = self.flows.mail_queues().await?;
        Ok(Json(MailQueuesObject { codes: QueueObject::of(codes), outbox: QueueObject::of(outbox) }))
    }

    /// Mails that did not leave
    ///
    /// Newest first, of the last 30 days. What the mail server said is not kept, as it may quote the address.
    #[oai(path = "/mail/failures", method = "get", operation_id = "listMailFailures", tag = "Group::Mail")]
    async fn failures(
        &self,
        _by: By<Read>,
        /// Only in the name of this site, by its id.
        site: Query<Option<String>>,
        /// Only for this reason.
        reason: Query<Option<MailFailureReason>>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<FailureObject>>, AdminProblem> {
        let reason = reason.0.map(|reason| MailFailure::from(reason).as_str());
        let part = self.flows.mail_failures(site.0.as_deref(), reason, page(&limit, &after)?).await?;
        Ok(Json(List::of(part, FailureObject::of)))
    }

    /// Try a mail again now
    ///
    /// One that waits for its next try, or that was given up. Mails with codes cannot be: they die with their codes.
    #[oai(path = "/mail/:id/retry", method = "post", operation_id = "retryMail", tag = "Group::Mail")]
    async fn retry(&self, by: By<Support>, id: Path<Uuid>) -> Result<Gone, AdminProblem> {
        self.flows.retry_mail(&by.0, id.0).await?;
        Ok(Gone::Done)
    }

    /// The tag of an address
    ///
    /// What names it in the lists here and in the audit log.
    #[oai(path = "/mail/address-tags", method = "post", operation_id = "getAddressTag", tag = "Group::Mail")]
    async fn tag(
        &self,
        _by: By<Read>,
        body: Strict<AddressTagRequest>,
    ) -> Result<Json<AddressTagObject>, AdminProblem> {
        let (tag, domain) = self.flows.name_address(&body.0.email)?;
        Ok(Json(AddressTagObject { tag: tag.to_hex(), domain }))
    }

    /// Addresses that get no mail
    ///
    /// Newest first: those that an administrator named, and those whose mail server refused them twice within a day.
    #[oai(
        path = "/mail/suppressions",
        method = "get",
        operation_id = "listMailSuppressions",
        tag = "Group::Mail"
    )]
    async fn suppressions(
        &self,
        _by: By<Read>,
        /// 1 to 100; default 50.
        limit: Query<Option<i64>>,
        /// The `next` of the part before.
        after: Query<Option<Uuid>>,
    ) -> Result<Json<List<SuppressionObject>>, AdminProblem> {
        let part = self.flows.mail_suppressions(page(&limit, &after)?).await?;
        Ok(Json(List::of(part, SuppressionObject::of)))
    }

    /// Suppress an address
    ///
    /// No mail goes there until that is lifted. Whoever asks for a code is answered as ever.
    #[oai(
        path = "/mail/suppressions/:tag",
        method = "put",
        operation_id = "suppressMail",
        tag = "Group::Mail"
    )]
    async fn suppress(
        &self,
        by: By<Support>,
        /// The address's tag: see `getAddressTag`.
        tag: Path<String>,
        body: Strict<SuppressMailRequest>,
    ) -> Result<Json<SuppressionObject>, AdminProblem> {
        let address = read_tag(&tag)?;
        let suppressed =
            self.flows.suppress_mail(&by.0, address, &body.0.domain, body.0.note.as_deref()).await?;
        Ok(Json(SuppressionObject::of(suppressed)))
    }

    /// Lift a suppression
    ///
    /// What its mail server refused before is forgotten too.
    #[oai(
        path = "/mail/suppressions/:tag",
        method = "delete",
        operation_id = "liftMailSuppression",
        tag = "Group::Mail"
    )]
    async fn lift(
        &self,
        by: By<Support>,
        /// The address's tag: see `getAddressTag`.
        tag: Path<String>,
    ) -> Result<Gone, AdminProblem> {
        self.flows.lift_suppression(&by.0, read_tag(&tag)?).await?;
        Ok(Gone::Done)
    }
}

fn read_tag(text: &str) -> Result<AddressTag, FieldError> {
    AddressTag::parse(text)
        .ok_or(FieldError { field: "tag", rule: "must be 32 lower-case hexadecimal digits" })
}

/// Why a mail did not leave.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "lowercase")]
enum MailFailureReason {
    /// Not at the first try: it is tried again.
    Deferred,
    /// The mail server refused it for good, for what it is or who sends it.
    Refused,
    /// The mail server refused its address for good.
    Bounced,
    /// It was tried for a day.
    Expired,
    /// Its address gets no mail.
    Suppressed,
}

impl From<MailFailureReason> for MailFailure {
    fn from(reason: MailFailureReason) -> Self {
        match reason {
            MailFailureReason::Deferred => Self::Deferred,
            MailFailureReason::Refused => Self::Refused,
            MailFailureReason::Bounced => Self::Bounced,
            MailFailureReason::Expired => Self::Expired,
            MailFailureReason::Suppressed => Self::Suppressed,
        }
    }
}

/// An address to be named.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct AddressTagRequest {
    /// The address.
    email: String,
}

impl Example for AddressTagRequest {
    fn example() -> Self {
        Self { email: "ada@example.org".into() }
    }
}

/// What names an address.
#[derive(Debug, Object)]
#[oai(rename = "AddressTag")]
struct AddressTagObject {
    /// Its keyed hash.
    tag: String,
    /// Its domain.
    domain: String,
}

/// What to remember of an address that is to get no mail.
#[derive(Debug, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[serde(deny_unknown_fields)]
struct SuppressMailRequest {
    /// The address's domain: it shows in the list.
    domain: String,
    /// Why, 1 to 500 characters.
    note: Option<String>,
}

impl Example for SuppressMailRequest {
    fn example() -> Self {
        Self { domain: "example.org".into(), note: Some("Asked us not to write".into()) }
    }
}

/// How the mail queues stand.
#[derive(Debug, Object)]
#[oai(rename = "MailQueues")]
struct MailQueuesObject {
    /// Mails with codes, which live as long as their codes.
    codes: QueueObject,
    /// Mails about changes, which are tried for a day.
    outbox: QueueObject,
}

/// How a queue stands.
#[derive(Debug, Object)]
#[oai(rename = "MailQueue")]
struct QueueObject {
    /// Mails that have not left.
    waiting: u64,
    /// Those among them that a worker has in hand, or has tried.
    in_hand: u64,
    /// When the oldest was queued.
    oldest_at: Option<Timestamp>,
    /// When one that was tried is tried again; of codes nobody knows but the worker.
    next_try_at: Option<Timestamp>,
    /// The oldest 1,000 by site.
    by_site: Vec<SiteQueueObject>,
}

/// What waits for a site.
#[derive(Debug, Object)]
#[oai(rename = "SiteMailQueue")]
struct SiteQueueObject {
    /// The site.
    site: String,
    /// So many mails.
    waiting: u64,
}

impl QueueObject {
    fn of(queue: MailQueue) -> Self {
        let sites = queue.by_site.into_iter();
        Self {
            waiting: queue.waiting,
            in_hand: queue.in_hand,
            oldest_at: queue.oldest_at.map(Timestamp::from),
            next_try_at: queue.next_try_at.map(Timestamp::from),
            by_site: sites.map(|(site, waiting)| SiteQueueObject { site, waiting }).collect(),
        }
    }
}

/// A mail that did not leave.
#[derive(Debug, Object)]
#[oai(rename = "MailFailure")]
struct FailureObject {
    /// Names the record.
    id: Uuid,
    /// The site in whose name it was to go out.
    site: String,
    /// What it was about, such as `sign_in` or `invitation`.
    mail: String,
    /// `deferred`, `refused`, `bounced`, `expired` or `suppressed`.
    reason: String,
    /// The address's tag.
    address_tag: String,
    /// The address's domain.
    domain: String,
    /// Names the mail, if it can be tried again.
    mail_id: Option<Uuid>,
    /// When.
    created_at: Timestamp,
}

impl FailureObject {
    fn of(failure: MailFailureRecord) -> Self {
        Self {
            id: failure.id,
            site: failure.site,
            mail: failure.mail,
            reason: failure.reason,
            address_tag: failure.address_tag.to_hex(),
            domain: failure.domain,
            mail_id: failure.mail_id,
            created_at: failure.created_at.into(),
        }
    }
}

/// An address that gets no mail.
#[derive(Debug, Object)]
#[oai(rename = "MailSuppression")]
struct SuppressionObject {
    /// The address's tag.
    address_tag: String,
    /// The address's domain.
    domain: String,
    /// `administrator`, or `bounced`: its mail server refused it twice within a day.
    reason: String,
    /// What an administrator had to say.
    note: Option<String>,
    /// Since when.
    since: Timestamp,
    /// Until when; null: until it is lifted.
    ends_at: Option<Timestamp>,
}

impl SuppressionObject {
    fn of(suppression: MailSuppression) -> Self {
        Self {
            address_tag: suppression.address_tag.to_hex(),
            domain: suppression.domain,
            reason: suppression.reason,
            note: suppression.note,
            since: suppression.since.into(),
            ends_at: suppression.ends_at.map(Timestamp::from),
        }
    }
}
