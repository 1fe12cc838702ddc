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
    let changed = |change| Letter::StaffChanged { library, change, link };
    vec![
        Letter::Invitation { library, role: "owner", inviter: name, message, link, expires_at },
        Letter::AccessRequested { library, requester: name, requester_email, message, link },
        decided(true, Some("owner")),
        decided(false, None),
        changed(StaffChange::RoleChanged { from: "librarian", to: "owner" }),
        changed(StaffChange::Removed),
        changed(StaffChange::Suspended),
        changed(StaffChange::Granted { role: "owner" }),
        changed(StaffChange::Restored { role: "owner" }),
    ]
}

/// Those letters in every language, and whether each passes a message on.
fn render_texts(library: &str, name: Option<&str>, message: Option<&str>) -> Vec<(bool, RenderedMail)> {
    let templates = Templates::parse().unwrap();
    let mut mails = Vec::new();
    for letter in about_staff(library, name, message, LINK) {
        let passes_on = !matches!(letter, Letter::StaffChanged { .. });
        for locale in Locale::ALL {
            mails.push((passes_on, templates.render(&letter, locale, &SAMPLE_SITE).unwrap()));
        }
    }
    mails
}

#[test]
fn a_strangers_text_is_only_text() {
    const TEXT: &str =
        "<script>1</script>{{7*7}}{site}\r\nBcc: x@y.z\u{202e}\r\n\r\n<img src=x>\0\u{2066}\u{1b}[1m";
    const NAME: &str = "<script>1</script>{{7*7}}{site} Bcc: x@y.z <img src=x> [1m";
    const QUOTED: &str = "\n> <script>1</script>{{7*7}}{site}\n> Bcc: x@y.z\n>\n> <img src=x> [1m\n";
    const ESCAPED: &str =
        "&lt;script&gt;1&lt;/script&gt;{{7*7}}{site}<br>Bcc: x@y.z<br><br>&lt;img src=x&gt; [1m<";
    let bad = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2066}');
    for (passes_on, mail) in render_texts(TEXT, Some(TEXT), Some(TEXT)) {
        assert!(mail.subject.contains(NAME), "{}", mail.subject);
        assert!(!mail.subject.contains(char::is_control));
        assert_eq!(mail.text.contains(QUOTED), passes_on, "{}", mail.text);
        assert_eq!(mail.html.contains(ESCAPED), passes_on, "{}", mail.html);
        assert!(!mail.html.contains("<script") && !mail.html.contains("<img"));
        for part in [&mail.subject, &mail.text, &mail.html] {
            assert!(!part.contains(bad) && !part.contains("49"), "{part}");
        }
        assert_lines_are_short(&mail.text);
    }
}

#[test]
fn a_long_text_of_a_stranger_is_cut_and_cannot_push_ours_away() {
    // A letter of two bytes that no language of ours writes.
    let (long, tall) = ("ŵ".repeat(2000), "ŵ\n\n".repeat(1000));
    for text in [&long, &tall] {
        for (passes_on, mail) in render_texts(text, Some(text), Some(text)) {
            let quoted: Vec<_> = mail.text.lines().filter(|line| line.starts_with('>')).collect();
            assert!(quoted.len() <= 40, "{}", mail.text);
            assert!(quoted.concat().matches('ŵ').count() < 1000);
            assert_eq!((mail.text.contains('…'), mail.html.contains('…')), (passes_on, passes_on));
            assert!(mail.subject.matches('ŵ').count() <= 64 && mail.text.contains("\n--\n"));
            assert_lines_are_short(&mail.text);
        }
    }
}

#[test]
fn a_message_can_fake_no_line_of_ours() {
    let message = "one\r\n\r\n\r\n    two\n--\r\u{2028}Site: evil.example\n\n";
    for (passes_on, mail) in render_texts("L", None, Some(message)) {
        let quoted = "\n> one\n>\n> two\n> --\n> Site: evil.example\n\n";
        assert_eq!(mail.text.contains(quoted), passes_on, "{}", mail.text);
        assert_eq!(mail.html.contains(">one<br><br>two<br>--<br>Site: evil.example</div>"), passes_on);
    }
}

#[test]
fn a_text_of_nothing_counts_as_none() {
    let blank = "\u{202e} \r\n\t\u{200b}";
    let without = render_texts("L", None, None);
    for ((_, blank), (_, without)) in render_texts("L", Some(blank), Some(blank)).iter().zip(&without) {
        assert_eq!((&blank.text, &blank.html), (&without.text, &without.html));
    }
}

#[test]
fn a_link_stands_in_the_bodies_alone() {
    for (_, mail) in render_texts("L", None, None) {
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
    for (locale, phrase) in [
        (Locale::Spanish, "con el rol de bibliotecario/a."),
        (Locale::French, "en tant que bibliothécaire."),
        (Locale::German, "als Bibliothekar/-in ins Team"),
    ] {
        let text = text("librarian", locale).unwrap().replace('\n', " ");
        assert!(text.contains(phrase), "{text}");
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
fn a_change_says_what_is_different_and_a_role_by_its_name() {
    let templates = Templates::parse().unwrap();
    let render = |change, locale| {
        let letter = Letter::StaffChanged { library: "L", change, link: LINK };
        templates.render(&letter, locale, &SAMPLE_SITE).map(|mail| mail.text.replace('\n', " "))
    };
    let changed = |from, to| StaffChange::RoleChanged { from, to };
    for (change, english, vietnamese) in [
        (
            changed("owner", "volunteer"),
            "an owner, and now you are a volunteer.",
            "chủ sở hữu thành tình nguyện viên.",
        ),
        (StaffChange::Removed, "no longer on the staff of L", "không còn thuộc đội ngũ của L"),
        (StaffChange::Suspended, "suspended", "tạm ngưng"),
        (StaffChange::Granted { role: "librarian" }, "made you a librarian", "vai trò thủ thư"),
        (StaffChange::Restored { role: "librarian" }, "again as a librarian", "vai trò thủ thư"),
    ] {
        assert!(render(change, Locale::English).unwrap().contains(english));
        assert!(render(change, Locale::Vietnamese).unwrap().contains(vietnamese));
    }
    for change in [changed("x", "owner"), changed("owner", ""), StaffChange::Restored { role: "reader" }] {
        assert!(matches!(render(change, Locale::English), Err(TemplateError::Value("role"))), "{change:?}");
    }
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
