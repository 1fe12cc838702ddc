//! `/request-access` for people without a staff record, `/access-requests` for those who may give them one.

use poem::{Response, Result, handler};
use uuid::Uuid;

use super::super::Problem;
use super::super::library::note;
use super::fields::{Fields, unreadable};
use super::view::{Notice, OpenRequest, Page, RequestLine};
use super::visit::{Posted, Visit};
use crate::domain::{self, AccessRequest, MAX_PAGE, Role};
use crate::flows::LibraryError;

/// The newest, which is more than anybody waits for.
const NEWEST: domain::Page = domain::Page { limit: MAX_PAGE, after: None };

/// The form, and what was asked before.
#[handler]
pub(super) async fn show(visit: Visit) -> Result<Response> {
    let notice = match visit.query("done") {
        Some("request_sent") => Some(Notice::success("request_sent")),
        Some("request_withdrawn") => Some(Notice::success("request_withdrawn")),
        _ => None,
    };
    let library = visit.query("library").unwrap_or_default().to_owned();
    let page = page(&visit, library, String::new(), notice).await?;
    visit.show(&page)
}

/// Somebody asks.
#[handler]
pub(super) async fn ask(Posted { visit, fields }: Posted) -> Result<Response> {
    let caller = visit.caller()?;
    let code = fields.text("library").to_ascii_lowercase();
    let outcome = match note("message", fields.given("message")) {
        Ok(message) => visit.flows.request_access(&caller, &code, message.as_deref()).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(_) => Ok(visit.go("/request-access?done=request_sent")),
        Err(error) => {
            let (problem, notice) = refused(error, "library_unknown", "request_exists")?;
            let typed = fields.text("message").to_owned();
            let page = page(&visit, code, typed, Some(notice)).await?;
            visit.refuse(&problem, &page)
        }
    }
}

/// Somebody has thought better of it.
#[handler]
pub(super) async fn withdraw(Posted { visit, fields }: Posted) -> Result<Response> {
    let caller = visit.caller()?;
    let outcome = visit.flows.withdraw_access_request(&caller, id(&fields)?, fields.version()).await;
    match outcome {
        Ok(_) => Ok(visit.go("/request-access?done=request_withdrawn")),
        Err(error) => {
            let (problem, notice) = refused(error, "already_decided", "already_decided")?;
            let page = page(&visit, String::new(), String::new(), Some(notice)).await?;
            visit.refuse(&problem, &page)
        }
    }
}

/// What waits for a decision, at every library where the caller may decide.
#[handler]
pub(super) async fn show_open(visit: Visit) -> Result<Response> {
    let notice = match visit.query("done") {
        Some("approved") => Some(Notice::success("approved")),
        Some("declined_request") => Some(Notice::success("declined_request")),
        _ => None,
    };
    let page = open_page(&visit, notice).await?;
    visit.show(&page)
}

/// A decision.
#[handler]
pub(super) async fn decide(Posted { visit, fields }: Posted) -> Result<Response> {
    let caller = visit.caller()?;
    let approved = fields.text("decision") == "approve";
    let role = if approved { Some(Role::parse(fields.text("role")).ok_or_else(unreadable)?) } else { None };
    let outcome = match note("note", fields.given("note")) {
        Ok(note) => {
            let request = id(&fields)?;
            let version = fields.version();
            visit.flows.decide_access_request(&caller, request, version, role, note.as_deref()).await
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(_) if approved => Ok(visit.go("/access-requests?done=approved")),
        Ok(_) => Ok(visit.go("/access-requests?done=declined_request")),
        Err(error) => {
            let (problem, notice) = refused(error, "already_decided", "already_staff")?;
            let page = open_page(&visit, Some(notice)).await?;
            visit.refuse(&problem, &page)
        }
    }
}

async fn page(visit: &Visit, library: String, message: String, notice: Option<Notice>) -> Result<Page> {
    let caller = visit.caller()?;
    let mine = visit.flows.access_requests(&caller, None, NEWEST).await.map_err(super::library_problem)?;
    Ok(Page::RequestAccess { library, message, requests: mine.items.into_iter().map(line).collect(), notice })
}

async fn open_page(visit: &Visit, notice: Option<Notice>) -> Result<Page> {
    let caller = visit.caller()?;
    let open = visit.flows.open_access_requests(&caller).await.map_err(super::library_problem)?;
    Ok(Page::AccessRequests { requests: open.into_iter().map(open_line).collect(), notice })
}

fn line(request: AccessRequest) -> RequestLine {
    RequestLine {
        id: request.id.to_string(),
        library: request.library_name,
        state: request.status,
        asked_at: request.created_at,
        decided_at: request.decided_at,
        note: request.decision_note,
        version: request.version,
    }
}

fn open_line(request: AccessRequest) -> OpenRequest {
    OpenRequest {
        id: request.id.to_string(),
        library_code: request.library_code,
        library: request.library_name,
        email: request.email.unwrap_or_default(),
        name: request.display_name,
        message: request.message,
        asked_at: request.created_at,
        version: request.version,
    }
}

fn id(fields: &Fields) -> Result<Uuid, Problem> {
    fields.text("id").parse().map_err(|_| unreadable())
}

/// Why it was not done, in words: `missing` where there is nothing to do it to, `twice` where it was done before.
fn refused(
    error: LibraryError,
    missing: &'static str,
    twice: &'static str,
) -> Result<(Problem, Notice), Problem> {
    let field = match &error {
        LibraryError::Field(error) => Some(error.field),
        _ => None,
    };
    let problem = super::library_problem(error);
    let notice = match (problem.code, field) {
        ("not_found", _) => Notice::error(missing),
        ("already_exists", _) => Notice::error(twice),
        ("illegal_state" | "stale_version", _) => Notice::error("already_decided"),
        ("forbidden", _) => Notice::error("forbidden"),
        ("invalid_value", Some(field)) => Notice::error("invalid_value").at(field),
        ("service_unavailable", _) => Notice::error("unavailable"),
        _ => return Err(problem),
    };
    Ok((problem, notice))
}
