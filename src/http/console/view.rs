//! What a page of the console is made of, and what it says was done before.

use serde_json::Value;
use url::form_urlencoded;

/// A page to show.
pub(super) struct View {
    /// Its template without the ending, which is also its place in the menu.
    pub(super) template: &'static str,
    /// Of the window.
    pub(super) title: String,
    /// What the template names, an object.
    pub(super) values: Value,
}

/// A path with a query.
pub(super) fn address<'a>(path: &str, query: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut address = form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1);
    address.extend_pairs(query);
    let address = address.finish();
    address.strip_suffix('?').map_or(address.clone(), str::to_owned)
}

/// What was done, for the page that comes after it, by the word in its address.
pub(super) fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "signed_out" => "You have left the console.",
        "approved" => "The request was approved. The person gets a mail.",
        "declined" => "The request was declined. The person gets a mail.",
        "banned" => "The account was banned, and its sessions were ended.",
        "ban_lifted" => "The ban was lifted.",
        "part_set" => "The part in administration was set.",
        "unlocked" => "The limits of the address were lifted.",
        "library_made" => "The library was made.",
        "library_changed" => "The library was changed.",
        "staff_revoked" => "The staff record was revoked.",
        "session_ended" => "The session was ended.",
        "sessions_ended" => "All sessions were ended.",
        "mail_retried" => "The mail is tried again.",
        "suppressed" => "No more mail is sent to that address.",
        "suppression_lifted" => "Mail is sent to that address again.",
        "key_rotated" => "The key was rotated: the list says from when the next one signs.",
        "signing_key_revoked" => "The signing key was revoked.",
        "key_revoked" => "The service key was revoked.",
        _ => return None,
    })
}
