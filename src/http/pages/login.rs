//! `/login`: the address, then the code, on one page; and the way out again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use poem::http::StatusCode;
use poem::{Response, Result, handler};

use super::super::Problem;
use super::view::{Notice, Page};
use super::visit::{Posted, Visit};
use crate::domain::{EmailAddress, SignInCode, SignOutScope, UserMetadata};
use crate::flows::{
    Presented, Purpose, RequestCode, RequestCodeError, SignInProgress, VerifyCode, VerifyCodeError,
};

/// After so many wrong codes the page says that only a new one helps: the default of `codes.tries`.
const TRIES: u8 = 5;

/// The step that the browser has come to.
#[handler]
pub(super) async fn show(mut visit: Visit) -> Result<Response> {
    let wished = visit.query("redirectTo").and_then(|wished| visit.site.destination(wished));
    if visit.session.is_some() {
        let destination = visit.destination(wished.as_deref());
        return Ok(visit.go(&destination));
    }
    let Some(mut progress) = visit.progress() else {
        let page = first_step(&visit, String::new(), wished.unwrap_or_default(), None);
        return visit.show(&page);
    };
    if wished.is_some() && wished != progress.redirect_to {
        progress.redirect_to = wished;
        visit.keep_progress(Some(&progress))?;
    }
    let notice = match visit.query("done") {
        Some("code_resent") => Some(Notice::success("code_resent")),
        _ => None,
    };
    let page = second_step(&visit, &progress, notice);
    visit.show(&page)
}

/// Somebody gives their address: a code goes there.
#[handler]
pub(super) async fn ask(Posted { mut visit, fields }: Posted) -> Result<Response> {
    let typed = fields.text("email");
    let redirect_to = visit.site.destination(fields.text("redirectTo"));
    let refuse = |visit: Visit, problem: &Problem, notice: Notice| {
        let page =
            first_step(&visit, typed.to_owned(), redirect_to.clone().unwrap_or_default(), Some(notice));
        visit.refuse(problem, &page)
    };
    let Ok(email) = EmailAddress::parse(typed) else {
        return refuse(visit, &not_an_address(), Notice::error("email_invalid").at("email"));
    };
    let asked_before = visit.progress().filter(|progress| progress.email == email);
    match send(&visit, &email).await {
        Ok(()) => {}
        // The code that this browser asked for is on its way: the next step is to type it.
        Err(RequestCodeError::TooSoon(_)) if asked_before.is_some() => return Ok(visit.go("/login")),
        Err(error) => {
            let (problem, notice) = refused(error)?;
            return refuse(visit, &problem, notice);
        }
    }
    let progress =
        SignInProgress { email, redirect_to: redirect_to.clone(), asked_at: visit.flows.now(), wrong: 0 };
    visit.keep_progress(Some(&progress))?;
    Ok(visit.go("/login"))
}

/// Another code, because the first did not come.
#[handler]
pub(super) async fn resend(Posted { mut visit, .. }: Posted) -> Result<Response> {
    let Some(mut progress) = visit.progress() else { return Ok(visit.go("/login")) };
    if let Err(error) = send(&visit, &progress.email).await {
        let (problem, notice) = refused(error)?;
        let page = second_step(&visit, &progress, Some(notice));
        return visit.refuse(&problem, &page);
    }
    progress.asked_at = visit.flows.now();
    progress.wrong = 0;
    visit.keep_progress(Some(&progress))?;
    Ok(visit.go("/login?done=code_resent"))
}

/// Another address, because the first was the wrong one.
#[handler]
pub(super) async fn restart(Posted { mut visit, .. }: Posted) -> Result<Response> {
    visit.keep_progress(None)?;
    Ok(visit.go("/login"))
}

/// Somebody types the code: they are in.
#[handler]
pub(super) async fn enter(Posted { mut visit, fields }: Posted) -> Result<Response> {
    let Some(mut progress) = visit.progress() else { return Ok(visit.go("/login")) };
    let proof = VerifyCode {
        site: visit.site.clone(),
        presented: Presented::Code(progress.email.clone(), typed_code(fields.text("code"))),
        purpose: Purpose::Either,
        browser: Some(visit.browser),
        device: visit.device.clone(),
        visitor: visit.visitor.clone(),
    };
    let signed_in = match visit.flows.verify_code(proof).await {
        Ok(signed_in) => signed_in,
        Err(error) => {
            if matches!(error, VerifyCodeError::Rejected) {
                progress.wrong = progress.wrong.saturating_add(1);
                visit.keep_progress(Some(&progress))?;
            }
            let (problem, notice) = not_in(error, &visit, progress.asked_at, progress.wrong, "code")?;
            let page = second_step(&visit, &progress, Some(notice));
            return visit.refuse(&problem, &page);
        }
    };
    let destination = visit.destination(progress.redirect_to.as_deref());
    Ok(super::enter(visit, &signed_in, &destination).await)
}

