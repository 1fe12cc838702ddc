//! What clients send, and reading it into what the flows take. Null and absent are one, unknown fields are ignored.

use std::collections::HashMap;
use std::sync::Arc;

use poem::http::StatusCode;
use poem_openapi::Object;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::{EmailAddress, SignInCode, Site, UserMetadata};
use crate::flows::{Presented, Purpose, RequestCode, VerifyCode, VerifyCodeError, Visitor};
use crate::http::Problem;

/// A request for a code.
#[derive(Debug, Deserialize, Object)]
pub(super) struct OtpBody {
    /// Where the code goes.
    email: Option<String>,
    /// Not supported; here so that a client that sends it gets a clear answer.
    phone: Option<String>,
    /// Whether to make an account if there is none. Default: true. The site has the last word.
    create_user: Option<bool>,
    /// User metadata of a new account; ignored for an existing one.
    data: Option<HashMap<String, Value>>,
    /// PKCE challenge, 43 to 128 characters; only together with its method.
    code_challenge: Option<String>,
    /// `s256` or `plain`.
    code_challenge_method: Option<String>,
}

/// An [`OtpBody`] that was found in order.
pub(super) struct Otp<'a> {
    site: &'a Arc<Site>,
    visitor: &'a Visitor,
    email: EmailAddress,
    create_user: bool,
    metadata: UserMetadata,
}

impl OtpBody {
    pub(super) fn read<'a>(self, site: &'a Arc<Site>, visitor: &'a Visitor) -> Result<Otp<'a>, Problem> {
        check_pkce(self.code_challenge.as_deref(), self.code_challenge_method.as_deref())?;
        let email = match (given(self.email), given(self.phone)) {
            (Some(_), Some(_)) => {
                return Err(Problem::invalid("Only an email address or phone number should be provided"));
            }
            (None, Some(_)) => {
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "phone_provider_disabled",
                    "Codes are sent by email only; give an email address",
                ));
            }
            (None, None) => return Err(Problem::invalid("An email address is required")),
            (Some(email), None) => EmailAddress::parse(&email)?,
        };
        let metadata = UserMetadata::parse(self.data.map(Map::from_iter).unwrap_or_default())?;
        Ok(Otp { site, visitor, email, create_user: self.create_user.unwrap_or(true), metadata })
    }
}

impl Otp<'_> {
    pub(super) fn as_flow(&self) -> RequestCode<'_> {
        RequestCode {
            site: self.site,
            email: &self.email,
            create_user: self.create_user,
            browser: None,
            metadata: self.metadata.clone(),
            visitor: self.visitor,
        }
    }
}

/// A proof: a code beside its address, or the token of a mailed link alone.
#[derive(Debug, Deserialize, Object)]
pub(super) struct VerifyBody {
    /// `email` fits any account; `signup` and `invite` a new one; `magiclink` and `recovery` an existing one.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: Option<String>,
    /// The code.
    token: Option<String>,
    /// The address that received the code.
    email: Option<String>,
    /// Not supported.
    phone: Option<String>,
    /// The token of a mailed link.
    token_hash: Option<String>,
    /// Where to go afterwards; only links of the reference use it.
    redirect_to: Option<String>,
}

/// How a refusal is worded: clients compare the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejection {
    Code,
    Link,
}

impl Rejection {
    pub(super) fn word(self, error: VerifyCodeError) -> Problem {
        let problem = Problem::from(error);
        if self == Self::Link && problem.code == "otp_expired" {
            return Problem { message: "Email link is invalid or has expired".into(), ..problem };
        }
        problem
    }
}

impl VerifyBody {
    pub(super) fn read(self, site: Arc<Site>, visitor: Visitor) -> Result<(VerifyCode, Rejection), Problem> {
        let Some(kind) = given(self.kind) else {
            return Err(Problem::invalid("Verify requires a verification type"));
        };
        let (email, phone) = (given(self.email), given(self.phone));
        let (presented, rejection) = match (given(self.token), given(self.token_hash)) {
            (Some(_), Some(_)) | (None, None) => {
                return Err(Problem::invalid("Verify requires either a token or a token hash"));
            }
            (None, Some(_)) if email.is_some() || phone.is_some() || given(self.redirect_to).is_some() => {
                return Err(Problem::invalid("Only the token_hash and type should be provided"));
            }
            (None, Some(link)) => (Presented::Link(link), Rejection::Link),
            (Some(code), None) => (read_code(&code, &kind, email, phone.as_deref())?, Rejection::Code),
        };
        let purpose = match kind.as_str() {
            "email" => Some(Purpose::Either),
            "signup" | "invite" => Some(Purpose::NewAccount),
            "magiclink" | "recovery" => Some(Purpose::ExistingAccount),
            _ => None,
        };
        match purpose {
            Some(purpose) => Ok((VerifyCode { site, presented, purpose, browser: None, visitor }, rejection)),
            // A kind of proof that this server never hands out is as good as a wrong one.
            None if rejection == Rejection::Code || kind == "email_change" => {
                Err(rejection.word(VerifyCodeError::Rejected))
            }
            None => Err(Problem::invalid("Unsupported verification type")),
        }
    }
}

