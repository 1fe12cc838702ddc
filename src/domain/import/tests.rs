//! Who is taken over, and who is not.

use serde_json::{Value, json};

use super::*;

const ID: &str = "6c4bacee-81ab-4743-b553-e19e35ca6c22";

/// A record that is in order, with some fields changed.
fn record(changes: Value) -> ImportRecord {
    let mut record = json!({
        "id": ID,
        "email": "Ada@Example.ORG",
        "email_confirmed_at": "2026-01-02T03:04:05.678901Z",
        "raw_user_meta_data": {"display_name": "Ada"},
        "raw_app_meta_data": {"provider": "email", "providers": ["email"], "plan": "gold"},
        "created_at": "2026-01-02 03:04:05.5+00",
    });
    let Value::Object(changes) = changes else { panic!("not an object") };
    let fields = record.as_object_mut().unwrap();
    fields.extend(changes);
    fields.clone()
}

fn decide(changes: Value) -> Result<Newcomer, LeftOut> {
    Newcomer::from_record(&record(changes), ImportRules::default())
}

fn outcome(changes: Value) -> (Outcome, Option<String>) {
    let left_out = decide(changes).expect_err("left out");
    (left_out.outcome, left_out.detail)
}

#[test]
fn a_person_comes_with_id_address_metadata_and_times() {
    let ada = decide(
        json!({"updated_at": "2026-02-02 09:04:05+05:30", "banned_until": "infinity", "locale": "fr"}),
    )
    .unwrap();
    assert_eq!(ada.id.0.to_string(), ID);
    assert_eq!(ada.email.as_str(), "ada@example.org");
    assert_eq!(ada.app_metadata["plan"], "gold");
    assert_eq!(ada.created_at.to_rfc3339(), "2026-01-02T03:04:05.500+00:00");
    assert_eq!(ada.updated_at.to_rfc3339(), "2026-02-02T03:34:05+00:00");
    assert_eq!(ada.banned_until.unwrap().to_rfc3339(), "9999-12-31T23:59:59+00:00");
    assert_eq!(ada.locale, Some(Locale::French));
    assert!(!ada.trimmed);
}

#[test]
fn csv_says_the_same_in_texts() {
    let ada = decide(json!({
        "raw_user_meta_data": "{\"display_name\": \"Ada\"}", "raw_app_meta_data": "", "is_anonymous": "f",
        "deleted_at": "", "banned_until": "", "phone": "",
    }))
    .unwrap();
    assert_eq!(ada.user_metadata["display_name"], "Ada");
    assert_eq!(ada.app_metadata["provider"], "email");
    assert_eq!(ada.banned_until, None);
}

#[test]
fn an_admin_api_names_the_metadata_otherwise() {
    let mut user = record(json!({"user_metadata": {"full_name": "A. L."}, "app_metadata": {"plan": "tin"}}));
    user.remove("raw_user_meta_data");
    user.remove("raw_app_meta_data");
    let ada = Newcomer::from_record(&user, ImportRules::default()).unwrap();
    assert_eq!(ada.user_metadata["full_name"], "A. L.");
    assert_eq!((&ada.app_metadata["plan"], &ada.app_metadata["provider"]), (&json!("tin"), &json!("email")));
}

#[test]
fn whoever_could_not_sign_in_or_did_not_prove_the_address_is_left_out() {
    assert_eq!(outcome(json!({"deleted_at": "2026-01-02T03:04:05Z"})), (Outcome::Deleted, None));
    assert_eq!(outcome(json!({"is_anonymous": true, "email": null})), (Outcome::Anonymous, None));
    assert_eq!(outcome(json!({"is_anonymous": "t"})), (Outcome::Anonymous, None));
    assert_eq!(outcome(json!({"email": null, "phone": "15551234567"})), (Outcome::NoAddress, None));
    assert_eq!(outcome(json!({"email": ""})), (Outcome::NoAddress, None));
    assert_eq!(outcome(json!({"email_confirmed_at": null})), (Outcome::Unconfirmed, None));
    let rules = ImportRules { unconfirmed: true, ..ImportRules::default() };
    let newcomer = Newcomer::from_record(&record(json!({"email_confirmed_at": null})), rules).unwrap();
    assert_eq!(newcomer.email_confirmed_at, None);
    let (kind, detail) = outcome(json!({"email": "ada@[127.0.0.1]"}));
    assert_eq!(kind, Outcome::AddressRefused);
    assert!(!detail.unwrap().contains("127"), "the address is not repeated");
}

