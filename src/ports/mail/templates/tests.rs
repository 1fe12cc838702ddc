//! What every letter must hold, in every language and for a hostile site too.

mod staff;

use super::*;
use crate::domain::words::tests::assert_complete;

const HOSTILE: Brand<'static> =
    Brand { name: "<b>{{7*7}}</b>\r\nBcc: x@y {host}\u{202e}", url: "https://site.example:8443/\"><i>" };

/// Every sample in every language, for an ordinary and for a hostile site.
fn all() -> Vec<(Letter<'static>, Locale, Brand<'static>, RenderedMail)> {
    let templates = Templates::parse().unwrap();
    let mut mails = Vec::new();
    for (_, letter) in samples() {
        for locale in Locale::ALL {
            for brand in [SAMPLE_SITE, HOSTILE] {
                let mail = templates.render(&letter, locale, &brand).unwrap();
                mails.push((letter, locale, brand, mail));
            }
        }
    }
    mails
}

#[test]
fn a_code_is_in_each_body_once_and_nowhere_a_preview_shows_it() {
    for (letter, _, _, mail) in all() {
        let (Letter::SignInCode { code, .. }
        | Letter::EmailChange { code, .. }
        | Letter::DeleteAccount { code, .. }) = letter
        else {
            continue;
        };
        assert!(!mail.subject.contains(code));
        assert!(mail.text.contains(&format!("\n\n    {code}\n\n")));
        assert_eq!(mail.text.matches(code).count(), 1);
        assert_eq!(mail.html.matches(code).count(), 1);
        assert!(mail.text.find(code).unwrap() > 180, "too near to the start: {}", mail.text);
        let hidden = mail.html.find("&#847;").unwrap();
        assert!(mail.html.find(code).unwrap() > hidden, "the code is in the preview line");
    }
}

#[test]
fn a_hostile_site_name_is_only_text() {
    for (letter, _, brand, mail) in all() {
        assert!(!mail.subject.contains(char::is_control), "{:?}", mail.subject);
        for part in [&mail.subject, &mail.text, &mail.html] {
            assert!(!part.contains("49") && !part.contains('\r') && !part.contains('\u{202e}'));
        }
        assert!(!mail.html.contains("<b>") && !mail.html.contains("<i>"));
        if brand.name == HOSTILE.name {
            if matches!(letter, Letter::SignInCode { .. } | Letter::NoAccount { .. }) {
                assert!(mail.subject.contains("<b>{{7*7}}</b> Bcc: x@y {host}"), "{:?}", mail.subject);
            }
            assert!(mail.html.contains("&lt;b&gt;{{7*7}}&lt;/b&gt; Bcc: x@y {host}"));
            assert!(mail.html.contains("site.example:8443") && mail.text.contains("site.example:8443"));
        }
    }
}

#[test]
fn a_mail_names_its_site_and_time_and_loads_nothing() {
    for (letter, locale, brand, mail) in all() {
        let timeless = !matches!(
            letter,
            Letter::SignInCode { .. }
                | Letter::EmailChange { .. }
                | Letter::DeleteAccount { .. }
                | Letter::NoAccount { .. }
                | Letter::Invitation { .. }
        );
        for part in [&mail.text, &mail.html] {
            assert!(timeless || part.replace('\u{a0}', " ").contains("15:25 UTC"), "{part}");
            assert!(part.contains(if brand.name == HOSTILE.name { "site.example" } else { brand.name }));
        }
        assert!(mail.html.contains(&format!("<html lang=\"{}\"", locale.tag())));
        for loader in ["src=", "<link", "<img", "<script", "@import", "url(", "@font-face"] {
            assert!(!mail.html.contains(loader), "{loader}");
        }
    }
}

#[test]
fn only_the_present_owner_of_an_account_reads_which_address_it_is_to_have() {
    for (letter, _, _, mail) in all() {
        let Letter::EmailChange { new_address, .. } = letter else { continue };
        for part in [&mail.text, &mail.html] {
            assert_eq!(part.contains("ada.lovelace@example.net"), new_address.is_some(), "{part}");
        }
        assert!(!mail.subject.contains("ada.lovelace"));
    }
}

fn assert_lines_are_short(text: &str) {
    let short = |line: &str| line.chars().count() < 78 || line.trim_start().starts_with("https://");
    assert!(text.lines().all(short), "{text}");
}

#[test]
fn text_lines_stay_below_78_columns() {
    for (_, _, _, mail) in all() {
        assert_lines_are_short(&mail.text);
        assert!(!mail.text.contains("\n\n\n") && !mail.text.contains(" \n") && mail.text.ends_with('\n'));
    }
}

#[test]
fn no_mark_is_parted_from_its_word() {
    let closes = |c: char| matches!(c, '?' | '!' | ':' | ';' | '»' | '“' | ')' | ',' | '.');
    for (_, _, _, mail) in all() {
        assert!(!mail.text.lines().any(|line| line.starts_with(closes)), "{}", mail.text);
        assert!(!mail.text.contains("\nUTC"), "{}", mail.text);
    }
    let (word, long) = ("x".repeat(68), "y".repeat(80));
    assert_eq!(wrap(&format!("{word} ab\u{202f}? {long}")), format!("{word}\nab\u{202f}?\n{long}\n"));
}

#[test]
fn the_sign_up_site_is_named_where_there_is_one() {
    for (letter, _, _, mail) in all() {
        let Letter::NoAccount { sign_up, .. } = letter else { continue };
        assert_eq!(mail.html.contains("href=\"https://read.example.org/\""), sign_up.is_some());
        assert_eq!(mail.text.contains("    https://read.example.org/\n"), sign_up.is_some());
    }
}

#[test]
fn languages_have_the_same_keys_and_placeholders_and_no_stray_accents() {
    for (locale, (file, _)) in Locale::ALL.iter().zip(WORDS) {
        assert_eq!(file, format!("locales/{}.toml", locale.tag()));
    }
    assert_complete(&Templates::parse().unwrap().words);
}

#[test]
fn values_that_no_mail_may_show_are_refused() {
    let templates = Templates::parse().unwrap();
    let requested_at = DateTime::from_timestamp(1_767_367_500, 0).unwrap();
    let refused = |code, valid_for_minutes, link, url| {
        let letter = Letter::SignInCode { code, valid_for_minutes, requested_at, link, disown: link };
        templates.render(&letter, Locale::English, &Brand { name: "", url }).is_err()
    };
    let home = "http://reader.localhost:8080";
    assert!(!refused("012345", 10, Some("https://a.example/b?c=d&e"), home));
    for code in ["", "12 456", "12345\n", "<b>", "111111111111111111111111111111111"] {
        assert!(refused(code, 10, None, home), "{code:?}");
    }
    assert!(refused("012345", 0, None, home) && refused("012345", u64::MAX, None, home));
    for url in ["", "/sign-in", "javascript:alert(1)", "data:text/html,x", "https://"] {
        assert!(refused("012345", 10, Some(url), home) && refused("012345", 10, None, url), "{url:?}");
    }
}
