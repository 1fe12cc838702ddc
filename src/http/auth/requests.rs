//! What clients send to sign in, and reading it into what the flows take. Null and absent are one, unknown fields are
//! ignored.

use std::collections::HashMap;
use std::sync::Arc;

use poem::http::StatusCode;
use poem_openapi::Object;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::{CodeChallenge, EmailAddress, SignInCode, Site, UserMetadata};
use crate::flows::{Presented, ProveEmailChange, Purpose, RequestCode, VerifyCode, VerifyCodeError, Visitor};
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
    /// PKCE challenge, 43 to 128 characters; only together with its method. Then the mailed link ends in a code that only
    /// the verifier's holder can trade at `/token?grant_type=pkce`; a typed code needs no verifier.
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
    challenge: Option<CodeChallenge>,
    redirect_to: Option<String>,
}

impl OtpBody {
    pub(super) fn read<'a>(
        self,
        site: &'a Arc<Site>,
        visitor: &'a Visitor,
        redirect_to: Option<String>,
    ) -> Result<Otp<'a>, Problem> {
        let challenge =
            read_challenge(self.code_challenge.as_deref(), self.code_challenge_method.as_deref())?;
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
        Ok(Otp {
            site,
            visitor,
            email,
            create_user: self.create_user.unwrap_or(true),
            metadata,
            challenge,
            redirect_to: given(redirect_to),
        })
    }
}

impl Otp<'_> {
    pub(super) fn as_flow(&self) -> RequestCode<'_> {
        RequestCode {
            site: self.site,
            email: &self.email,
            create_user: self.create_user,
            browser: None,
            device: None,
            redirect_to: self.redirect_to.as_deref(),
            challenge: self.challenge.clone(),
            metadata: self.metadata.clone(),
            visitor: self.visitor,
        }
    }
}

/// A proof: a code beside its address, or the token of a mailed link alone.
#[derive(Debug, Deserialize, Object)]
pub(super) struct VerifyBody {
    /// `email` fits any account; `signup` and `invite` a new one; `magiclink` and `recovery` an existing one;
    /// `email_change` is for either code of a change of address.
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
    pub(super) fn word(self, error: impl Into<Problem>) -> Problem {
        let problem = error.into();
        if self == Self::Link && problem.code == "otp_expired" {
            return Problem { message: "Email link is invalid or has expired".into(), ..problem };
        }
        problem
    }
}

/// A [`VerifyBody`] that was found in order.
pub(super) enum Verification {
    /// A code or link that opens a session.
    SignIn(VerifyCode, Rejection),
    /// A code of a change of address.
    EmailChange(ProveEmailChange, Rejection),
}

/// Which accounts a proof of this kind may open. `None` for kinds that open none.
pub(in crate::http) fn purpose_of(kind: &str) -> Option<Purpose> {
    match kind {
        "email" => Some(Purpose::Either),
        "signup" | "invite" => Some(Purpose::NewAccount),
        "magiclink" | "recovery" => Some(Purpose::ExistingAccount),
        _ => None,
    }
}

impl VerifyBody {
    pub(super) fn read(self, site: Arc<Site>, visitor: Visitor) -> Result<Verification, Problem> {
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
        match (purpose_of(&kind), presented) {
            (Some(purpose), presented) => {
                let verify = VerifyCode { site, presented, purpose, browser: None, device: None, visitor };
                Ok(Verification::SignIn(verify, rejection))
            }
            (None, presented) if kind == "email_change" => {
                Ok(Verification::EmailChange(ProveEmailChange { site, presented, visitor }, rejection))
            }
            // A kind of proof that this server never hands out is as good as a wrong one.
            (None, _) if rejection == Rejection::Code => Err(rejection.word(VerifyCodeError::Rejected)),
            (None, _) => Err(Problem::invalid("Unsupported verification type")),
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
    /// `signup` or `email_change`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: Option<String>,
    /// The address that waits for a code; for `email_change` the account's present one.
    email: Option<String>,
    /// PKCE challenge, only together with its method.
    code_challenge: Option<String>,
    /// `s256` or `plain`.
    code_challenge_method: Option<String>,
}

/// What to send again, and to whom.
pub(super) enum Resend {
    SignIn(EmailAddress),
    EmailChange(EmailAddress),
}

impl ResendBody {
    pub(super) fn read(self) -> Result<Resend, Problem> {
        read_challenge(self.code_challenge.as_deref(), self.code_challenge_method.as_deref())?;
        let kind = self.kind.unwrap_or_default();
        if !matches!(kind.as_str(), "signup" | "email_change") {
            return Err(Problem::invalid(
                "type must be signup or email_change; to sign in again, request a new code at /otp",
            ));
        }
        let email = EmailAddress::parse(self.email.as_deref().unwrap_or_default())?;
        Ok(if kind == "signup" { Resend::SignIn(email) } else { Resend::EmailChange(email) })
    }
}

/// Empty texts are as good as none.
pub(super) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// What a client sends of PKCE, well-formed or refused.
pub(super) fn read_challenge(
    challenge: Option<&str>,
    method: Option<&str>,
) -> Result<Option<CodeChallenge>, Problem> {
    CodeChallenge::parse(challenge.unwrap_or_default(), method.unwrap_or_default())
        .map_err(|error| Problem::invalid(error.to_string()))
}
