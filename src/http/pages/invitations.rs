//! `/invitations/{token}`: what an invitation offers, to be accepted or declined by the invited address.

use poem::web::Path;
use poem::{Response, Result, handler};
use url::form_urlencoded;

use super::super::Problem;
use super::view::{InvitationStanding, Notice, Page};
use super::visit::{Posted, Visit};
use crate::domain::SiteKind;

/// The offer.
#[handler]
pub(super) async fn show(visit: Visit, Path(token): Path<String>) -> Result<Response> {
    let page = page(&visit, &token, None).await?;
    visit.show(&page)
}

/// Yes.
#[handler]
pub(super) async fn accept(Posted { visit, .. }: Posted, Path(token): Path<String>) -> Result<Response> {
    let caller = visit.caller()?;
    match visit.flows.accept_invitation(&caller, &token).await {
        Ok(_) => {
            let next = match visit.site.kind {
                SiteKind::Reader => "/account?done=invitation_accepted",
                SiteKind::Management => "/libraries?stay&done=invitation_accepted",
            };
            Ok(visit.go(next))
        }
        Err(error) => refused(visit, &token, super::library_problem(error)).await,
    }
}

/// No.
#[handler]
pub(super) async fn decline(Posted { visit, .. }: Posted, Path(token): Path<String>) -> Result<Response> {
    let caller = visit.caller()?;
    match visit.flows.decline_invitation(&caller, &token).await {
        Ok(()) => {
            let page = page(&visit, &token, Some(Notice::success("invitation_declined"))).await?;
            visit.show(&page)
        }
        Err(error) => refused(visit, &token, super::library_problem(error)).await,
    }
}

async fn refused(visit: Visit, token: &str, problem: Problem) -> Result<Response> {
    let notice = match problem.code {
        "not_found" => Notice::error("invitation_wrong_address"),
        "already_exists" => Notice::error("already_staff"),
        "illegal_state" => Notice::error("already_decided"),
        "service_unavailable" => Notice::error("unavailable"),
        _ => return Err(problem.into()),
    };
    let page = page(&visit, token, Some(notice)).await?;
    visit.refuse(&problem, &page)
}

async fn page(visit: &Visit, token: &str, notice: Option<Notice>) -> Result<Page> {
    let action = format!("/invitations/{token}");
    let Some(session) = &visit.session else {
        let query =
            form_urlencoded::Serializer::new(String::new()).append_pair("redirectTo", &action).finish();
        // What is offered is shown to whom it is offered, not to whoever has the link.
        return Ok(Page::Invitation {
            library: String::new(),
            role: String::new(),
            inviter: None,
            message: None,
            expires_at: visit.flows.now(),
            standing: InvitationStanding::SignedOut { login: format!("/login?{query}") },
            action,
            notice,
        });
    };
    let caller = visit.caller()?;
    let offer = visit.flows.offer(&caller, token).await.map_err(super::library_problem)?;
    let standing = if offer.status != "pending" {
        InvitationStanding::Ended
    } else if offer.email == session.user.email.as_str() {
        InvitationStanding::Yours
    } else {
        InvitationStanding::OtherAddress { email: session.user.email.as_str().to_owned() }
    };
    Ok(Page::Invitation {
        library: offer.library_name,
        role: offer.role.unwrap_or_default(),
        inviter: offer.inviter_name,
        message: offer.personal_message,
        expires_at: offer.expires_at,
        standing,
        action,
        notice,
    })
}
