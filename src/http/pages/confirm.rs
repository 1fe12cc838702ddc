//! `/confirm`: a mailed link. Opening it shows a button; only the button uses it, so that a scanner of mails uses nothing.

use poem::{Response, Result, handler};

use super::super::Problem;
use super::super::auth::purpose_of;
use super::fields::Fields;
use super::view::Page;
use super::visit::{Posted, Visit};
use crate::flows::{
    ConfirmLink, EmailChangeStep, LinkConfirmed, Presented, ProveEmailChange, VerifyCodeError,
};

/// The button.
#[handler]
pub(super) async fn show(visit: Visit) -> Result<Response> {
    let page = match visit.query("token_hash") {
        Some(token) if !token.is_empty() && token.len() <= 128 => Page::Confirm {
            token_hash: token.to_owned(),
            kind: visit.query("type").unwrap_or("email").to_owned(),
            redirect_to: visit.query("redirect_to").unwrap_or_default().to_owned(),
        },
        _ => Page::ConfirmFailed,
    };
    visit.show(&page)
}

/// Somebody presses it: they are in.
#[handler]
pub(super) async fn enter(Posted { visit, fields }: Posted) -> Result<Response> {
    if fields.text("type") == "email_change" {
        return change_address(visit, &fields).await;
    }
    let Some(purpose) = purpose_of(fields.text("type")) else {
        return visit.refuse(&Problem::from(VerifyCodeError::Rejected), &Page::ConfirmFailed);
    };
    let link = ConfirmLink {
        site: visit.site.clone(),
        token: fields.text("token_hash").to_owned(),
        purpose,
        visitor: visit.visitor.clone(),
    };
    let signed_in = match visit.flows.confirm_link(link).await {
        Ok(LinkConfirmed::SignedIn(signed_in)) => signed_in,
        // A client library asked for the mail: what it waits for is its own, and this browser stays as it is.
        Ok(LinkConfirmed::HandOver(to) | LinkConfirmed::AuthCode(to)) => return Ok(visit.go(to.as_str())),
        Err(error @ VerifyCodeError::Rejected) => {
            return visit.refuse(&Problem::from(error), &Page::ConfirmFailed);
        }
        Err(error) => return Err(Problem::from(error).into()),
    };
    let begun = visit.progress().and_then(|progress| progress.redirect_to);
    let destination = visit.destination(fields.given("redirectTo").or(begun.as_deref()));
    Ok(super::enter(visit, &signed_in, &destination).await)
}

/// One of the two links of a change of address that an administrator handed out.
async fn change_address(visit: Visit, fields: &Fields) -> Result<Response> {
    let ask = ProveEmailChange {
        site: visit.site.clone(),
        presented: Presented::Link(fields.text("token_hash").to_owned()),
        visitor: visit.visitor.clone(),
    };
    match visit.flows.prove_email_change(ask).await {
        Ok(EmailChangeStep::OneToGo) => {
            // As client libraries read it; a person sees where they are.
            let mut to = visit.site.redirect_target(fields.given("redirectTo").unwrap_or_default());
            to.set_fragment(Some(HALFWAY));
            Ok(visit.go(to.as_str()))
        }
        Ok(EmailChangeStep::Changed(signed_in)) => {
            let destination = visit.destination(fields.given("redirectTo"));
            Ok(super::enter(visit, &signed_in, &destination).await)
        }
        Err(error) => visit.refuse(&Problem::from(error), &Page::ConfirmFailed),
    }
}

/// What the wire says of the first of the two.
const HALFWAY: &str =
    "message=Confirmation+link+accepted.+Please+proceed+to+confirm+link+sent+to+the+other+email&sb=";
