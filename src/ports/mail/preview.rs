//! Writes every mail to a folder, to be looked at in a browser before a user does.
//!
//! The samples here are also what [`Templates::parse`] renders at start: what is shown is what was checked.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta};

use super::templates::{Brand, Letter, StaffChange, Templates};
use crate::domain::Locale;

/// Writes each letter in each language as `<letter>.<language>.html` and `.txt`, and an `index.html` that links
/// them. A text file has the subject on its first line. Makes the folder, replaces files of these names, and
/// returns the paths it wrote, the index first.
pub fn write_all(templates: &Templates, folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let index = folder.join("index.html");
    let mut written = vec![index.clone()];
    let mut rows = String::new();
    for (name, letter) in samples() {
        for locale in Locale::ALL {
            let tag = locale.tag();
            let mail = templates.render(&letter, locale, &SAMPLE_SITE).map_err(io::Error::other)?;
            let stem = format!("{name}.{tag}");
            for (kind, content) in
                [("html", &mail.html), ("txt", &format!("{}\n\n{}", mail.subject, mail.text))]
            {
                let path = folder.join(format!("{stem}.{kind}"));
                fs::write(&path, content)?;
                written.push(path);
            }
            // The samples are ours and hold nothing that HTML would have to escape.
            writeln!(
                rows,
                "<tr><td>{name}<td>{tag}<td lang=\"{tag}\">{}<td><a href=\"{stem}.html\">HTML</a> \
                 <a href=\"{stem}.txt\">text</a>",
                mail.subject
            )
            .map_err(io::Error::other)?;
        }
    }
    fs::write(&index, format!("{INDEX_HEAD}{rows}</table>\n"))?;
    Ok(written)
}

/// The site that samples are written for.
pub(super) const SAMPLE_SITE: Brand<'static> =
    Brand { name: "Riverside Library", url: "https://library.example.org/" };

/// Every letter in every shape it takes, under the name of its preview file.
pub(super) fn samples() -> [(&'static str, Letter<'static>); 24] {
    let requested_at = DateTime::from_timestamp(1_767_367_500, 0).unwrap_or_default();
    let invitation = |role, inviter, message| Letter::Invitation {
        library: SAMPLE_LIBRARY,
        role,
        inviter,
        message,
        link: "https://library.example.org/invitations/dGhpcyBpcyBub3QgYSB0b2tlbiwgb25seSBhIHNhbXBsZQ",
        expires_at: requested_at + TimeDelta::days(7),
    };
    let access_requested = |requester, message| Letter::AccessRequested {
        library: SAMPLE_LIBRARY,
        requester,
        requester_email: "lan.tran@example.net",
        message,
        link: "https://library.example.org/hill-street/staff/requests",
    };
    let access_decided = |approved, role, note| Letter::AccessDecided {
        library: SAMPLE_LIBRARY,
        approved,
        role,
        note,
        link: if approved { SAMPLE_HOME } else { SAMPLE_SITE.url },
    };
    let staff_changed = |change, link| Letter::StaffChanged { library: SAMPLE_LIBRARY, change, link };
    let promoted = StaffChange::RoleChanged { from: "librarian", to: "owner" };
    let email_change = |new_address| Letter::EmailChange {
        code: "402918",
        valid_for_minutes: 10,
        requested_at,
        new_address,
        disown: Some(SAMPLE_DISOWN),
    };
    let code = |code, valid_for_minutes, link: Option<&'static str>| Letter::SignInCode {
        code,
        valid_for_minutes,
        requested_at,
        link,
        disown: link.map(|_| SAMPLE_DISOWN),
    };
    [
        ("sign-in-code", code("402918", 10, None)),
        (
            "sign-in-code-link",
            code(
                "402918",
                1,
                Some(
                    "https://library.example.org/confirm?token_hash=dGhpcyBpcyBub3QgYSB0b2tlbiwgb25seSBhIHNhbXBsZQ&type=email",
                ),
            ),
        ),
        ("sign-in-code-long", code("7K3QX9M2RV8TA", 10, None)),
        ("email-change-current", email_change(Some("ada.lovelace@example.net"))),
        ("email-change-new", email_change(None)),
        ("address-changed", Letter::AddressChanged { by_administrator: false }),
        ("address-changed-by-administrator", Letter::AddressChanged { by_administrator: true }),
        (
            "account-invitation",
            Letter::AccountInvitation {
                link: "https://library.example.org/confirm?token_hash=dGhpcyBpcyBub3QgYSB0b2tlbiwgb25seSBhIHNhbXBsZQ&type=invite",
                expires_at: requested_at + TimeDelta::days(7),
            },
        ),
        (
            "delete-account",
            Letter::DeleteAccount {
                code: "402918",
                valid_for_minutes: 10,
                requested_at,
                disown: Some(SAMPLE_DISOWN),
            },
        ),
        ("no-account", Letter::NoAccount { sign_up: None, requested_at }),
        ("no-account-sign-up", Letter::NoAccount { sign_up: Some(SAMPLE_SIGN_UP), requested_at }),
        ("invitation", invitation("librarian", Some("Nguyễn Minh An"), Some(SAMPLE_MESSAGE))),
        ("invitation-bare", invitation("volunteer", None, None)),
        ("access-requested", access_requested(Some("Trần Thị Lan"), Some(SAMPLE_MESSAGE))),
        ("access-requested-bare", access_requested(None, None)),
        ("access-approved", access_decided(true, Some("manager"), Some(SAMPLE_NOTE))),
        ("access-approved-bare", access_decided(true, None, None)),
        ("access-declined", access_decided(false, None, Some(SAMPLE_NOTE))),
        ("access-declined-bare", access_decided(false, None, None)),
        ("staff-role-changed", staff_changed(promoted, SAMPLE_HOME)),
        ("staff-removed", staff_changed(StaffChange::Removed, SAMPLE_SITE.url)),
        ("staff-suspended", staff_changed(StaffChange::Suspended, SAMPLE_SITE.url)),
        ("staff-granted", staff_changed(StaffChange::Granted { role: "owner" }, SAMPLE_HOME)),
        ("staff-restored", staff_changed(StaffChange::Restored { role: "manager" }, SAMPLE_HOME)),
    ]
}

