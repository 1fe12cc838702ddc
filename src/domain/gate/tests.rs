//! Rules, paths and verdicts, and the table of tricks.

use rand::{RngExt as _, SeedableRng, rngs::StdRng};

use super::Verdict::{NotStaff, Pass, Refused, SignIn};
use super::target::{MAX_TARGET, decode};
use super::*;

fn gate(lines: &[&str]) -> Gate {
    Gate::new(
        lines
            .iter()
            .map(|line| Rule::parse(line).unwrap_or_else(|error| panic!("{line}: {error}")))
            .collect(),
    )
}

fn target(path: &str) -> Target {
    Target::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn demand(lines: &[&str], path: &str) -> Demand {
    gate(lines).required(&target(path)).demand
}

#[test]
fn a_line_is_a_demand_and_a_pattern_and_is_written_as_it_was_read() {
    for line in [
        "public /",
        "public /**",
        "signed_in /profile/**",
        "staff /reports/*",
        "library /libraries/{library}/**",
        "permission:manage_staff /libraries/{library}/staff",
        "permission:view_reports /reports/**",
        "signed_in /thư-viện/*/x.y_z~1",
    ] {
        assert_eq!(Rule::parse(line).map(|rule| rule.to_string()).as_deref(), Ok(line));
    }
    assert_eq!(Rule::parse("  public \t /a ").map(|rule| rule.to_string()).as_deref(), Ok("public /a"));
}

#[test]
fn what_is_no_rule_is_told_by_what_one_is() {
    for (line, error) in [
        ("", RuleError::Form),
        ("public", RuleError::Form),
        ("public /a /b", RuleError::Form),
        ("Public /a", RuleError::Demand),
        ("admin /a", RuleError::Demand),
        ("permission: /a", RuleError::Demand),
        ("permission:everything /a", RuleError::Demand),
        ("library /a", RuleError::NoLibrary),
        ("library /a/*", RuleError::NoLibrary),
    ] {
        assert_eq!(Rule::parse(line), Err(error), "{line}");
    }
    for pattern in [
        "a",
        "**",
        "/a/",
        "//",
        "/a//b",
        "/a/../b",
        "/.",
        "/a*",
        "/**/a",
        "/a**",
        "/***",
        "/{library}/{library}",
        "/{code}",
        "/x{library}",
        "/a%20b",
        "/a;b",
        "/a?b",
        "/a#b",
        "/a\\b",
    ] {
        assert_eq!(Rule::parse(&format!("public {pattern}")), Err(RuleError::Pattern), "{pattern}");
    }
}

#[test]
fn the_first_rule_that_matches_decides_and_without_one_a_session_is_needed() {
    let lines = ["public /a/b", "signed_in /a/*", "staff /a/**", "public /z"];
    for (path, wanted) in [
        ("/a/b", Demand::Public),
        ("/a/b/", Demand::Public),
        ("/a/c", Demand::SignedIn),
        ("/a/c/d", Demand::Staff),
        ("/a", Demand::Staff),
        ("/a/", Demand::Staff),
        ("/z?a=/a/b", Demand::Public),
        ("/z/y", Demand::SignedIn),
        ("/", Demand::SignedIn),
        ("/ab", Demand::SignedIn),
        ("/A/B", Demand::SignedIn),
    ] {
        assert_eq!(demand(&lines, path), wanted, "{path}");
    }
    assert_eq!(demand(&["public /"], "/"), Demand::Public);
    assert_eq!(demand(&["public /"], "/?x"), Demand::Public);
    assert_eq!(demand(&["public /"], "/x"), Demand::SignedIn);
    assert_eq!(demand(&["public /**"], "/"), Demand::Public);
    assert_eq!(demand(&[], "/"), Demand::SignedIn);
}

#[test]
fn a_path_is_matched_as_it_reads_once_decoded() {
    let lines = ["staff /thư-viện/*", "public /**"];
    for path in ["/th%C6%B0-vi%E1%BB%87n/x", "/th%c6%b0-vi%e1%bb%87n/%78", "/thư-viện/x", "/%74hư-viện/x/"]
    {
        assert_eq!(demand(&lines, path), Demand::Staff, "{path}");
    }
    for open in [
        "/100%25",
        "/a%20b",
        "/a+b",
        "/a:b@c,d=e!$&'()*",
        "/...a",
        "/.well-known/x",
        "/a..b",
        "/x?..//;\\%2f",
    ] {
        assert_eq!(demand(&lines, open), Demand::Public, "{open}");
    }
}

#[test]
fn the_library_of_a_path_is_the_segment_in_its_place() {
    let gate = gate(&["library /libraries/{library}/**"]);
    assert_eq!(gate.required(&target("/libraries/north")).library, Some("north"));
    assert_eq!(gate.required(&target("/libraries/no%72th/staff/1")).library, Some("north"));
    assert_eq!(gate.required(&target("/elsewhere/north")).library, None);
}

/// Spellings of `/admin` and of ways to it that some proxy or application somewhere takes for it.
const TRICKS: &[&str] = &[
    "//admin",
    "///admin",
    "/admin//",
    "/public//admin",
    "//",
    "/./admin",
    "/admin/.",
    "/public/../admin",
    "/public/..",
    "/..",
    "/%2e%2e/admin",
    "/public/%2e%2e/admin",
    "/public/.%2E/admin",
    "/%2E/admin",
    "/public%2fadmin",
    "/public%2Fadmin",
    "/%2fadmin",
    "/public/..%2fadmin",
    "/public/%2e%2e%2fadmin",
    "/public\\admin",
    "/\\admin",
    "/public/..\\admin",
    "/public%5cadmin",
    "/public%5C..%5Cadmin",
    "/admin%00",
    "/admin%00.css",
    "/%00/admin",
    "/admin%0a",
    "/admin%0d%0ax",
    "/admin%09",
    "/admin%7f",
    "/admin;",
    "/admin;x=1",
    "/;/admin",
    "/public/..;/admin",
    "/public;/../admin",
    "/admin%3b",
    "/admin%3Bx=1",
    "/admin%3f",
    "/admin%3Fx",
    "/admin%23",
    "/admin#x",
    "/%61dmin%2f",
    "/%2561dmin",
    "/%25%36%31dmin",
    "/public/%252e%252e/admin",
    "/public%252fadmin",
    "/%c0%ae%c0%ae/admin",
    "/public/%c0%afadmin",
    "/%e0%80%afadmin",
    "/%ff/admin",
    "/adm%",
    "/adm%6",
    "/adm%zz",
    "/%u0061dmin",
    "/admin%20",
    "/%20admin",
    "/admin%c2%a0",
    "/public/.../admin",
    "/public/..%20/admin",
    "/public/.%20./admin",
    "/admin%E3%80%80",
];

#[test]
fn t16_no_other_spelling_of_a_path_gets_past_its_rule() {
    for trick in TRICKS {
        assert_eq!(Target::parse(trick), Err(TargetError::Ambiguous), "{trick}");
        let with_query = format!("{trick}?x=/public");
        assert!(
            trick.contains('#') || Target::parse(&with_query) == Err(TargetError::Ambiguous),
            "{with_query}"
        );
    }
    let long = format!("/{}", "a".repeat(MAX_TARGET));
    for none in ["", "admin", "*", "?/admin", "http://x/admin", "\\admin", "%2fadmin", " /admin", &long] {
        assert_eq!(Target::parse(none), Err(TargetError::NotAPath), "{none}");
    }
}

#[test]
fn whatever_is_read_is_read_alike_by_whoever_decodes_and_normalises_it_again() {
    const PIECES: [&str; 18] = [
        "/", "//", ".", "..", "%2e", "%2f", "%5c", "\\", ";", "%25", "2e", "2f", "a", "admin", "%61", "%00",
        "?", "%",
    ];
    let mut rng = StdRng::seed_from_u64(11);
    let mut read = 0;
    for _ in 0..20_000 {
        let length = rng.random_range(1..7);
        let path: String = (0..length).map(|_| PIECES[rng.random_range(0..PIECES.len())]).collect();
        let Ok(target) = Target::parse(&format!("/{path}")) else { continue };
        read += 1;
        let again = format!("/{}", target.segments.join("/"));
        let url = url::Url::parse("http://x").and_then(|base| base.join(&again)).expect("a URL");
        assert!(again.contains('%') || url.path() == again, "{path} reads as {again} and {}", url.path());
        for segment in &target.segments {
            assert!(
                decode(segment).is_none_or(|twice| twice == *segment),
                "{path}: {segment} decodes once more"
            );
        }
    }
    assert!(read > 1000, "{read}");
}

#[test]
fn each_demand_lets_through_whom_it_names() {
    let rights = |list: &[(&str, &[&str])]| {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        StaffRights(list.iter().map(|(code, permissions)| ((*code).to_owned(), names(permissions))).collect())
    };
    let nobody = rights(&[]);
    let volunteer = rights(&[("north", &["process_loans"])]);
    let powerless = rights(&[("north", &[])]);
    let both = rights(&[("north", &["process_loans"]), ("south", &["manage_staff"])]);
    // Nobody known, then a session: no staff, a volunteer of north, one without any permission, one at two libraries.
    for (demand, library, wanted) in [
        (Demand::Public, None, [Pass, Pass, Pass, Pass, Pass]),
        (Demand::SignedIn, None, [SignIn, Pass, Pass, Pass, Pass]),
        (Demand::Staff, None, [SignIn, NotStaff, Pass, Pass, Pass]),
        (Demand::Library, Some("north"), [SignIn, NotStaff, Pass, Pass, Pass]),
        (Demand::Library, Some("south"), [SignIn, NotStaff, Refused, Refused, Pass]),
        (Demand::Library, Some("North"), [SignIn, NotStaff, Refused, Refused, Refused]),
        (Demand::Permission("manage_staff"), Some("south"), [SignIn, NotStaff, Refused, Refused, Pass]),
        (Demand::Permission("manage_staff"), Some("north"), [SignIn, NotStaff, Refused, Refused, Refused]),
        (Demand::Permission("manage_staff"), None, [SignIn, NotStaff, Refused, Refused, Pass]),
        (Demand::Permission("process_loans"), Some("north"), [SignIn, NotStaff, Pass, Refused, Pass]),
    ] {
        let required = Required { demand, library };
        let callers = [None, Some(&nobody), Some(&volunteer), Some(&powerless), Some(&both)];
        assert_eq!(callers.map(|caller| required.judge(caller)), wanted, "{required:?}");
    }
}
