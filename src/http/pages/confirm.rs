//! `/confirm`: a mailed link. Opening it shows a button; only the button uses it, so that a scanner of mails uses nothing.

use poem::{Response, Result, handler};

use super::super::Problem;
use super::view::Page;
use super::visit::{Posted, Visit};
use crate::domain::SiteKind;
use crate::flows::{Presented, Purpose, VerifyCode, VerifyCodeError};

/// The button.
#[handler]
pub(super) async fn show(visit: Visit) -> Result<Response> {
    let page = match visit.query("token_hash") {
        Some(token) if !token.is_empty() && token.len() <= 128 => Page::Confirm {
            token_hash: token.to_owned(),
            kind: visit.query("type").unwrap_or("email").to_owned(),
        },
        _ => Page::ConfirmFailed,
    };
    visit.show(&page)
}

/// Somebody presses it: they are in.
#[handler]
pub(super) async fn enter(Posted { mut visit, fields }: Posted) -> Result<Response> {
    let ask = VerifyCode {
        site: visit.site.clone(),
        presented: Presented::Link(fields.text("token_hash").to_owned()),
        purpose: Purpose::Either,
        browser: None,
        visitor: visit.visitor.clone(),
    };
    let signed_in = match visit.flows.verify_code(ask).await {
        Ok(signed_in) => signed_in,
        Err(error @ VerifyCodeError::Rejected) => {
            return visit.show_as(Problem::from(error).status, &Page::ConfirmFailed);
        }
        Err(error) => return Err(Problem::from(error).into()),
    };
    let wished = visit.progress().and_then(|progress| progress.redirect_to);
    let destination = visit.destination(wished.as_deref());
    super::enter(&mut visit, &signed_in).await;
    Ok(if signed_in.is_first && visit.site.kind == SiteKind::Reader {
        visit.go(&super::welcome::address(&destination))
    } else {
        visit.go(&destination)
    })
}