#[test]
fn what_cannot_be_read_is_named_and_not_guessed() {
    for (changes, field) in [
        (json!({"id": "17"}), "id"),
        (json!({"id": null}), "id"),
        (json!({"id": 17}), "id"),
        (json!({"email": 17}), "email"),
        (json!({"email_confirmed_at": "yesterday"}), "email_confirmed_at"),
        (json!({"created_at": "2026-01-02 03:04:05"}), "created_at"),
        (json!({"banned_until": "2026-13-01T00:00:00Z"}), "banned_until"),
        (json!({"raw_user_meta_data": "{"}), "raw_user_meta_data"),
        (json!({"raw_user_meta_data": [1]}), "raw_user_meta_data"),
        (json!({"raw_app_meta_data": "7"}), "raw_app_meta_data"),
        (json!({"is_anonymous": "perhaps"}), "is_anonymous"),
    ] {
        assert_eq!(outcome(changes), (Outcome::Unreadable, Some(field.to_owned())), "{field}");
    }
}

#[test]
fn metadata_over_the_bounds_is_refused_or_made_to_fit_and_app_metadata_is_never_cut() {
    let large = json!({"display_name": "Ada\u{202e}", "essay": "x".repeat(3000), "note": "y".repeat(1500),
                       "deep": {"a": {"b": {"c": {"d": 1}}}}, "sub": ID});
    let refused = |changes| outcome(changes).1.unwrap();
    assert_eq!(refused(json!({"raw_user_meta_data": {"a": "x".repeat(3000)}})), "too_large");
    assert_eq!(refused(json!({"raw_user_meta_data": {"a": "\u{0}"}})), "unprintable");
    assert_eq!(refused(json!({"raw_user_meta_data": {"sub": "\u{1b}"}})), "unprintable");
    assert_eq!(refused(json!({"raw_user_meta_data": {"deep": [[[[1]]]]}})), "too_deep");
    let rules = ImportRules { trim_metadata: true, ..ImportRules::default() };
    let ada = Newcomer::from_record(&record(json!({"raw_user_meta_data": large})), rules).unwrap();
    assert!(ada.trimmed);
    assert_eq!(ada.user_metadata["display_name"], "Ada");
    assert_eq!(ada.user_metadata["deep"], json!({"a": {"b": {"c": {}}}}));
    assert_eq!(ada.user_metadata["sub"], ID);
    assert!(ada.user_metadata.contains_key("note") && !ada.user_metadata.contains_key("essay"));
    let app = json!({"raw_app_meta_data": {"a": "x".repeat(3000)}});
    let error = Newcomer::from_record(&record(app), rules).expect_err("never trimmed");
    assert_eq!(error.outcome, Outcome::AppMetadataRefused);
}

#[test]
fn nobody_comes_with_a_right_to_administer_unless_that_is_wanted() {
    let scoped = |word: &str| record(json!({"raw_app_meta_data": {"admin_scope": word, "plan": "tin"}}));
    let plain = Newcomer::from_record(&scoped("admin"), ImportRules::default()).unwrap();
    assert!(plain.demoted && !plain.app_metadata.contains_key("admin_scope"));
    assert_eq!(plain.app_metadata["plan"], "tin");
    let rules = ImportRules { administrators: true, ..ImportRules::default() };
    let kept = Newcomer::from_record(&scoped("admin"), rules).unwrap();
    assert!(!kept.demoted && kept.app_metadata["admin_scope"] == "admin");
    let refused = Newcomer::from_record(&scoped("root"), rules).expect_err("no such scope");
    assert_eq!(refused.outcome, Outcome::AppMetadataRefused);
}

#[test]
fn what_everybody_has_in_their_metadata_does_not_count_against_the_bound() {
    let note = "x".repeat(2030);
    let metadata = json!({"n": note, "sub": ID, "email": "ada@example.org", "email_verified": true});
    assert!(decide(json!({"raw_user_meta_data": metadata})).is_ok());
}

#[test]
fn tallies_add_up_and_survive_being_stored() {
    let mut first = Tally { records: 2, ..Tally::default() };
    first.add(Outcome::Imported);
    first.add(Outcome::IdTaken);
    let stored: Tally = serde_json::from_value(serde_json::to_value(&first).unwrap()).unwrap();
    let both = stored.plus(&first);
    assert_eq!((both.records, both.of(Outcome::Imported), both.of(Outcome::Deleted)), (4, 2, 0));
    let empty: Tally = serde_json::from_str("{}").unwrap();
    assert_eq!(empty, Tally::default());
}
