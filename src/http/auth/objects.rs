//! Sessions, users and settings in the JSON that clients of this wire expect.

use poem_openapi::Object;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::{Account, Site, User};
use crate::flows::{IssuedToken, SignedIn};
use crate::http::timestamp::Timestamp;

/// A session.
#[derive(Debug, Object)]
#[oai(rename = "Session")]
pub(super) struct SessionObject {
    /// A JWT of the session's site.
    access_token: String,
    /// Always `bearer`.
    token_type: String,
    /// Life of the access token, in seconds.
    expires_in: i64,
    /// End of the access token, Unix seconds.
    expires_at: i64,
    /// Opaque; trade it at `/token` for the next session object.
    refresh_token: String,
    /// Whose session it is.
    user: UserObject,
}

impl SessionObject {
    pub(super) fn of(site: &Site, signed_in: SignedIn) -> Self {
        Self {
            access_token: signed_in.access.text,
            token_type: "bearer".to_owned(),
            expires_in: signed_in.access.expires_in,
            expires_at: signed_in.access.expires_at,
            refresh_token: signed_in.refresh_token,
            user: UserObject::of(site, signed_in.user),
        }
    }
}

/// The session of a browser, for the scripts of its page.
#[derive(Debug, Object)]
#[oai(rename = "PageSession")]
pub(super) struct PageSessionObject {
    /// A JWT of the session's site.
    access_token: String,
    /// Always `bearer`.
    token_type: String,
    /// Life of the access token, in seconds.
    expires_in: i64,
    /// End of the access token, Unix seconds.
    expires_at: i64,
    /// Whose session it is.
    user: UserObject,
}

impl PageSessionObject {
    pub(super) fn of(site: &Site, access: IssuedToken, user: User) -> Self {
        Self {
            access_token: access.text,
            token_type: "bearer".to_owned(),
            expires_in: access.expires_in,
            expires_at: access.expires_at,
            user: UserObject::of(site, user),
        }
    }
}

/// An account, as its owner sees it.
#[derive(Debug, Object)]
#[oai(rename = "User", skip_serializing_if_is_none)]
pub(super) struct UserObject {
    /// The account's id, the same on every site.
    id: Uuid,
    /// The site's audience.
    aud: String,
    /// Always `authenticated`.
    role: String,
    /// The account's address.
    email: String,
    /// When the address was first proven.
    email_confirmed_at: Option<Timestamp>,
    /// Always empty.
    phone: String,
    /// As `email_confirmed_at`.
    confirmed_at: Option<Timestamp>,
    /// The last sign-in, on any site.
    last_sign_in_at: Option<Timestamp>,
    /// Written by the server.
    app_metadata: Value,
    /// Written by the person; grants nothing.
    user_metadata: Value,
    /// How the person can prove who they are: by email.
    identities: Vec<Identity>,
    /// When the account was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// The address that it is to have once both codes are typed; absent where none was asked for, and in sessions.
    new_email: Option<String>,
    /// When those codes were sent.
    email_change_sent_at: Option<Timestamp>,
    /// When somebody was last invited to it; only administrators see it.
    invited_at: Option<Timestamp>,
    /// As `invited_at`.
    confirmation_sent_at: Option<Timestamp>,
    /// Until when it opens nothing; only administrators see it.
    banned_until: Option<Timestamp>,
    /// When it was deleted, where a husk was left; only administrators see it.
    deleted_at: Option<Timestamp>,
    /// Always false.
    is_anonymous: bool,
}

/// A way to prove who one is.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
#[expect(clippy::struct_field_names, reason = "the names are the wire's")]
struct Identity {
    /// The account's id: there is one identity each.
    identity_id: Uuid,
    /// The account's id, which for email is also the provider's subject.
    id: Uuid,
    /// The account's id.
    user_id: Uuid,
    /// What the provider knows.
    identity_data: Value,
    /// Always `email`.
    provider: String,
    /// The last sign-in.
    last_sign_in_at: Option<Timestamp>,
    /// When the account was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// The account's address.
    email: String,
}

