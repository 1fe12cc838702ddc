//! What every page must hold, in every language and whatever people write.

mod strangers;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::domain::words::tests::assert_complete;
use crate::domain::{Logo, SiteKind, test_site};
use crate::http::pages::samples::{PERSON, samples, site};
use crate::http::pages::view::{Notice, NoticeKind, ProfileForm};

/// Every sample in every language.
fn all() -> Vec<(String, Locale, String)> {
    let pages = Pages::parse().unwrap();
    let mut all = Vec::new();
    for sample in samples() {
        let site = site(sample.kind).unwrap();
        for locale in Locale::ALL {
            let person = sample.signed_in.then_some(PERSON);
            let frame = Frame { site: &site, locale, here: "/login?a=b&c=d", token: "proof", person };
            let html = pages.render(&frame, &sample.page).unwrap_or_else(|error| {
                panic!("{} in {}: {error:?}", sample.name, locale.tag());
            });
            all.push((format!("{} in {}", sample.name, locale.tag()), locale, html));
        }
    }
    all
}

/// The values of an attribute, in order.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    html.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// The tags of that name with their attributes.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("<{name}");
    let opened = html.split(&start).skip(1).filter(|rest| rest.starts_with([' ', '>']));
    opened.map(|rest| rest.split('>').next().unwrap()).collect()
}

fn render(page: &Page) -> Result<String, LookError> {
    let site = test_site("reader", SiteKind::Reader);
    let frame = Frame { site: &site, locale: Locale::English, here: "/", token: "proof", person: None };
    Pages::parse().unwrap().render(&frame, page)
}

fn login(notice: Notice) -> Page {
    Page::Login {
        email: String::new(),
        redirect_to: String::new(),
        register: true,
        sign_up: None,
        notice: Some(notice),
    }
}

fn title(html: &str) -> &str {
    html.split("<title>").nth(1).unwrap().split('<').next().unwrap()
}

#[test]
fn languages_have_the_same_keys_and_placeholders() {
    for (locale, (file, _)) in Locale::ALL.iter().zip(WORDS) {
        assert_eq!(file, format!("locales/{}.toml", locale.tag()));
    }
    assert_complete(&Pages::parse().unwrap().words);
}

#[test]
fn no_phrase_of_a_page_lies_unused() {
    let pages = Pages::parse().unwrap();
    let template = |name: &str| FILES.iter().find(|(file, _)| *file == format!("{name}.html"));
    let (_, parts) = template("parts").unwrap();
    // Of failures the page's values choose the phrase, and the layout's are used by all.
    let is_own = |section: &&String| !matches!(section.as_str(), "errors" | "layout");
    for (section, phrases) in pages.words.of(Locale::English).iter().filter(|(section, _)| is_own(section)) {
        let Some((_, template)) = template(section) else { continue };
        for key in phrases.keys().filter(|key| *key != "title") {
            let name = format!("words.{key}");
            let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let is_used = |text: &str| text.split(&name).skip(1).any(ends);
            assert!(is_used(template) || is_used(parts), "{section}.{key}");
        }
    }
}

#[test]
fn a_page_has_a_language_a_title_one_heading_and_its_landmarks() {
    let pages = Pages::parse().unwrap();
    for (name, locale, html) in all() {
        assert!(html.starts_with("<!doctype html>\n<html lang=\""), "{name}");
        assert_eq!(values(&html, "lang")[0], locale.tag(), "{name}");
        assert_eq!(tags(&html, "h1").len(), 1, "{name}");
        for landmark in ["header", "main", "footer"] {
            assert_eq!(tags(&html, landmark).len(), 1, "{name}: {landmark}");
        }
        assert!(title(&html).contains(" – Riverside"), "{name}");
        let is_wrong = html.contains("<div class=\"notice error\"") || html.contains("aria-invalid");
        let error = pages.words.of(locale)["layout"]["error_title"].replace("{title}", "");
        let says_so = title(&html).starts_with(&error);
        assert_eq!(is_wrong, says_so, "{name}: {}", title(&html));
        assert!(!html.contains("{{") && !html.contains("{%"), "{name}");
    }
}

