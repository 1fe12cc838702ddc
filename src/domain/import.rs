//! People who come from another system with their ids, addresses and metadata: who is taken over, and why others are not.
//!
//! A record names its fields as the table `auth.users` of that family does, or as its admin API does (`user_metadata`
//! for `raw_user_meta_data`). Nothing is guessed: what cannot be read, or would break a rule that holds for everybody
//! here, is left out and counted.

mod metadata;
mod reading;

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use self::metadata::{app_metadata, user_metadata};
use self::reading::{flag, instant, left_out, present, text, unreadable};
use super::{EmailAddress, Locale, UserId};

/// A record as it was read: fields by name, texts or JSON.
pub type ImportRecord = Map<String, Value>;

/// A person who can be taken over.
#[derive(Debug, Clone, PartialEq)]
pub struct Newcomer {
    /// Kept: other tables refer to it.
    pub id: UserId,
    /// In our one form.
    pub email: EmailAddress,
    /// When the address was proven over there.
    pub email_confirmed_at: Option<DateTime<Utc>>,
    /// The person's own.
    pub user_metadata: Map<String, Value>,
    /// The server's.
    pub app_metadata: Map<String, Value>,
    /// A ban goes with the account.
    pub banned_until: Option<DateTime<Utc>>,
    /// The last sign-in, over there.
    pub last_sign_in_at: Option<DateTime<Utc>>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The language of the request that made the account; only our own exports know it.
    pub locale: Option<Locale>,
    /// The user metadata had to be made to fit.
    pub trimmed: bool,
    /// A right to administer was taken out of the app metadata.
    pub demoted: bool,
}

/// What the operator wants done with doubtful records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportRules {
    /// User metadata that breaks our bounds is made to fit; otherwise its owner is left out.
    pub trim_metadata: bool,
    /// People whose address was never confirmed are taken too; they prove it when they first sign in.
    pub unconfirmed: bool,
    /// Who may administer there may administer here: for our own exports. Otherwise nobody comes with such a right.
    pub administrators: bool,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An account now.
    Imported,
    /// An account already, with this very id and address; not touched.
    AlreadyHere,
    /// Another account has the id.
    IdTaken,
    /// Another account has the address.
    AddressTaken,
    /// Deleted over there.
    Deleted,
    /// An anonymous user: nobody could sign in to it here.
    Anonymous,
    /// No address, perhaps a phone number: nobody could sign in to it here.
    NoAddress,
    /// The address was never confirmed: whoever typed it may not own it.
    Unconfirmed,
    /// The address is not one we accept.
    AddressRefused,
    /// User metadata over our bounds.
    MetadataRefused,
    /// App metadata over our bounds; never trimmed, since what is missing there could mean a right.
    AppMetadataRefused,
    /// A field that cannot be read.
    Unreadable,
}

impl Outcome {
    /// Every outcome, in the order in which a report lists them.
    pub const ALL: [Self; 12] = [
        Self::Imported,
        Self::AlreadyHere,
        Self::IdTaken,
        Self::AddressTaken,
        Self::Deleted,
        Self::Anonymous,
        Self::NoAddress,
        Self::Unconfirmed,
        Self::AddressRefused,
        Self::MetadataRefused,
        Self::AppMetadataRefused,
        Self::Unreadable,
    ];

    /// What a person reads in the report.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::AlreadyHere => "here already, untouched",
            Self::IdTaken => "conflict: another account has the id",
            Self::AddressTaken => "conflict: another account has the address",
            Self::Deleted => "left out: deleted",
            Self::Anonymous => "left out: anonymous",
            Self::NoAddress => "left out: no email address",
            Self::Unconfirmed => "left out: address never confirmed",
            Self::AddressRefused => "left out: an address Doorcode does not accept",
            Self::MetadataRefused => "left out: user metadata over the bounds",
            Self::AppMetadataRefused => "left out: app metadata over the bounds",
            Self::Unreadable => "left out: a field cannot be read",
        }
    }

    /// Whether the person has an account afterwards.
    #[must_use]
    pub fn is_fine(self) -> bool {
        matches!(self, Self::Imported | Self::AlreadyHere)
    }
}

/// Why a record is left out: the kind, and the field or bound it is about. Never what was in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The kind.
    pub outcome: Outcome,
    /// The field or bound.
    pub detail: Option<String>,
}

/// How many records came to what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Records read.
    #[serde(default)]
    pub records: u64,
    /// Of those imported, people whose metadata was made to fit.
    #[serde(default)]
    pub trimmed: u64,
    /// Of those imported, people who came without their right to administer.
    #[serde(default)]
    pub demoted: u64,
    /// What became of them.
    #[serde(default)]
    pub outcomes: BTreeMap<Outcome, u64>,
}

impl Tally {
    /// Counts what became of one record.
    pub fn add(&mut self, outcome: Outcome) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// How many came to this.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }

    /// This and another one.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.records += other.records;
        self.trimmed += other.trimmed;
        self.demoted += other.demoted;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        self
    }
}

/// Names a source of people: a file's content, or a database's place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SourceId([u8; 32]);

impl SourceId {
    /// From a SHA-256 of what is read.
    #[must_use]
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// From the place of a database: host, port and name, without who logs in.
    #[must_use]
    pub fn of_place(place: &str) -> Self {
        let mut id = [0; 32];
        // SHA-256 is as long as this.
        id.copy_from_slice(digest::digest(&digest::SHA256, place.as_bytes()).as_ref());
        Self(id)
    }

    /// For the database.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceId({})", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

impl Newcomer {
    /// Decides about a record.
    ///
    /// # Errors
    /// Says why the person is left out.
    pub fn from_record(record: &ImportRecord, rules: ImportRules) -> Result<Self, LeftOut> {
        let id = text(record, "id")?.and_then(|text| Uuid::parse_str(text).ok());
        let id = UserId(id.ok_or_else(|| unreadable("id"))?);
        if present(record, "deleted_at") {
            return Err(left_out(Outcome::Deleted));
        }
        if flag(record, "is_anonymous")? {
            return Err(left_out(Outcome::Anonymous));
        }
        let Some(email) = text(record, "email")? else { return Err(left_out(Outcome::NoAddress)) };
        let email_confirmed_at = instant(record, "email_confirmed_at")?;
        if email_confirmed_at.is_none() && !rules.unconfirmed {
            return Err(left_out(Outcome::Unconfirmed));
        }
        let email = EmailAddress::parse(email)
            .map_err(|error| LeftOut { outcome: Outcome::AddressRefused, detail: Some(error.to_string()) })?;
        let (user_metadata, trimmed) = user_metadata(record, rules)?;
        let (app_metadata, demoted) = app_metadata(record, rules)?;
        let created_at = instant(record, "created_at")?.or(email_confirmed_at);
        let created_at = created_at.ok_or_else(|| unreadable("created_at"))?;
        Ok(Self {
            id,
            email,
            email_confirmed_at,
            user_metadata,
            app_metadata,
            banned_until: instant(record, "banned_until")?,
            last_sign_in_at: instant(record, "last_sign_in_at")?,
            created_at,
            updated_at: instant(record, "updated_at")?.unwrap_or(created_at),
            locale: text(record, "locale")?.and_then(Locale::from_tag),
            trimmed,
            demoted,
        })
    }
}

#[cfg(test)]
mod tests;
