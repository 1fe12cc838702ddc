//! Turns errors into a status, a stable code and words for whoever called; those of the library are in `library`.
//!
//! The public text and the cause are two things: the cause is logged here, once, and never sent. An exhaustive match a
//! flow, so that a new kind of failure does not compile until somebody has chosen its answer.

use std::borrow::Cow;
use std::time::Duration;

use poem::http::StatusCode;
use poem::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use rand::RngExt as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;

use crate::domain::fields::FieldError;
use crate::domain::{EmailError, MetadataError, RefreshTokenError, SiteError};
use crate::flows::{
    AccountError, ChangeEmailError, DeleteAccountError, ExchangeError, GateError, ProveEmailError,
    RefreshError, RequestCodeError, SignOutError, VerifyCodeError,
};
use crate::ports::PortError;
use crate::ports::tokens::TokenError;
use crate::telemetry::causes;

/// What a caller is told when something did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}")]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// Stable; applications compare it.
    pub code: &'static str,
    /// For people; says what to do next.
    pub message: Cow<'static, str>,
    /// Whole seconds after which another try makes sense.
    pub retry_after: Option<u64>,
    /// The field that broke a rule, if one did.
    pub field: Option<Cow<'static, str>>,
    /// The path where a browser can do something about it, for a proxy that cannot redirect by itself.
    pub location: Option<Box<str>>,
    /// The methods that the path takes, where it does not take the one that was asked for.
    pub allow: Option<Box<str>>,
}

impl Problem {
    /// A problem without a time to wait.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
            field: None,
            location: None,
            allow: None,
        }
    }

    /// Input that breaks a rule.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_failed", message)
    }

    /// A mistake of ours. The cause has been logged.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unexpected_failure",
            "Something went wrong on our side. It has been logged; please try again later.",
        )
    }

    /// A body that stopped coming.
    pub(super) fn slow_body() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The body of the request did not arrive in time; please try again",
        )
    }

    /// The headers that tell of the problem, whatever shape its body has.
    pub(super) fn write_headers(&self, headers: &mut HeaderMap) {
        headers.insert(HeaderName::from_static("x-sb-error-code"), HeaderValue::from_static(self.code));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(Ok(location)) = self.location.as_deref().map(HeaderValue::from_str) {
            headers.insert(HeaderName::from_static("x-doorcode-location"), location);
        }
        if let Some(Ok(allow)) = self.allow.as_deref().map(HeaderValue::from_str) {
            headers.insert(header::ALLOW, allow);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1: a 401 names the scheme.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }

    fn wait(status: StatusCode, code: &'static str, wait: Duration, message: String) -> Self {
        Self { retry_after: Some(whole_seconds(wait)), ..Self::new(status, code, message) }
    }

    fn too_many(code: &'static str, wait: Duration, message: String) -> Self {
        Self::wait(StatusCode::TOO_MANY_REQUESTS, code, wait, message)
    }

    fn client_limited(wait: Duration) -> Self {
        Self::too_many("over_request_rate_limit", wait, "Request rate limit reached".to_owned())
    }

    pub(super) fn forbidden(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    fn refresh(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        let cause = causes(&error);
        match &error {
            PortError::Unavailable { dependency, .. } => {
                tracing::warn!(error = %cause, %dependency, "a dependency is unavailable");
                unavailable()
            }
            PortError::Unexpected { dependency, .. } => {
                tracing::error!(error = %cause, %dependency, "a dependency gave an unexpected answer");
                Self::internal()
            }
        }
    }
}

impl From<RequestCodeError> for Problem {
    fn from(error: RequestCodeError) -> Self {
        let unprocessable =
            |code, message: &'static str| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message);
        match error {
            RequestCodeError::ClientLimited(wait) => Self::client_limited(wait),
            RequestCodeError::TooSoon(wait) => {
                let seconds = whole_seconds(wait);
                let message =
                    format!("For security purposes, you can only request this after {seconds} seconds.");
                Self::too_many("over_email_send_rate_limit", wait, message)
            }
            RequestCodeError::SiteBudget(wait) | RequestCodeError::HostBudget(wait) => {
                Self::too_many("over_email_send_rate_limit", wait, "email rate limit exceeded".to_owned())
            }
            RequestCodeError::NoAccount => unprocessable("otp_disabled", "Signups not allowed for otp"),
            RequestCodeError::SignUpClosed => {
                unprocessable("signup_disabled", "Signups not allowed for this instance")
            }
            RequestCodeError::Unavailable(error) => error.into(),
        }
    }
}

impl From<VerifyCodeError> for Problem {
    fn from(error: VerifyCodeError) -> Self {
        match error {
            VerifyCodeError::ClientLimited(wait) => Self::client_limited(wait),
            VerifyCodeError::Rejected => Self::forbidden("otp_expired", "Token has expired or is invalid"),
            VerifyCodeError::Banned => Self::forbidden("user_banned", "User is banned"),
            VerifyCodeError::NoSigningKey(error) => no_signing_key(&error),
            VerifyCodeError::Unavailable(error) => error.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::ClientLimited(wait) => Self::client_limited(wait),
            RefreshError::Token(RefreshTokenError::Malformed) => Self::invalid("Refresh token is not valid"),
            RefreshError::Token(RefreshTokenError::Unknown) => {
                Self::refresh("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
            }
            RefreshError::NoSession => {
                Self::refresh("session_not_found", "Invalid Refresh Token: No Valid Session Found")
            }
            RefreshError::Idle => {
                Self::refresh("session_expired", "Invalid Refresh Token: Session Expired (Inactivity)")
            }
            RefreshError::TooOld => {
                Self::refresh("session_expired", "Invalid Refresh Token: Session Expired")
            }
            RefreshError::Banned => Self::refresh("user_banned", "Invalid Refresh Token: User Banned"),
            RefreshError::Reused => {
                Self::refresh("refresh_token_already_used", "Invalid Refresh Token: Already Used")
            }
            RefreshError::Overtaken => Self::new(
                StatusCode::CONFLICT,
                "conflict",
                "Another request refreshed this session at the same moment; use the token that it got",
            ),
            RefreshError::NoSigningKey(error) => no_signing_key(&error),
            RefreshError::Unavailable(error) => error.into(),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Token(error) => error.into(),
            AccountError::NoUser => {
                Self::forbidden("user_not_found", "User from sub claim in JWT does not exist")
            }
            AccountError::NoSession => no_session(),
            AccountError::Banned => Self::forbidden("user_banned", "User is banned"),
            AccountError::Metadata(error) => error.into(),
            AccountError::Unavailable(error) => error.into(),
        }
    }
}

impl From<ChangeEmailError> for Problem {
    fn from(error: ChangeEmailError) -> Self {
        match error {
            ChangeEmailError::Account(error) => error.into(),
            ChangeEmailError::Code(error) => error.into(),
            ChangeEmailError::Taken => email_exists(),
        }
    }
}

impl From<ProveEmailError> for Problem {
    fn from(error: ProveEmailError) -> Self {
        match error {
            ProveEmailError::Proof(error) => error.into(),
            ProveEmailError::Taken => email_exists(),
        }
    }
}

impl From<DeleteAccountError> for Problem {
    fn from(error: DeleteAccountError) -> Self {
        match error {
            DeleteAccountError::Account(error) => error.into(),
            DeleteAccountError::Code(error) => error.into(),
            DeleteAccountError::Proof(error) => error.into(),
        }
    }
}

impl From<ExchangeError> for Problem {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Unknown => Self::new(
                StatusCode::NOT_FOUND,
                "flow_state_not_found",
                "invalid flow state, no valid flow state found",
            ),
            ExchangeError::Expired => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "flow_state_expired",
                "invalid flow state, flow state has expired",
            ),
            ExchangeError::WrongVerifier => Self::new(
                StatusCode::BAD_REQUEST,
                "bad_code_verifier",
                "code challenge does not match previously saved code verifier",
            ),
            ExchangeError::Proof(error) => error.into(),
        }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self {
            field: Some(error.field.into()),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", error.to_string())
        }
    }
}