fn read_code(
    code: &str,
    kind: &str,
    email: Option<String>,
    phone: Option<&str>,
) -> Result<Presented, Problem> {
    if matches!(kind, "sms" | "phone_change") {
        // E.164: a plus, then up to fifteen digits that do not start with a zero.
        let digits = phone.map(|phone| phone.trim_start_matches('+')).unwrap_or_default();
        let well_formed = (1..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit());
        if !well_formed {
            return Err(Problem::invalid("Invalid phone number format (E.164 required)"));
        }
        return Err(VerifyCodeError::Rejected.into());
    }
    let Some(email) = email else {
        return Err(Problem::invalid("An email address is required to verify a token"));
    };
    let email = EmailAddress::parse(&email).map_err(|_| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", "Invalid email format")
    })?;
    Ok(Presented::Code(email, SignInCode::parse(code)))
}

/// A request for another code.
#[derive(Debug, Deserialize, Object)]
pub(super) struct ResendBody {
    /// `signup`, or `email_change`, of which none is ever pending yet.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: Option<String>,
    /// The address that waits for a code.
    email: Option<String>,
    /// PKCE challenge, only together with its method.
    code_challenge: Option<String>,
    /// `s256` or `plain`.
    code_challenge_method: Option<String>,
}

impl ResendBody {
    /// Whose code to send again; nobody's, if the kind is one of which none can be waiting.
    pub(super) fn read(self) -> Result<Option<EmailAddress>, Problem> {
        check_pkce(self.code_challenge.as_deref(), self.code_challenge_method.as_deref())?;
        let kind = self.kind.unwrap_or_default();
        if !matches!(kind.as_str(), "signup" | "email_change") {
            return Err(Problem::invalid(
                "type must be signup or email_change; to sign in again, request a new code at /otp",
            ));
        }
        let email = EmailAddress::parse(self.email.as_deref().unwrap_or_default())?;
        Ok((kind == "signup").then_some(email))
    }
}

/// A refresh token.
#[derive(Debug, Deserialize, Object)]
pub(super) struct RefreshBody {
    /// The newest one of the session, or the one before it.
    refresh_token: Option<String>,
}

impl RefreshBody {
    pub(super) fn read(self, grant_type: Option<&str>) -> Result<String, Problem> {
        if grant_type != Some("refresh_token") {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid_credentials",
                "unsupported_grant_type",
            ));
        }
        given(self.refresh_token).ok_or_else(|| Problem::invalid("refresh_token required"))
    }
}

/// A change of one's account.
#[derive(Debug, Deserialize, Object)]
pub(super) struct UpdateUserBody {
    /// Merged into the user metadata; a null removes a field.
    data: Option<HashMap<String, Value>>,
    /// Not supported yet.
    email: Option<String>,
    /// There are no passwords here.
    password: Option<String>,
    /// There are no phones here.
    phone: Option<String>,
    /// For administrators only.
    app_metadata: Option<Value>,
}

impl UpdateUserBody {
    pub(super) fn read(self) -> Result<UserMetadata, Problem> {
        if self.app_metadata.is_some() {
            return Err(Problem::new(StatusCode::FORBIDDEN, "not_admin", "User not allowed"));
        }
        let refused =
            |what: &'static str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", what);
        if given(self.password).is_some() {
            return Err(refused("Accounts here have no password: people sign in with a code sent by email"));
        }
        if given(self.phone).is_some() {
            return Err(refused("Accounts here have no phone number"));
        }
        if given(self.email).is_some() {
            return Err(refused("The email address of an account cannot be changed here yet"));
        }
        Ok(UserMetadata::parse(self.data.map(Map::from_iter).unwrap_or_default())?)
    }
}

/// Empty texts are as good as none.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// RFC 7636 §4.1 and §4.3. Codes that are typed need no verifier; what is sent must still be well-formed.
fn check_pkce(challenge: Option<&str>, method: Option<&str>) -> Result<(), Problem> {
    match (challenge.unwrap_or_default(), method.unwrap_or_default()) {
        ("", "") => Ok(()),
        ("", _) | (_, "") => {
            Err(Problem::invalid("PKCE flow requires code_challenge_method and code_challenge"))
        }
        (challenge, method) => {
            let well_formed = (43..=128).contains(&challenge.len())
                && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b));
            if !well_formed {
                return Err(Problem::invalid(
                    "code challenge has to be 43 to 128 characters of [A-Za-z0-9._~-]",
                ));
            }
            if !(method.eq_ignore_ascii_case("s256") || method.eq_ignore_ascii_case("plain")) {
                return Err(Problem::invalid("code_challenge_method has to be s256 or plain"));
            }
            Ok(())
        }
    }
}
