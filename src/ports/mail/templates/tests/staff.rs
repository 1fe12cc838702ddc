//! What letters about the staff of a library make of the texts of people, whoever they are.

use super::*;

const LINK: &str = "https://library.example.org/x?token=t0k3n";

/// Every letter about the staff of a library, with a text of people in each place that takes one.
fn about_staff<'a>(
    library: &'a str,
    name: Option<&'a str>,
    message: Option<&'a str>,
    link: &'a str,
) -> Vec<Letter<'a>> {
    let expires_at = DateTime::UNIX_EPOCH;
    let requester_email = "ada@example.org";
    let decided = |approved, role| Letter::AccessDecided { library, approved, role, note: message, link };
    vec![
        Letter::Invitation { library, role: "owner", inviter: name, message, link, expires_at },
        Letter::AccessRequested { library, requester: name, requester_email, message, link },
        decided(true, Some("owner")),
        decided(false, None),
    ]
}

/// Those letters in every language.
fn render_texts(library: &str, name: Option<&str>, message: Option<&str>) -> Vec<RenderedMail> {
    let templates = Templates::parse().unwrap();
    let render = |letter| Locale::ALL.map(|locale| templates.render(&letter, locale, &SAMPLE_SITE).unwrap());
    about_staff(library, name, message, LINK).into_iter().flat_map(render).collect()
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
fn an_answer_says_yes_or_no_and_a_role_only_with_yes() {
    let templates = Templates::parse().unwrap();
    let text = |approved, role| {
        let letter = Letter::AccessDecided { library: "L", approved, role, note: None, link: LINK };
        templates.render(&letter, Locale::English, &SAMPLE_SITE).unwrap().text.replace('\n', " ")
    };
    assert!(text(true, Some("manager")).contains("staff of L as a manager. "));
    assert!(text(true, None).contains("approved. You now belong to the staff of L. "));
    assert!(text(false, None).contains("declined") && !text(false, None).contains("approved"));
    assert_eq!(text(false, Some("manager")), text(false, None));
}

#[test]
fn values_that_no_letter_about_staff_may_show_are_refused() {
    let templates = Templates::parse().unwrap();
    let refused = |letter: &Letter| templates.render(letter, Locale::English, &SAMPLE_SITE).is_err();
    for (library, link) in [
        ("", LINK),
        (" \u{202e}\n", LINK),
        ("L", ""),
        ("L", "/invitations/1"),
        ("L", "javascript:alert(1)"),
        ("L", "data:text/html,x"),
    ] {
        assert!(about_staff(library, None, None, link).iter().all(refused), "{library:?} {link:?}");
    }
    let asked_by = |requester_email| {
        let (requester, message) = (None, None);
        Letter::AccessRequested { library: "L", requester, requester_email, message, link: LINK }
    };
    assert!(!refused(&asked_by("a'{b}@example.org")));
    for email in
        ["", "ada", "@example.org", "a@", "a@b c", "a@b\r\nBcc: x@y", "a@b\u{202e}", &"a@b".repeat(85)]
    {
        assert!(refused(&asked_by(email)), "{email:?}");
    }
}
