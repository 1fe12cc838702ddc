//! The console: pages for whoever administers the server, at `/admin` on management sites and shared hosts.
//!
//! What it shows and does goes through the admin API alone (`client`), with the scope of whoever is at it: a page that offers
//! too much would still be refused. Made on the server; nothing needs a script. Its words are in its templates, in English:
//! it is for those who run the server, not for those who use it.

mod audit;
mod charts;
mod client;
mod confirm;
mod files;
mod guard;
mod inside;
mod keys;
mod libraries;
mod mail;
mod overview;
mod people;
mod place;
mod reference;
mod requests;
mod schema;
mod sign_in;
mod signing_keys;
mod view;
mod visit;

use poem::{Endpoint, EndpointExt, Response, Route};

pub(super) use self::client::AdminApi;
use super::methods::{get, post};

/// Where the console begins.
const PATH: &str = "/admin";

/// Puts every address of the console into the table of routes.
pub(super) fn add(route: Route) -> Route {
    route
        .at("/admin", page(get(overview::show)))
        .at("/admin/sign-in", page(get(sign_in::show).post(sign_in::enter)))
        .at("/admin/sign-out", page(post(sign_in::leave)))
        .at("/admin/people", page(get(people::search)))
        .at("/admin/people/:id", page(get(people::show)))
        .at("/admin/people/:id/end-sessions", page(get(people::ask_to_end).post(people::end_sessions)))
        .at("/admin/people/:id/ban", page(get(people::ask_to_ban).post(people::ban)))
        .at("/admin/people/:id/part", page(get(people::ask_for_part).post(people::set_part)))
        .at("/admin/people/:id/lift-ban", page(post(people::lift_ban)))
        .at("/admin/people/:id/unlock", page(post(people::unlock)))
        .at("/admin/access-requests", page(get(requests::list)))
        .at("/admin/access-requests/:id", page(get(requests::show).post(requests::decide)))
        .at("/admin/libraries", page(get(libraries::list).post(libraries::make)))
        .at("/admin/libraries/:id", page(get(libraries::show)))
        .at("/admin/libraries/:id/status", page(get(libraries::ask_to_change).post(libraries::change)))
        .at("/admin/staff/:id/revoke", page(get(libraries::ask_to_revoke).post(libraries::revoke)))
        .at("/admin/mail", page(get(mail::show)))
        .at("/admin/mail/:id/retry", page(post(mail::retry)))
        .at("/admin/mail/suppressions", page(get(mail::suppressions).post(mail::suppress)))
        .at("/admin/mail/suppressions/lift", page(post(mail::lift)))
        .at("/admin/keys", page(get(keys::show).post(keys::make)))
        .at("/admin/keys/:id/revoke", page(get(keys::ask_to_revoke).post(keys::revoke)))
        .at("/admin/signing-keys", page(get(signing_keys::show)))
        .at("/admin/signing-keys/rotate", page(get(signing_keys::ask_to_rotate).post(signing_keys::rotate)))
        .at(
            "/admin/signing-keys/:kid/revoke",
            page(get(signing_keys::ask_to_revoke).post(signing_keys::revoke)),
        )
        .at("/admin/audit-log", page(get(audit::show)))
        .at("/admin/docs", page(get(reference::show_admin)))
        .at("/admin/docs/public", page(get(reference::show_public)))
        .at("/admin/files/:name", get(files::show))
}

fn page<E: Endpoint + 'static>(endpoint: E) -> impl Endpoint<Output = Response> {
    endpoint.around(guard::guard)
}
