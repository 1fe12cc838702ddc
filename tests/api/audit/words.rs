//! The list of events is closed: what the statements and triggers write is on it.

use std::collections::BTreeSet;
use std::path::Path;

use doorcode::domain::AuditAction;

fn files(folder: &Path, extension: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|ext| ext == extension) {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The pieces of a list, split at commas outside of parentheses and quotes.
fn pieces(text: &str) -> Vec<String> {
    let (mut depth, mut quoted) = (0_i32, false);
    let mut out = vec![String::new()];
    for (place, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if !quoted && text[place..].starts_with(" from ") && depth == 0 {
            break;
        }
        if depth < 0 {
            break;
        }
        if letter == ',' && depth == 0 && !quoted {
            out.push(String::new());
        } else {
            out.last_mut().unwrap().push(letter);
        }
    }
    out
}

fn literals(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('\'').skip(1).step_by(2).map(str::to_owned)
}

/// The words that inserts into the log write as its action.
fn written(source: &str) -> Vec<String> {
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut words = Vec::new();
    for (_, rest) in
        source.match_indices("insert into auth.audit_log").map(|(at, word)| (at, &source[at + word.len()..]))
    {
        let Some((columns, rest)) = rest.trim_start().strip_prefix('(').and_then(|rest| rest.split_once(')'))
        else {
            continue;
        };
        let Some(place) = columns.split(',').position(|column| column.trim() == "action") else { continue };
        let rest = rest.trim_start();
        let values = rest
            .strip_prefix("values (")
            .or_else(|| rest.strip_prefix("values("))
            .or_else(|| rest.strip_prefix("select "))
            .unwrap_or_default();
        words.extend(literals(pieces(values).get(place).map_or("", String::as_str)));
    }
    words
}

#[test]
fn every_event_that_is_written_is_on_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    files(&root.join("src/ports/db"), "rs", &mut sources);
    files(&root.join("migrations"), "sql", &mut sources);
    let mut words: BTreeSet<String> = sources.iter().flat_map(|source| written(source)).collect();
    for known in
        ["login", "user_signedup", "logout", "service_key_made", "user_deleted", "personal_data_forgotten"]
    {
        assert!(words.contains(known), "{known} was not found among {words:?}");
    }
    // What triggers make of a noun and of what happened to it.
    let migrations = sources.join("\n");
    let nouns: BTreeSet<_> = migrations
        .split("auth.audit_change('")
        .skip(1)
        .filter_map(|rest| rest.split_once('\'').map(|(noun, _)| noun.to_owned()))
        .collect();
    assert!(nouns.contains("library") && nouns.contains("access_request"), "{nouns:?}");
    for noun in &nouns {
        let table = match noun.as_str() {
            "library" => "libraries_status_known".to_owned(),
            "staff" => "library_staff_status_known".to_owned(),
            noun => format!("library_{noun}s_status_known"),
        };
        let check = migrations
            .split(&format!("constraint {table} check ("))
            .nth(1)
            .unwrap_or_else(|| panic!("{table}"));
        let (statuses, _) = check.split_once("))").unwrap();
        words.extend(literals(statuses).map(|status| format!("{noun}_{status}")));
        words.extend(["added", "changed"].map(|what| format!("{noun}_{what}")));
    }
    words.extend(
        ["library_deleted", "staff_deleted", "profile_changed", "preferences_changed"].map(str::to_owned),
    );
    // And what the scripts of the code store tell.
    let mut scripts = Vec::new();
    files(&root.join("src/ports/codes"), "lua", &mut scripts);
    for script in &scripts {
        words.extend(
            script
                .split("note(")
                .skip(1)
                .flat_map(|call| literals(call.split('\n').next().unwrap_or_default()).take(1))
                .filter(|word| word.contains('_')),
        );
    }
    assert!(words.contains("code_asked") && words.contains("proof_refused"), "{words:?}");
    let unknown: Vec<_> = words.iter().filter(|word| AuditAction::parse(word).is_none()).collect();
    assert!(unknown.is_empty(), "not in domain::AuditAction: {unknown:?}");
}