#[test]
fn every_field_has_a_label_and_every_reference_a_target() {
    for (name, _, html) in all() {
        let ids = values(&html, "id");
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: {ids:?}");
        for reference in ["for", "aria-describedby", "aria-labelledby"] {
            for id in values(&html, reference).into_iter().flat_map(str::split_whitespace) {
                assert!(ids.contains(&id), "{name}: {reference}={id}");
            }
        }
        let labelled = values(&html, "for");
        let fields = ["input", "select", "textarea"].map(|tag| tags(&html, tag)).concat();
        for field in fields.into_iter().filter(|field| !field.contains("type=\"hidden\"")) {
            assert!(labelled.contains(&values(field, "id")[0]), "{name}: {field}");
        }
    }
}

#[test]
fn every_form_is_posted_to_the_site_with_its_proof() {
    for (name, _, html) in all() {
        for form in html.split("<form ").skip(1) {
            let form = form.split("</form>").next().unwrap();
            assert!(form.starts_with("method=\"post\" action=\"/"), "{name}: {form}");
            assert_eq!(form.matches("name=\"_token\" value=\"proof\"").count(), 1, "{name}");
            assert!(!form.contains("<form "), "{name}: a form in a form");
        }
        assert_eq!(html.matches("name=\"back\" value=\"/login?a=b&amp;c=d\"").count(), 1, "{name}");
    }
}

#[test]
fn a_page_runs_under_the_strictest_policy() {
    for (name, _, html) in all() {
        assert!(!html.contains(" style=") && !html.contains("<style"), "{name}");
        assert!(
            !html.contains("javascript:") && !html.contains("<base") && !html.contains("<iframe"),
            "{name}"
        );
        for script in html.split("<script").skip(1) {
            assert!(
                script.starts_with(" src=\"/doorcode/") && script.contains("\" defer></script>"),
                "{name}"
            );
        }
        for loaded in values(&html, "src")
            .into_iter()
            .chain(tags(&html, "link").into_iter().flat_map(|link| values(link, "href")))
        {
            assert!(loaded.starts_with("/doorcode/"), "{name} loads {loaded}");
        }
        // Attributes that are scripts: on, and a letter more.
        let handlers = html.split(" on").skip(1).filter(|rest| {
            let word = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap();
            !word.is_empty() && rest[word.len()..].starts_with("=\"")
        });
        assert_eq!(handlers.count(), 0, "{name}");
    }
}

#[test]
fn every_notice_of_the_handlers_has_its_words() {
    let plain = [
        "wrong_code",
        "expired_code",
        "too_many_tries",
        "site_budget",
        "mail_down",
        "unavailable",
        "banned",
        "code_resent",
        "saved",
        "stale",
        "signed_out",
        "session_ended",
        "others_ended",
        "email_taken",
        "email_same",
        "email_invalid",
        "email_changed",
        "half_done",
        "change_cancelled",
        "request_sent",
        "request_withdrawn",
        "request_exists",
        "library_unknown",
        "approved",
        "declined_request",
        "already_decided",
        "forbidden",
        "last_owner",
        "invitation_accepted",
        "invitation_declined",
        "invitation_wrong_address",
        "already_staff",
        "form_expired",
        "needs_sign_in",
        "other_address_note",
    ];
    for key in plain {
        assert!(
            render(&login(Notice::new(NoticeKind::Info, key))).unwrap().contains("role=\"status\""),
            "{key}"
        );
    }
    for key in ["too_soon", "client_limited"] {
        let notice = Notice::new(NoticeKind::Error, key).with("seconds", "43".to_owned());
        let html = render(&login(notice)).unwrap();
        assert!(html.contains("in 43 seconds.") && html.contains("role=\"alert\""), "{key}");
        assert!(render(&login(Notice::new(NoticeKind::Error, key))).is_err(), "{key} without its seconds");
    }
    let unknown = render(&login(Notice::new(NoticeKind::Info, "no_such"))).unwrap_err();
    assert_eq!(unknown.to_string(), "the pages have no phrase notices.no_such for these values");
}

