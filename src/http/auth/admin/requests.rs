//! What clients of the wire send to administer. Null and absent are one; what we have no use for is ignored.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use poem::http::StatusCode;
use poem_openapi::Object;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::requests::given;
use crate::domain::{
    AccountChange, AccountPlan, AppMetadata, AuditQuestion, Ban, EmailAddress, NumberedPage, UserId,
    UserMetadata,
};
use crate::flows::{GenerateLink, LinkKind};
use crate::http::Problem;

/// The most that one page holds.
const LARGEST_PAGE: i64 = 1000;

/// An account to be, or a change of one.
#[derive(Debug, Deserialize, Object)]
pub(super) struct AdminUserBody {
    /// The address. In a change: at once, without a code.
    email: Option<String>,
    /// Whether the address counts as proven. There is no way back.
    email_confirm: Option<bool>,
    /// What its owner may change. In a change: merged field by field; null removes a field.
    user_metadata: Option<HashMap<String, Value>>,
    /// What its owner may not change. In a change: merged field by field; null removes a field.
    app_metadata: Option<HashMap<String, Value>>,
    /// The id that the account had elsewhere; for a new one only.
    id: Option<Uuid>,
    /// How long the account opens nothing from now on, as `24h` or `1h30m`; `none` lifts a ban.
    ban_duration: Option<String>,
    /// There are no phones here.
    phone: Option<String>,
    /// Ignored: there are no passwords here.
    password: Option<String>,
    /// Ignored: there are no passwords here.
    password_hash: Option<String>,
    /// Ignored: a role comes with a library, and not with an account.
    role: Option<String>,
}

impl AdminUserBody {
    /// As the plan of a new account.
    pub(super) fn read_plan(self, now: DateTime<Utc>) -> Result<AccountPlan, Problem> {
        let Some(email) = given(self.email) else {
            return Err(if given(self.phone).is_some() {
                Problem::invalid("Accounts here are known by an email address: give one")
            } else {
                Problem::invalid("Cannot create a user without either an email or phone")
            });
        };
        Ok(AccountPlan {
            id: self.id.map(UserId),
            email: EmailAddress::parse(&email)?,
            is_confirmed: self.email_confirm.unwrap_or(false),
            user_metadata: user_metadata(self.user_metadata.unwrap_or_default())?,
            app_metadata: app_metadata(self.app_metadata.unwrap_or_default())?,
            banned_until: read_ban(self.ban_duration.as_deref(), now)?.and_then(Ban::until),
        })
    }

    /// As a change.
    pub(super) fn read_change(self, now: DateTime<Utc>) -> Result<AccountChange, Problem> {
        Ok(AccountChange {
            email: given(self.email).map(|email| EmailAddress::parse(&email)).transpose()?,
            // On this wire `false` says nothing: what is proven stays proven.
            is_confirmed: self.email_confirm.filter(|confirmed| *confirmed),
            user_metadata: self.user_metadata.map(user_metadata).transpose()?,
            app_metadata: self.app_metadata.map(app_metadata).transpose()?,
            ban: read_ban(self.ban_duration.as_deref(), now)?,
        })
    }
}

/// How an account is deleted.
#[derive(Debug, Default, Deserialize, Object)]
pub(super) struct AdminDeleteUserBody {
    /// Keep a husk with the account's id and nothing about its owner, so that records which name the id keep their meaning.
    pub(super) should_soft_delete: Option<bool>,
}

/// A wish for a link.
#[derive(Debug, Deserialize, Object)]
pub(super) struct GenerateLinkBody {
    /// `signup`, `invite`, `magiclink`, `recovery`, `email_change_current` or `email_change_new`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: Option<String>,
    /// The account's address.
    email: Option<String>,
    /// For the two kinds of `email_change`: the address to come.
    new_email: Option<String>,
    /// User metadata of a new account, or of one that nobody has used yet.
    data: Option<HashMap<String, Value>>,
    /// Where the link is to lead in the end; what the site does not list is taken for its home.
    redirect_to: Option<String>,
    /// Ignored: there are no passwords here.
    password: Option<String>,
}

impl GenerateLinkBody {
    pub(super) fn read(self, redirect_to: Option<String>) -> Result<GenerateLink, Problem> {
        let email = EmailAddress::parse(self.email.as_deref().unwrap_or_default())?;
        let new_email = || EmailAddress::parse(self.new_email.as_deref().unwrap_or_default());
        let kind = match self.kind.as_deref() {
            Some("signup") => LinkKind::SignUp,
            Some("invite") => LinkKind::Invite,
            Some("magiclink") => LinkKind::MagicLink,
            Some("recovery") => LinkKind::Recovery,
            Some("email_change_current") => LinkKind::EmailChangeCurrent(new_email()?),
            Some("email_change_new") => LinkKind::EmailChangeNew(new_email()?),
            _ => return Err(Problem::invalid("Invalid email action link type requested")),
        };
        Ok(GenerateLink {
            kind,
            email,
            metadata: user_metadata(self.data.unwrap_or_default())?,
            redirect_to: given(self.redirect_to).or(given(redirect_to)),
        })
    }
}

/// An invitation.
#[derive(Debug, Deserialize, Object)]
pub(super) struct InviteBody {
    /// Whom.
    email: Option<String>,
    /// User metadata of the new account.
    data: Option<HashMap<String, Value>>,
}

impl InviteBody {
    pub(super) fn read(self) -> Result<(EmailAddress, UserMetadata), Problem> {
        let email = EmailAddress::parse(self.email.as_deref().unwrap_or_default())?;
        Ok((email, user_metadata(self.data.unwrap_or_default())?))
    }
}

