//! `/not-me`: the link in a mail with a code, for whoever did not ask for it. Opening it shows a button; only the button ends
//! the code, so that a scanner of mails ends nothing.

use poem::{Response, Result, handler};

use super::super::Problem;
use super::view::{DisownStanding, Page};
use super::visit::{Posted, Visit};
use crate::domain::Slot;
use crate::flows::VerifyCodeError;

/// The button.
#[handler]
pub(super) async fn show(visit: Visit) -> Result<Response> {
    let page = match (visit.query("token"), visit.query("type")) {
        (Some(token), Some(kind)) if !token.is_empty() && token.len() <= 128 => {
            Page::NotMe { token: token.to_owned(), kind: kind.to_owned(), standing: DisownStanding::Asks }
        }
        _ => over(),
    };
    visit.show(&page)
}

/// Somebody presses it: the code is over.
#[handler]
pub(super) async fn end(Posted { visit, fields }: Posted) -> Result<Response> {
    let ended = match Slot::parse(fields.text("type")) {
        Some(slot) => visit.flows.disown_code(&visit.site, fields.text("token"), slot, &visit.visitor).await,
        None => Err(VerifyCodeError::Rejected),
    };
    match ended {
        Ok(()) => visit.show(&told(DisownStanding::Done)),
        Err(error @ VerifyCodeError::Rejected) => visit.refuse(&Problem::from(error), &over()),
        Err(error) => Err(Problem::from(error).into()),
    }
}

fn over() -> Page {
    told(DisownStanding::Over)
}

fn told(standing: DisownStanding) -> Page {
    Page::NotMe { token: String::new(), kind: String::new(), standing }
}