impl From<GateError> for Problem {
    fn from(error: GateError) -> Self {
        match error {
            GateError::NotSignedIn => {
                Self::new(StatusCode::UNAUTHORIZED, "not_signed_in", "Sign in to this site and try again")
            }
            GateError::NotStaff => Self::forbidden(
                "not_staff",
                "This is for staff: ask a library for access, or an owner to invite you",
            ),
            GateError::Refused => Self::forbidden("forbidden", "Your role does not allow this"),
            GateError::NoSigningKey(error) => no_signing_key(&error),
            GateError::Unavailable(error) => error.into(),
        }
    }
}

impl From<SignOutError> for Problem {
    fn from(error: SignOutError) -> Self {
        match error {
            SignOutError::NoSession => no_session(),
            SignOutError::Unavailable(error) => error.into(),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        tracing::debug!(%error, "an access token was refused");
        Self::forbidden("bad_jwt", "invalid JWT: unable to parse or verify signature, or token has expired")
    }
}

impl From<MetadataError> for Problem {
    fn from(error: MetadataError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<EmailError> for Problem {
    fn from(error: EmailError) -> Self {
        match error {
            EmailError::Empty => Self::invalid("An email address is required"),
            EmailError::TooLong | EmailError::Format => {
                Self::invalid("Unable to validate email address: invalid format")
            }
        }
    }
}

impl From<SiteError> for Problem {
    fn from(error: SiteError) -> Self {
        let bad = |code, message: &'static str| Self::new(StatusCode::BAD_REQUEST, code, message);
        match error {
            SiteError::UnknownKey => bad(
                "invalid_api_key",
                "The apikey header is not the publishable key of a site of this server",
            ),
            SiteError::UnknownHost => Self::new(
                StatusCode::MISDIRECTED_REQUEST,
                "unknown_host",
                "This server does not answer for the host in the request",
            ),
            SiteError::Unnamed => bad(
                "site_unknown",
                "Send the site's publishable key in the apikey header, or call the site's own host",
            ),
            SiteError::Contradiction => {
                bad("site_contradiction", "The apikey, host and origin of the request name different sites")
            }
        }
    }
}

fn email_exists() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "email_exists",
        "A user with this email address has already been registered",
    )
}

pub(super) fn no_session() -> Problem {
    Problem::forbidden("session_not_found", "Session from session_id claim in JWT does not exist")
}

/// No token can be made: ours to mend.
pub(super) fn no_signing_key(error: &TokenError) -> Problem {
    tracing::error!(%error, "no access token can be signed");
    match error {
        TokenError::Unavailable => unavailable(),
        _ => Problem::internal(),
    }
}

fn unavailable() -> Problem {
    // Spread, so that everybody who was turned away does not come back at once.
    let seconds = UnwrapErr(SysRng).random_range(1..=5);
    Problem::wait(
        StatusCode::SERVICE_UNAVAILABLE,
        "service_unavailable",
        Duration::from_secs(seconds),
        "The service is temporarily unavailable. Please try again in a few seconds.".to_owned(),
    )
}

/// Rounded up: a caller that waits as told is not told again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}