fn user_metadata(fields: HashMap<String, Value>) -> Result<UserMetadata, Problem> {
    Ok(UserMetadata::parse(Map::from_iter(fields))?)
}

fn app_metadata(fields: HashMap<String, Value>) -> Result<AppMetadata, Problem> {
    AppMetadata::parse(Map::from_iter(fields)).map_err(|error| Problem::invalid(error.to_string()))
}

/// An account's id as it stands in a path.
pub(super) fn user_id(text: &str) -> Result<UserId, Problem> {
    Uuid::try_parse(text)
        .map(UserId)
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "validation_failed", "user_id must be an UUID"))
}

/// Reads the two parameters of a page; empty ones are as good as none.
pub(super) fn numbered_page(page: Option<String>, per_page: Option<String>) -> Result<NumberedPage, Problem> {
    let read = |name: &str, text: Option<String>, default: i64| match given(text) {
        None => Ok(default),
        Some(text) => match text.parse::<i64>() {
            Ok(0) => Ok(default),
            Ok(number) if number > 0 => Ok(number),
            _ => {
                Err(Problem::invalid(format!("Bad Pagination Parameters: {name} must be a positive number")))
            }
        },
    };
    let number = read("page", page, 1)?;
    let size = read("per_page", per_page, 50)?.min(LARGEST_PAGE);
    Ok(NumberedPage { number, size })
}

/// Reads the order of a list: whether the oldest come first.
pub(super) fn oldest_first(sort: Option<String>) -> Result<bool, Problem> {
    match given(sort).map(|sort| sort.to_ascii_lowercase()).as_deref() {
        None | Some("created_at" | "created_at desc") => Ok(false),
        Some("created_at asc") => Ok(true),
        Some(_) => Err(Problem::invalid("sort must be created_at desc or created_at asc")),
    }
}

/// Reads a question to the audit log: `author:`, `action:` or `type:` and a part of a word.
pub(super) fn audit_filter(
    query: Option<String>,
    actions: impl Fn(&str, &str) -> Vec<String>,
) -> Result<AuditQuestion, Problem> {
    let Some(query) = given(query) else { return Ok(AuditQuestion::default()) };
    let Some((field, part)) = query.split_once(':') else {
        return Err(Problem::invalid("query must be author:, action: or type: and a part of a word"));
    };
    let part = part.trim().to_ascii_lowercase();
    match field {
        "author" => Ok(AuditQuestion { author: Some(part), actions: None }),
        "action" | "type" => Ok(AuditQuestion { actions: Some(actions(field, &part)), author: None }),
        _ => Err(Problem::invalid("query must be author:, action: or type: and a part of a word")),
    }
}

/// Until when a ban lasts that is given by its length. `None` says nothing.
fn read_ban(duration: Option<&str>, now: DateTime<Utc>) -> Result<Option<Ban>, Problem> {
    match duration {
        None | Some("") => Ok(None),
        Some("none") => Ok(Some(Ban::Lifted)),
        Some(text) => {
            let until = read_duration(text)
                .and_then(|length| TimeDelta::from_std(length).ok())
                .and_then(|length| now.checked_add_signed(length))
                // The database and every client can write this much.
                .filter(|until| until.timestamp() < 253_402_300_800);
            let until = until.ok_or_else(|| {
                Problem::invalid(
                    "invalid format for ban duration: send a length such as 24h or 1h30m, or none",
                )
            })?;
            Ok(Some(Ban::Until(until)))
        }
    }
}

/// A length of time as Go writes it: numbers with units, the sum of them.
fn read_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let secs = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let length = Duration::try_from_secs_f64(digits.parse::<f64>().ok()? * secs).ok()?;
        total = total.checked_add(length)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_go_writes_them() {
        let secs = |text| read_duration(text).map(|length| length.as_secs());
        assert_eq!(secs("24h"), Some(86_400));
        assert_eq!(secs("1h30m"), Some(5400));
        assert_eq!(secs("1.5h10s"), Some(5410));
        assert_eq!(secs("300ms"), Some(0));
        for text in ["", "24", "h", "1d", "-1h", "1h ", "1e3h", "..h", "99999999999999999999999h", "1h30"] {
            assert_eq!(secs(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_ban_is_given_by_its_length_or_lifted() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        assert_eq!(read_ban(None, now), Ok(None));
        assert_eq!(read_ban(Some("none"), now), Ok(Some(Ban::Lifted)));
        assert_eq!(read_ban(Some("1h"), now), Ok(Some(Ban::Until(now + TimeDelta::hours(1)))));
        // What people write for "for ever".
        assert!(read_ban(Some("876000h"), now).is_ok());
        assert!(read_ban(Some("forever"), now).is_err() && read_ban(Some("87600000h"), now).is_err());
    }

    #[test]
    fn pages_are_read_as_clients_send_them() {
        let page = |number: &str, size: &str| numbered_page(Some(number.to_owned()), Some(size.to_owned()));
        assert_eq!(page("", ""), Ok(NumberedPage { number: 1, size: 50 }));
        assert_eq!(page("3", "20"), Ok(NumberedPage { number: 3, size: 20 }));
        assert_eq!(page("0", "100000"), Ok(NumberedPage { number: 1, size: 1000 }));
        for (number, size) in [("x", ""), ("-1", ""), ("", "-5"), ("1.5", ""), ("", "ten")] {
            assert_eq!(page(number, size).unwrap_err().code, "validation_failed", "{number} {size}");
        }
    }
}
