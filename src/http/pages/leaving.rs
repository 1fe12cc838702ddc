//! `/account/delete`: the end of an account, with a code to its address.

use poem::{Response, Result, handler};

use super::super::Problem;
use super::login::{not_in, refused, typed_code};
use super::view::{Notice, Page};
use super::visit::{Posted, Visit};
use crate::flows::{DeleteAccount, DeleteAccountError};

/// What will be lost; and once a code was sent, where to type it.
#[handler]
pub(super) async fn show(visit: Visit) -> Result<Response> {
    let page = page(&visit, visit.query("code").is_some(), None)?;
    visit.show(&page)
}

/// Somebody means it: a code goes to their address.
#[handler]
pub(super) async fn send_code(Posted { visit, .. }: Posted) -> Result<Response> {
    let person = visit.person()?;
    match visit.flows.request_deletion_code(&visit.site, person, &visit.visitor).await {
        Ok(()) => Ok(visit.go("/account/delete?code")),
        Err(DeleteAccountError::Code(error)) => {
            let (problem, notice) = refused(error)?;
            let page = page(&visit, false, Some(notice))?;
            visit.refuse(&problem, &page)
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

/// Somebody types the code: the account is gone.
#[handler]
pub(super) async fn delete(Posted { mut visit, fields }: Posted) -> Result<Response> {
    let ask = DeleteAccount {
        site: visit.site.clone(),
        caller: visit.person()?,
        code: typed_code(fields.text("code")),
        visitor: visit.visitor.clone(),
    };
    match visit.flows.delete_account(ask).await {
        Ok(()) => {
            visit.leave();
            visit.show(&Page::Goodbye { deleted: true })
        }
        Err(DeleteAccountError::Proof(error)) => {
            let (problem, notice) = not_in(error, &visit, visit.flows.now(), 0, "code")?;
            let page = page(&visit, true, Some(notice))?;
            visit.refuse(&problem, &page)
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

fn page(visit: &Visit, code_sent: bool, notice: Option<Notice>) -> Result<Page> {
    Ok(Page::DeleteAccount {
        email: visit.signed_in()?.user.email.as_str().to_owned(),
        code_sent,
        minutes: visit.flows.code_life.as_secs().div_ceil(60),
        notice,
    })
}
