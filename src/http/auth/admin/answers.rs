//! What administrators are answered in the wire's shapes.

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::objects::UserObject;
use crate::domain::{Account, AuditEntry, NumberedPage, Site};
use crate::flows::GeneratedLink;
use crate::http::timestamp::Timestamp;

/// A page of accounts.
#[derive(Debug, Object)]
pub(super) struct UserList {
    /// The accounts.
    users: Vec<UserObject>,
    /// The site's audience.
    aud: String,
}

/// A page of accounts, and where it stands.
#[derive(ApiResponse)]
pub(super) enum UserListAnswer {
    /// The accounts
    #[oai(status = 200)]
    Page(
        Json<UserList>,
        /// How many there are in all: exactly up to 100,000, beyond that about.
        #[oai(header = "X-Total-Count")]
        i64,
        /// The next page, if there is one, and the last.
        #[oai(header = "Link")]
        String,
    ),
}

impl UserListAnswer {
    pub(super) fn of(site: &Site, page: NumberedPage, (accounts, total): (Vec<Account>, i64)) -> Self {
        let users = accounts.into_iter().map(|account| UserObject::of_account(site, account)).collect();
        let list = UserList { users, aud: site.audience.clone() };
        Self::Page(Json(list), total, links("/admin/users", page, total))
    }
}

/// `page` is the first parameter, and there is no comma in an address: clients take the header apart by hand.
fn links(path: &str, page: NumberedPage, total: i64) -> String {
    let last = page.last(total).max(1);
    let link =
        |number: i64, rel: &str| format!("<{path}?page={number}&per_page={}>; rel=\"{rel}\"", page.size);
    let next = (page.number < last).then(|| link(page.number + 1, "next"));
    next.into_iter().chain([link(last, "last")]).collect::<Vec<_>>().join(", ")
}

/// A page of the audit log, and where it stands.
#[derive(ApiResponse)]
pub(super) enum AuditAnswer {
    /// The entries, newest first
    #[oai(status = 200)]
    Page(
        Json<Vec<AuditObject>>,
        /// How many there are in all, up to 100,001.
        #[oai(header = "X-Total-Count")]
        i64,
        /// The next page, if there is one, and the last.
        #[oai(header = "Link")]
        String,
    ),
}

impl AuditAnswer {
    pub(super) fn of(page: NumberedPage, (entries, total): (Vec<AuditEntry>, i64)) -> Self {
        let entries = entries.into_iter().map(AuditObject::of).collect();
        Self::Page(Json(entries), total, links("/admin/audit", page, total))
    }
}

/// An entry of the audit log.
#[derive(Debug, Object)]
#[oai(rename = "AuditLogEntry")]
pub(super) struct AuditObject {
    /// Names it.
    id: Uuid,
    /// `actor_id`, `actor_username`, `action`, `log_type` and, about somebody, `traits`.
    payload: Value,
    /// When.
    created_at: Timestamp,
    /// From where; empty where that is not known.
    ip_address: String,
}

impl AuditObject {
    fn of(entry: AuditEntry) -> Self {
        let (action, log_type) = wire_action(&entry.action);
        let is_person = entry.actor_kind == "user";
        let username = entry
            .actor_email
            .unwrap_or_else(|| if is_person { String::new() } else { entry.actor_kind.clone() });
        let mut payload = json!({
            "actor_id": entry.actor_id.filter(|_| is_person).unwrap_or(Uuid::nil()),
            "actor_via_sso": false,
            "actor_username": username,
            "action": action,
            "log_type": log_type,
        });
        let mut traits = Map::new();
        if let Some(target) = entry.target_id {
            traits.insert("user_id".to_owned(), target.to_string().into());
        }
        if let Some(email) = entry.target_email {
            traits.insert("user_email".to_owned(), email.into());
        }
        if let Some(site) = entry.site {
            traits.insert("site".to_owned(), site.into());
        }
        if !traits.is_empty() {
            payload["traits"] = Value::Object(traits);
        }
        Self {
            id: entry.id,
            payload,
            created_at: entry.created_at.into(),
            ip_address: entry.ip.unwrap_or_default(),
        }
    }
}

/// An action in the words of the wire, and the kind that it sorts it under. What the wire has no word for keeps ours.
pub(super) fn wire_action(action: &str) -> (&str, &'static str) {
    match action {
        "login" => ("login", "account"),
        "logout" | "sessions_ended" | "session_revoked" => ("logout", "account"),
        "user_signedup" | "user_created" => ("user_signedup", "team"),
        "user_invited" => ("user_invited", "team"),
        "user_deleted" | "user_removed" => ("user_deleted", "team"),
        "user_modified" | "user_changed" => ("user_modified", "user"),
        "code_asked" => ("user_recovery_requested", "user"),
        "refresh_token_reused" => ("token_revoked", "token"),
        other => (other, "user"),
    }
}

/// An account with a code and a link for it.
#[derive(Debug, Object)]
#[oai(rename = "GeneratedLink")]
pub(super) struct LinkObject {
    /// The account's fields beside these.
    #[oai(flatten)]
    user: UserObject,
    /// The whole link.
    action_link: String,
    /// The code, to be typed beside the address.
    email_otp: String,
    /// The proof in the link: send it to `/verify` as `token_hash`.
    hashed_token: String,
    /// What the link is for; `signup` for a `magiclink` whose address had no account.
    verification_type: String,
    /// Where the link leads in the end.
    redirect_to: String,
}

impl LinkObject {
    pub(super) fn of(site: &Site, link: GeneratedLink) -> Self {
        Self {
            verification_type: link.kind.as_str().to_owned(),
            user: UserObject::of_account(site, link.account),
            action_link: link.link,
            email_otp: link.code,
            hashed_token: link.token,
            redirect_to: link.redirect_to.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_can_take_the_links_apart() {
        let page = |number| NumberedPage { number, size: 50 };
        assert_eq!(
            links("/admin/users", page(1), 320),
            "</admin/users?page=2&per_page=50>; rel=\"next\", </admin/users?page=7&per_page=50>; rel=\"last\""
        );
        assert_eq!(links("/admin/users", page(7), 320), "</admin/users?page=7&per_page=50>; rel=\"last\"");
        assert_eq!(links("/admin/users", page(1), 0), "</admin/users?page=1&per_page=50>; rel=\"last\"");
    }
}