/// Signs out here.
#[handler]
pub(super) async fn sign_out(Posted { mut visit, .. }: Posted) -> Result<Response> {
    if visit.session.is_some() {
        let person = visit.person()?;
        visit
            .flows
            .sign_out(&visit.site, person, SignOutScope::Local, &visit.visitor)
            .await
            .or_else(super::already_out)?;
        visit.leave();
    }
    Ok(visit.go("/login?done=signed_out"))
}

/// A form's address, opened as a page: by a reload, or from the history.
#[handler]
pub(super) fn back() -> Response {
    poem::IntoResponse::into_response(poem::web::Redirect::see_other("/login"))
}

async fn send(visit: &Visit, email: &EmailAddress) -> Result<(), RequestCodeError> {
    let wish = RequestCode {
        site: &visit.site,
        email,
        create_user: true,
        metadata: UserMetadata::default(),
        redirect_to: None,
        challenge: None,
        browser: Some(visit.browser),
        device: visit.device.as_ref(),
        visitor: &visit.visitor,
    };
    visit.flows.request_code(wish).await
}

/// What people paste: with blanks, with dashes, in small letters.
pub(super) fn typed_code(text: &str) -> Option<SignInCode> {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    SignInCode::parse(&text)
}

fn first_step(visit: &Visit, email: String, redirect_to: String, notice: Option<Notice>) -> Page {
    let sign_up = visit.flows.sites.sign_up_site().filter(|_| !visit.site.sign_up);
    let signed_out = (visit.query("done") == Some("signed_out")).then(|| Notice::success("signed_out"));
    Page::Login {
        email,
        redirect_to,
        register: visit.site.sign_up,
        sign_up: sign_up.map(|site| (site.name.clone(), site.url.to_string())),
        notice: notice.or(signed_out),
    }
}

fn second_step(visit: &Visit, progress: &SignInProgress, notice: Option<Notice>) -> Page {
    Page::Code {
        email: progress.email.as_str().to_owned(),
        minutes: visit.flows.code_life.as_secs().div_ceil(60),
        resend_in_secs: visit.wait_after(progress.asked_at),
        notice,
    }
}

/// What was typed where an address belongs will not do.
pub(super) fn not_an_address() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "validation_failed",
        "Send a full email address of your own",
    )
}

/// Why no code was sent, in words. What the page has no words for stays a problem.
pub(super) fn refused(error: RequestCodeError) -> Result<(Problem, Notice), Problem> {
    let seconds = |wait: &Duration| wait.as_secs_f64().ceil().to_string();
    let notice = match &error {
        RequestCodeError::ClientLimited(wait) => {
            Notice::error("client_limited").with("seconds", seconds(wait))
        }
        RequestCodeError::TooSoon(wait) => Notice::error("too_soon").with("seconds", seconds(wait)),
        RequestCodeError::SiteBudget(_) | RequestCodeError::HostBudget(_) => Notice::error("site_budget"),
        RequestCodeError::NoAccount | RequestCodeError::SignUpClosed => Notice::error("no_account"),
        RequestCodeError::Unavailable(_) => Notice::error("mail_down"),
    };
    worded(error.into(), notice)
}

/// Why a code led to nothing, in words beside its field, given when it was asked for and how often it was typed wrongly.
pub(super) fn not_in(
    error: VerifyCodeError,
    visit: &Visit,
    asked_at: DateTime<Utc>,
    wrong: u8,
    field: &'static str,
) -> Result<(Problem, Notice), Problem> {
    let age = visit.flows.now().signed_duration_since(asked_at).to_std().unwrap_or_default();
    let notice = match &error {
        VerifyCodeError::ClientLimited(wait) => {
            Notice::error("client_limited").with("seconds", wait.as_secs_f64().ceil().to_string())
        }
        VerifyCodeError::Rejected if age >= visit.flows.code_life => Notice::error("expired_code").at(field),
        VerifyCodeError::Rejected if wrong >= TRIES => Notice::error("too_many_tries").at(field),
        VerifyCodeError::Rejected => Notice::error("wrong_code").at(field),
        VerifyCodeError::Banned => Notice::error("banned"),
        VerifyCodeError::NoSigningKey(_) | VerifyCodeError::Unavailable(_) => Notice::error("unavailable"),
    };
    worded(error.into(), notice)
}

/// A problem of the caller's, or one that passes, is told on the page; ours has a page of its own.
pub(super) fn worded(problem: Problem, notice: Notice) -> Result<(Problem, Notice), Problem> {
    if problem.status == StatusCode::INTERNAL_SERVER_ERROR { Err(problem) } else { Ok((problem, notice)) }
}