const SAMPLE_DISOWN: &str = "https://library.example.org/not-me?token=dGhpcyBpcyBub3QgYSB0b2tlbiwgb25seSBhIHNhbXBsZS4gVGhpcyBpcyBu&type=sign_in";
const SAMPLE_LIBRARY: &str = "Hill Street Library";

const SAMPLE_HOME: &str = "https://library.example.org/hill-street";

const SAMPLE_MESSAGE: &str = "Hello,

we spoke at the book fair last week. It would be two evenings a week at first, at the desk & with new books.
Ask me anything!
";

const SAMPLE_NOTE: &str =
    "Thank you for your offer. Please come by on Saturday, so that we can talk about it.";

const SAMPLE_SIGN_UP: Brand<'static> =
    Brand { name: "Riverside Reading Room", url: "https://read.example.org/" };

const INDEX_HEAD: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>Mails</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
td, th { text-align: left; padding: .3rem 1.5rem .3rem 0; }
</style>
<h1>Mails</h1>
<table>
<tr><th>Letter<th>Language<th>Subject<th>Parts
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_written_in_every_language() {
        let folder = std::env::temp_dir().join(format!("doorcode-preview-{}", std::process::id()));
        let written = write_all(&Templates::parse().unwrap(), &folder).unwrap();
        let index = fs::read_to_string(&written[0]).unwrap();

        assert_eq!(written.len(), 1 + samples().len() * Locale::ALL.len() * 2);
        for path in &written[1..] {
            assert!(!fs::read_to_string(path).unwrap().is_empty());
            assert!(index.contains(path.file_name().unwrap().to_str().unwrap()), "{path:?} is not linked");
        }
        let text = fs::read_to_string(folder.join("sign-in-code.en.txt")).unwrap();
        assert!(text.starts_with("Your sign-in code for Riverside Library\n\n"));
        fs::remove_dir_all(folder).unwrap();
    }
}