impl UserObject {
    /// As an administrator sees it.
    pub(super) fn of_account(site: &Site, account: Account) -> Self {
        let invited_at = account.invited_at.map(Timestamp::from);
        Self {
            invited_at,
            confirmation_sent_at: invited_at,
            banned_until: account.banned_until.map(Timestamp::from),
            deleted_at: account.deleted_at.map(Timestamp::from),
            ..Self::of(site, account.user)
        }
    }

    pub(super) fn of(site: &Site, user: User) -> Self {
        let id = user.id.0;
        let email = user.email.as_str().to_owned();
        let last_sign_in_at = user.last_sign_in_at.map(Timestamp::from);
        let confirmed_at = user.email_confirmed_at.map(Timestamp::from);
        let (created_at, updated_at) = (Timestamp::from(user.created_at), Timestamp::from(user.updated_at));
        let (new_email, sent_at) = user.email_change.unzip();
        let mut identity_data = Map::new();
        identity_data.insert("email".to_owned(), email.clone().into());
        identity_data.insert("email_verified".to_owned(), confirmed_at.is_some().into());
        identity_data.insert("phone_verified".to_owned(), false.into());
        identity_data.insert("sub".to_owned(), id.to_string().into());
        Self {
            id,
            aud: site.audience.clone(),
            role: "authenticated".to_owned(),
            email: email.clone(),
            email_confirmed_at: confirmed_at,
            phone: String::new(),
            confirmed_at,
            last_sign_in_at,
            app_metadata: Value::Object(user.app_metadata),
            user_metadata: Value::Object(user.user_metadata),
            identities: vec![Identity {
                identity_id: id,
                id,
                user_id: id,
                identity_data: Value::Object(identity_data),
                provider: "email".to_owned(),
                last_sign_in_at,
                created_at,
                updated_at,
                email,
            }],
            created_at,
            updated_at,
            new_email,
            email_change_sent_at: sent_at.map(Timestamp::from),
            invited_at: None,
            confirmation_sent_at: None,
            banned_until: None,
            deleted_at: None,
            is_anonymous: false,
        }
    }
}

/// Public keys (RFC 7517 §5).
#[derive(Debug, Object)]
pub(super) struct KeySet {
    /// Each with `kid`, `alg`, `use` and its public parameters.
    pub(super) keys: Vec<Value>,
}

/// What a site offers.
#[derive(Debug, Object)]
#[expect(clippy::struct_excessive_bools, reason = "the wire's shape")]
pub(super) struct Settings {
    /// Ways to sign in; only `email` is on.
    external: Value,
    /// Whether the site makes no accounts.
    disable_signup: bool,
    /// Always false: an address is proven before there is an account.
    mailer_autoconfirm: bool,
    /// Always false.
    phone_autoconfirm: bool,
    /// Always empty.
    sms_provider: String,
    /// Always false.
    saml_enabled: bool,
    /// Always false.
    saml_private_key_next_configured: bool,
    /// Always false.
    passkeys_enabled: bool,
}

/// Providers that clients of this wire know and this server does not have.
const ABSENT_PROVIDERS: [&str; 23] = [
    "anonymous_users",
    "apple",
    "azure",
    "bitbucket",
    "discord",
    "facebook",
    "figma",
    "fly",
    "github",
    "gitlab",
    "google",
    "kakao",
    "keycloak",
    "linkedin",
    "linkedin_oidc",
    "notion",
    "phone",
    "slack",
    "slack_oidc",
    "snapchat",
    "spotify",
    "twitch",
    "zoom",
];

impl Settings {
    pub(super) fn of(site: &Site) -> Self {
        let mut external: Map<String, Value> =
            ABSENT_PROVIDERS.iter().map(|provider| ((*provider).to_owned(), false.into())).collect();
        external.insert("email".to_owned(), true.into());
        Self {
            external: Value::Object(external),
            disable_signup: !site.sign_up,
            mailer_autoconfirm: false,
            phone_autoconfirm: false,
            sms_provider: String::new(),
            saml_enabled: false,
            saml_private_key_next_configured: false,
            passkeys_enabled: false,
        }
    }
}
