//! `/account/email`: another address for the account, with a code to each of the two mailboxes.

use poem::{Response, Result, handler};

use super::super::Problem;
use super::login::{not_an_address, not_in, refused, typed_code};
use super::view::{Notice, Page};
use super::visit::{Posted, Visit};
use crate::domain::{EmailAddress, PendingEmail};
use crate::flows::{ChangeEmailError, EmailChangeStep, Presented, ProveEmailChange, ProveEmailError};

/// The change that is under way.
#[handler]
pub(super) async fn show(visit: Visit) -> Result<Response> {
    let Some(change) = pending(&visit).await? else { return Ok(visit.go("/account#address")) };
    let notice = match visit.query("done") {
        Some("half_done") => Some(Notice::success("half_done")),
        Some("code_resent") => Some(Notice::success("code_resent")),
        _ => None,
    };
    let page = page(&visit, &change, notice)?;
    visit.show(&page)
}

/// Somebody wants another address: a code goes to it, and one to the present one.
#[handler]
pub(super) async fn begin(Posted { visit, fields }: Posted) -> Result<Response> {
    let person = visit.person()?;
    let own = visit.signed_in()?.user.email.clone();
    let refuse = async |visit: Visit, problem: &Problem, notice: Notice| {
        let page = super::account::page(&visit, Some(notice)).await?;
        visit.refuse(problem, &page)
    };
    let Ok(email) = EmailAddress::parse(fields.text("email")) else {
        return refuse(visit, &not_an_address(), Notice::error("email_invalid").at("email")).await;
    };
    if email == own {
        return refuse(visit, &not_an_address(), Notice::error("email_same").at("email")).await;
    }
    match visit.flows.change_email(&visit.site, person, &email, &visit.visitor).await {
        Ok(_) => Ok(visit.go("/account/email")),
        Err(ChangeEmailError::Taken) => {
            refuse(visit, &not_an_address(), Notice::error("email_taken").at("email")).await
        }
        Err(ChangeEmailError::Code(error)) => {
            let (problem, notice) = refused(error)?;
            refuse(visit, &problem, notice).await
        }
        Err(error @ ChangeEmailError::Account(_)) => Err(Problem::from(error).into()),
    }
}

/// Somebody types one of the two codes.
#[handler]
pub(super) async fn confirm(Posted { mut visit, fields }: Posted) -> Result<Response> {
    let Some(change) = pending(&visit).await? else { return Ok(visit.go("/account#address")) };
    let (email, field) = match fields.text("half") {
        "new" => (change.email.clone(), "code_new"),
        _ => (visit.signed_in()?.user.email.clone(), "code_current"),
    };
    let ask = ProveEmailChange {
        site: visit.site.clone(),
        presented: Presented::Code(email, typed_code(fields.text("code"))),
        visitor: visit.visitor.clone(),
    };
    match visit.flows.prove_email_change(ask).await {
        Ok(EmailChangeStep::OneToGo) => Ok(visit.go("/account/email?done=half_done")),
        Ok(EmailChangeStep::Changed(signed_in)) => {
            visit.enter(&signed_in);
            Ok(visit.go("/account?done=email_changed#address"))
        }
        Err(ProveEmailError::Taken) => {
            let page = super::account::page(&visit, Some(Notice::error("email_taken").at("email"))).await?;
            visit.refuse(&not_an_address(), &page)
        }
        Err(ProveEmailError::Proof(error)) => {
            let (problem, notice) = not_in(error, &visit, change.sent_at, 0, field)?;
            let page = page(&visit, &change, Some(notice))?;
            visit.refuse(&problem, &page)
        }
    }
}

/// The codes that are still to be typed, once more.
#[handler]
pub(super) async fn resend(Posted { visit, .. }: Posted) -> Result<Response> {
    let Some(change) = pending(&visit).await? else { return Ok(visit.go("/account#address")) };
    let own = &visit.signed_in()?.user.email;
    if let Err(error) = visit.flows.resend_email_change(&visit.site, own, &visit.visitor).await {
        let (problem, notice) = refused(error)?;
        let page = page(&visit, &change, Some(notice))?;
        return visit.refuse(&problem, &page);
    }
    Ok(visit.go("/account/email?done=code_resent"))
}

/// Everything stays as it was.
#[handler]
pub(super) async fn cancel(Posted { visit, .. }: Posted) -> Result<Response> {
    let (user, _) = visit.person()?;
    visit.flows.cancel_email_change(&visit.site, user, &visit.visitor).await.map_err(Problem::from)?;
    Ok(visit.go("/account?done=change_cancelled#address"))
}

async fn pending(visit: &Visit) -> Result<Option<PendingEmail>> {
    let (user, _) = visit.person()?;
    Ok(visit.flows.email_change_of(user).await.map_err(Problem::from)?)
}

fn page(visit: &Visit, change: &PendingEmail, notice: Option<Notice>) -> Result<Page> {
    Ok(Page::EmailChange {
        current: visit.signed_in()?.user.email.as_str().to_owned(),
        new: change.email.as_str().to_owned(),
        current_done: change.current_proven,
        new_done: change.new_proven,
        resend_in_secs: visit.wait_after(change.sent_at),
        notice,
    })
}
