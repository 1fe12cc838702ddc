//! Names of settings: what a key is called in the environment, which name a mistyped one comes nearest, and
//! whose values are never printed.

/// How a variable of ours begins. Two underscores, because Kubernetes gives every pod variables such as
/// `DOORCODE_PORT` for a service that is called doorcode.
pub(super) const PREFIX: &str = "DOORCODE__";

/// The environment variable of a setting: `codes.ttl_secs` is `DOORCODE__CODES__TTL_SECS`.
pub(super) fn variable(key: &str) -> String {
    format!("{}{}", PREFIX, key.replace('.', "__").to_ascii_uppercase())
}

/// Whether the value of `key` may be shown to whoever starts the server: no secret is, and no URL that can hold a password.
/// By how settings are called, so that a new one is not forgotten.
pub(super) fn is_printable(key: &str) -> bool {
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    match section {
        "secrets" => !matches!(name, "master" | "previous"),
        "database" | "redis" if name.ends_with("url") => false,
        _ => !name.ends_with("password"),
    }
}

/// A name that a variable can hold (no `-`) and that `__` cuts out of it in one way only.
pub(super) fn is_site_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(allowed)
        && !name.contains("__")
        && !name.ends_with('_')
}

/// How far a key is from a known one: edits (Levenshtein), except that leaving off the end counts as one.
pub(super) fn distance(key: &str, known: &str) -> usize {
    if key.contains('.') && !key.ends_with('.') && known.starts_with(key) {
        return 1;
    }
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for (i, a) in key.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in known.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[known.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_name_must_fit_into_a_variable() {
        assert!(["a", "kids", "kids_club2"].into_iter().all(is_site_name));
        assert!(!["", "Kids", "kids-club", "a__b", "a_", "1a", "ü"].into_iter().any(is_site_name));
        assert!(is_site_name(&"a".repeat(32)) && !is_site_name(&"a".repeat(33)));
    }

    #[test]
    fn a_setting_has_one_variable() {
        assert_eq!(variable("sites.kids_club.url"), "DOORCODE__SITES__KIDS_CLUB__URL");
    }

    #[test]
    fn distance_counts_edits_and_takes_a_beginning_for_nearly_the_whole() {
        assert_eq!(distance("codes.trys", "codes.tries"), 2);
        assert_eq!(distance("codes.ttl", "codes.ttl_secs"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
