//! The rule as a table: keys and their times in, steps out.

use super::*;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const ROTATE: i64 = 90 * DAY;

/// Now, in Unix seconds; keys are dated by how long ago.
const NOW: i64 = 2_000_000_000;

fn ago(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(NOW - seconds, 0).unwrap()
}

fn rules() -> KeyRules {
    KeyRules {
        algorithm: TokenAlgorithm::Es256,
        rotate_every: Some(Duration::from_secs(90 * 86_400)),
        publish_ahead: Duration::from_secs(3600),
        token_life: Duration::from_secs(3600),
    }
}

/// A key of the site's algorithm, made so long ago.
fn key(kid: &str, state: KeyState, made: i64) -> SigningKey {
    SigningKey {
        kid: kid.to_owned(),
        site: "reader".to_owned(),
        algorithm: TokenAlgorithm::Es256,
        state,
        created_at: ago(made),
        activated_at: None,
        promote_at: None,
        retired_at: None,
        drop_at: None,
        token_life: Duration::from_secs(3600),
    }
}

fn active(kid: &str, since: i64) -> SigningKey {
    SigningKey { activated_at: Some(ago(since)), ..key(kid, KeyState::Active, since + HOUR) }
}

fn next(kid: &str, made: i64, due: i64) -> SigningKey {
    SigningKey { promote_at: Some(ago(due)), ..key(kid, KeyState::Next, made) }
}

fn retiring(kid: &str, over: i64) -> SigningKey {
    SigningKey { drop_at: Some(ago(over)), ..key(kid, KeyState::Retiring, 100 * DAY) }
}

fn rsa(key: SigningKey) -> SigningKey {
    SigningKey { algorithm: TokenAlgorithm::Rs256, ..key }
}

fn make_next(after: &str, signs_for: i64) -> KeyStep {
    KeyStep::MakeNext { after: after.to_owned(), signs_for: Duration::from_secs(signs_for.unsigned_abs()) }
}

fn promote(kid: &str) -> KeyStep {
    KeyStep::Promote(kid.to_owned())
}

fn retire(kid: &str) -> KeyStep {
    KeyStep::Retire(kid.to_owned())
}

fn drop_key(kid: &str) -> KeyStep {
    KeyStep::Drop(kid.to_owned())
}

#[test]
fn what_has_to_happen_to_the_keys_of_a_site() {
    let table: Vec<(&str, Vec<SigningKey>, Vec<KeyStep>)> = vec![
        ("an empty site", vec![], vec![KeyStep::MakeActive]),
        ("nothing signs any more", vec![retiring("a", -1)], vec![KeyStep::MakeActive]),
        (
            "nothing signs and the next key was just made",
            vec![next("b", 1, -HOUR)],
            vec![KeyStep::MakeActive],
        ),
        ("a young key", vec![active("a", DAY)], vec![]),
        ("a second before the next is wanted", vec![active("a", ROTATE - HOUR - 1)], vec![]),
        ("an hour before its end", vec![active("a", ROTATE - HOUR)], vec![make_next("a", ROTATE)]),
        ("long past its end", vec![active("a", 2 * ROTATE)], vec![make_next("a", ROTATE)]),
        ("the next waits", vec![active("a", ROTATE - 1), next("b", HOUR, -1)], vec![]),
        ("its time has come", vec![active("a", ROTATE), next("b", HOUR, 0)], vec![promote("b")]),
        ("its time has come, but it is too young", vec![active("a", ROTATE), next("b", HOUR - 1, 0)], vec![]),
        ("retiring, one second to go", vec![active("a", DAY), retiring("z", -1)], vec![]),
        ("its last token has died", vec![active("a", DAY), retiring("z", 0)], vec![drop_key("z")]),
        (
            "everything at once",
            vec![active("a", ROTATE), next("b", DAY, 1), retiring("z", 1)],
            vec![promote("b"), drop_key("z")],
        ),
        ("another algorithm was configured", vec![rsa(active("a", DAY))], vec![make_next("a", 0)]),
        ("its key is published", vec![rsa(active("a", DAY)), next("b", HOUR - 1, -1)], vec![]),
        ("its key has been seen", vec![rsa(active("a", DAY)), next("b", HOUR, 0)], vec![promote("b")]),
        ("both sign, since a moment ago", vec![rsa(active("a", DAY)), active("b", HOUR - 1)], vec![]),
        ("both sign, since long ago", vec![rsa(active("a", DAY)), active("b", HOUR)], vec![retire("a")]),
        (
            "the next of another algorithm may be another replica's wish",
            vec![active("a", DAY), rsa(next("b", DAY, DAY - 1))],
            vec![],
        ),
        (
            "a day later it was nobody's",
            vec![active("a", DAY), rsa(next("b", 2 * DAY, DAY))],
            vec![drop_key("b")],
        ),
    ];
    for (case, keys, steps) in table {
        assert_eq!(rules().steps(&keys, ago(0)), steps, "{case}");
    }
}

#[test]
fn without_a_period_a_key_signs_until_somebody_says_so() {
    let rules = KeyRules { rotate_every: None, ..rules() };
    assert_eq!(rules.steps(&[active("a", 1000 * DAY)], ago(0)), []);
    let keys = [active("a", 1000 * DAY), next("b", HOUR, 0)];
    assert_eq!(rules.steps(&keys, ago(0)), [promote("b")]);
}

#[test]
fn a_longer_life_of_tokens_is_noted_on_every_key_that_signs_and_a_shorter_one_on_none() {
    let keys = [active("a", DAY), rsa(active("b", DAY)), retiring("c", -1)];
    let longer = KeyRules { token_life: Duration::from_secs(3601), ..rules() };
    let noted = ["a", "b"].map(|kid| KeyStep::Prolong(kid.to_owned()));
    assert_eq!(longer.steps(&keys, ago(0))[..2], noted);
    let shorter = KeyRules { token_life: Duration::from_secs(300), ..rules() };
    assert_eq!(shorter.steps(&keys[..1], ago(0)), []);
}

#[test]
fn a_state_is_read_as_it_was_written() {
    for state in [KeyState::Next, KeyState::Active, KeyState::Retiring, KeyState::Gone] {
        assert_eq!(KeyState::parse(state.as_str()), Some(state));
    }
    assert_eq!(KeyState::parse("lost"), None);
}