#[test]
fn a_notice_about_a_field_stands_beside_it_and_names_it() {
    let html = render(&login(Notice::new(NoticeKind::Error, "email_invalid").at("email"))).unwrap();
    let field = tags(&html, "input").into_iter().find(|tag| tag.contains("id=\"email\"")).unwrap();
    assert!(field.contains("aria-invalid=\"true\"") && field.contains("aria-describedby=\"email-error\""));
    assert!(html.contains("id=\"email-error\" role=\"alert\"") && !html.contains("class=\"notice"));

    let notice = Notice::new(NoticeKind::Error, "invalid_value").at("display_name");
    let html = render(&Page::Welcome {
        form: ProfileForm::default(),
        redirect_to: String::new(),
        notice: Some(notice),
    })
    .unwrap();
    assert!(html.contains("<a href=\"#display_name\">“Name” cannot be saved like this."), "{html}");
    assert!(html.contains("aria-describedby=\"display_name-error display_name-hint\""), "{html}");
}

#[test]
fn a_site_shows_its_logo_or_its_initial() {
    let mut site = test_site("reader", SiteKind::Reader);
    let pages = Pages::parse().unwrap();
    let mut show = |logo| {
        site.look.logo = logo;
        let frame = Frame { site: &site, locale: Locale::English, here: "/", token: "proof", person: None };
        pages.render(&frame, &Page::ConfirmFailed).unwrap()
    };
    let initial = show(None);
    assert!(initial.contains("aria-hidden=\"true\">R</span>") && !initial.contains("<img"));
    let logo = show(Logo::parse(b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()));
    let image = tags(&logo, "img")[0];
    assert!(image.contains(" src=\"/doorcode/logo?v=") && image.contains(" alt=\"\""), "{image}");
    assert!(logo.contains("<link rel=\"icon\" href=\"/doorcode/logo?v="));
}

#[test]
fn a_wait_is_said_in_the_unit_that_fits() {
    let cases = [
        (1, "1 second"),
        (43, "43 seconds"),
        (60, "1 minute"),
        (61, "61 seconds"),
        (120, "2 minutes"),
        (121, "3 minutes"),
        (3600, "1 hour"),
        (3601, "61 minutes"),
        (7200, "2 hours"),
        (7201, "3 hours"),
        (86_400, "24 hours"),
    ];
    for (seconds, words) in cases {
        let page = Page::Failure { key: "too_many", retry_after: Some(seconds), request_id: String::new() };
        let html = render(&page).unwrap();
        assert!(html.contains(&format!("Try again in {words}.")), "{seconds}");
    }
}

#[test]
fn a_time_is_written_in_the_readers_way_and_for_machines() {
    let times: BTreeMap<_, _> = all()
        .into_iter()
        .filter(|(name, ..)| name.starts_with("invitation-bare"))
        .map(|(_, locale, html)| (locale.tag(), html))
        .collect();
    let english = "<time datetime=\"2026-01-09T15:25:00Z\">9 January 2026, 15:25\u{a0}UTC</time>";
    assert!(times["en"].contains(english));
    assert!(times["vi"].contains("15:25\u{a0}UTC, ngày 09/01/2026</time>"));
    assert!(times["es"].contains("09/01/2026, 15:25\u{a0}UTC</time>"));
    assert!(times["fr"].contains("09/01/2026 à 15:25\u{a0}UTC</time>"));
    assert!(times["de"].contains("09.01.2026, 15:25\u{a0}UTC</time>"));
}
