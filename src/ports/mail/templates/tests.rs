//! What every letter must hold, in every language and for a hostile site too.

use std::collections::BTreeMap;

use super::*;

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
        let Letter::SignInCode { code, .. } = letter else { continue };
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
    for (_, locale, brand, mail) in all() {
        for part in [&mail.text, &mail.html] {
            assert!(part.replace('\u{a0}', " ").contains("15:25 UTC"), "{part}");
            assert!(part.contains(if brand.name == HOSTILE.name { "site.example" } else { brand.name }));
        }
        assert!(mail.html.contains(&format!("<html lang=\"{}\"", locale.tag())));
        for loader in ["src=", "<link", "<img", "<script", "@import", "url(", "@font-face"] {
            assert!(!mail.html.contains(loader), "{loader}");
        }
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
fn the_sign_up_site_is_named_where_there_is_one() {
    for (letter, _, _, mail) in all() {
        let Letter::NoAccount { sign_up, .. } = letter else { continue };
        assert_eq!(mail.html.contains("href=\"https://read.example.org/\""), sign_up.is_some());
        assert_eq!(mail.text.contains("    https://read.example.org/\n"), sign_up.is_some());
    }
}

#[test]
fn languages_have_the_same_keys_and_placeholders_and_no_stray_accents() {
    let outline = |words: &Words| -> Vec<(String, Vec<String>)> {
        let phrases = words.iter().flat_map(|(section, phrases)| {
            phrases.iter().map(move |(key, phrase)| (format!("{section}.{key}"), phrase))
        });
        phrases
            .map(|(key, phrase)| {
                let names = phrase.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
                let mut names: Vec<_> = names.map(str::to_owned).collect();
                names.sort();
                (key, names)
            })
            .collect()
    };
    let templates = Templates::parse().unwrap();
    for locale in Locale::ALL {
        assert!(WORDS.iter().any(|(file, _)| *file == format!("locales/{}.toml", locale.tag())));
        let words = templates.words(locale);
        assert_eq!(outline(words), outline(templates.words(Locale::English)), "{}", locale.tag());
        // Composed letters only: some mail clients draw a combining accent beside its letter.
        let phrases = words.values().flat_map(BTreeMap::values);
        assert!(!phrases.clone().any(|phrase| phrase.contains(|c| matches!(c, '\u{300}'..='\u{36f}'))));
    }
}

#[test]
fn values_that_no_mail_may_show_are_refused() {
    let templates = Templates::parse().unwrap();
    let requested_at = DateTime::from_timestamp(1_767_367_500, 0).unwrap();
    let refused = |code, valid_for_minutes, link, url| {
        let letter = Letter::SignInCode { code, valid_for_minutes, requested_at, link };
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

const LINK: &str = "https://library.example.org/x?token=t0k3n";

/// Every letter that passes on what people wrote, with all of it in each place that takes any.
fn with_texts<'a>(library: &'a str, name: Option<&'a str>, message: Option<&'a str>) -> Vec<Letter<'a>> {
    let expires_at = DateTime::UNIX_EPOCH;
    vec![Letter::Invitation { library, role: "owner", inviter: name, message, link: LINK, expires_at }]
}

/// Those letters in every language.
fn render_texts(library: &str, name: Option<&str>, message: Option<&str>) -> Vec<RenderedMail> {
    let templates = Templates::parse().unwrap();
    let render = |letter| Locale::ALL.map(|locale| templates.render(&letter, locale, &SAMPLE_SITE).unwrap());
    with_texts(library, name, message).into_iter().flat_map(render).collect()
}

#[test]
fn a_strangers_text_is_only_text() {
    let text =
        "<script>1</script>{{7*7}}{site}\r\nBcc: x@y.example\u{202e}\r\n\r\n<img src=x>\0\u{2066}\u{1b}[1m";
    for mail in render_texts(text, Some(text), Some(text)) {
        let [subject, body, html] = [&mail.subject, &mail.text, &mail.html];
        assert!(
            subject.contains("<script>1</script>{{7*7}}{site} Bcc: x@y.example <img src=x> [1m"),
            "{subject}"
        );
        assert!(
            html.contains(
                "&lt;script&gt;1&lt;/script&gt;{{7*7}}{site}<br>Bcc: x@y.example<br><br>&lt;img src"
            )
        );
        assert!(
            body.contains("\n> <script>1</script>{{7*7}}{site}\n> Bcc: x@y.example\n>\n> <img src=x> [1m\n")
        );
        assert!(!subject.contains(char::is_control) && !html.contains("<script") && !html.contains("<img"));
        for part in [subject, body, html] {
            assert!(
                !part.contains(|c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2066}'))
            );
            assert!(!part.contains("49"), "{part}");
        }
        assert_lines_are_short(body);
    }
}

#[test]
fn a_long_text_of_a_stranger_is_cut_and_cannot_push_ours_away() {
    let (long, tall) = ("é".repeat(2000), "é\n\n".repeat(1000));
    for text in [&long, &tall] {
        for mail in render_texts(text, Some(text), Some(text)) {
            assert!(mail.subject.chars().count() < 64 + 50, "{}", mail.subject);
            assert_lines_are_short(&mail.text);
            assert!(mail.text.lines().filter(|line| line.starts_with('>')).count() <= 50, "{}", mail.text);
            assert!(mail.text.contains('…') && mail.html.contains('…') && mail.text.contains("\n--\n"));
            let quoted = mail.text.lines().filter(|line| line.starts_with('>'));
            assert!(quoted.flat_map(str::chars).filter(|c| *c == 'é').count() < 1000);
        }
    }
}

#[test]
fn a_message_can_fake_no_line_of_ours() {
    for mail in render_texts("L", None, Some("one\r\n\r\n\r\n    two\n--\r\u{2028}Site: evil.example\n\n")) {
        assert!(mail.text.contains("\n> one\n>\n> two\n> --\n> Site: evil.example\n\n"), "{}", mail.text);
        assert!(mail.html.contains(">one<br><br>two<br>--<br>Site: evil.example</div>"));
    }
}

#[test]
fn a_text_of_nothing_counts_as_none() {
    let blank = "\u{202e} \r\n\t\u{200b}";
    let without = render_texts("L", None, None);
    for (blank, without) in render_texts("L", Some(blank), Some(blank)).iter().zip(&without) {
        assert_eq!((&blank.text, &blank.html), (&without.text, &without.html));
    }
}

#[test]
fn a_link_stands_in_the_bodies_alone() {
    for mail in render_texts("L", None, None) {
        assert!(!mail.subject.contains("t0k3n"));
        assert_eq!(mail.text.matches(&format!("\n    {LINK}\n")).count(), 1, "{}", mail.text);
        assert_eq!(mail.html.matches(&format!("href=\"{LINK}\"")).count(), 2);
        assert_eq!(mail.html.matches(&format!(">{LINK}</a>")).count(), 1);
        assert!(mail.html.find("t0k3n").unwrap() > mail.html.find("&#847;").unwrap());
    }
}

#[test]
fn roles_are_words_of_the_readers_language() {
    let templates = Templates::parse().unwrap();
    let text = |role, locale| {
        let expires_at = DateTime::UNIX_EPOCH;
        let letter =
            Letter::Invitation { library: "L", role, inviter: None, message: None, link: LINK, expires_at };
        templates.render(&letter, locale, &SAMPLE_SITE).map(|mail| mail.text)
    };
    let roles = [("owner", "chủ sở hữu"), ("manager", "quản lý"), ("librarian", "thủ thư")];
    for (role, vietnamese) in roles.into_iter().chain([("volunteer", "tình nguyện viên")]) {
        assert!(text(role, Locale::English).unwrap().contains(&format!(" {role}.")));
        let text = text(role, Locale::Vietnamese).unwrap().replace('\n', " ");
        assert!(text.contains(&format!("vai trò {vietnamese}.")) && !text.contains(role), "{text}");
    }
    for role in ["", "Owner", "admin", "owner\n", "{role}"] {
        assert!(matches!(text(role, Locale::English), Err(TemplateError::Value("role"))), "{role:?}");
    }
}

#[test]
fn a_library_without_a_name_and_a_link_to_no_page_are_refused() {
    let templates = Templates::parse().unwrap();
    let refused = |library, link| {
        let mut letters = with_texts(library, None, None);
        for letter in &mut letters {
            match letter {
                Letter::Invitation { link: old, .. } => *old = link,
                Letter::SignInCode { .. } | Letter::NoAccount { .. } => unreachable!(),
            }
        }
        letters.iter().all(|letter| templates.render(letter, Locale::English, &SAMPLE_SITE).is_err())
    };
    assert!(refused("", LINK) && refused(" \u{202e}\n", LINK));
    for link in ["", "/invitations/1", "javascript:alert(1)", "data:text/html,x"] {
        assert!(refused("L", link), "{link:?}");
    }
}
