//! Every form a list may have, whole and broken.

use std::io::Write as _;

use serde_json::json;

use super::*;
use crate::domain::{ImportRules, Newcomer};

async fn records(content: &[u8]) -> Result<Vec<ImportRecord>, RosterError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let mut roster = Roster::open(file.path()).await?;
    let mut records = Vec::new();
    while let Some(record) = roster.next().await? {
        records.push(record);
    }
    assert_eq!(roster.progress(), (content.len() as u64, content.len() as u64));
    Ok(records)
}

async fn ids(content: &str) -> Vec<String> {
    let records = records(content.as_bytes()).await.unwrap();
    records.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn people_are_found_in_every_form() {
    for content in [
        "{\"id\":\"a\"}\n{\"id\":\"b\"}\n",
        "\u{feff}{\"id\":\"a\"}{\"id\":\"b\"}",
        "[{\"id\":\"a\"},{\"id\":\"b\"}]",
        "{\"users\":[{\"id\":\"a\"}],\"aud\":\"x\"}\n\n{\"aud\":\"x\",\"users\":[{\"id\":\"b\"}]}\n",
        "[{\"users\":[{\"id\":\"a\"}]},{\"users\":[]},{\"users\":[{\"id\":\"b\"}]}]",
        "id,email,email_confirmed_at\na,,\nb,x@example.org,2026-01-01 00:00:00+00\n",
        "\u{feff}instance_id,email,id,email_confirmed_at\r\n0,\"with\n\"\"quotes\"\"\",a,\r\n0,,b,\r\n",
    ] {
        assert_eq!(ids(content).await, ["a", "b"], "{content}");
    }
    assert!(ids("[]").await.is_empty());
}

#[tokio::test]
async fn a_broken_list_says_where_and_quotes_nothing() {
    for (content, record, part) in [
        (&b"{\"id\":\"a\"}\n{\"id\":\"secret"[..], 2, "ends too early"),
        (b"{\"id\":\"a\"}\n{\"id\":secret}", 2, "syntax"),
        (b"[{\"id\":\"a\"},\"secret\"]", 2, "neither a user"),
        (b"{\"users\":\"secret\"}", 1, "neither a user"),
        (b"id,email,email_confirmed_at\na,b,c\nsecret,d\n", 2, "2 fields"),
        (b"id,email,email_confirmed_at\na,\xff,c\n", 1, "UTF-8"),
    ] {
        let error = records(content).await.expect_err("broken");
        let text = error.to_string();
        assert!(matches!(error, RosterError::Form { record: at, .. } if at == record), "{text}");
        assert!(text.contains(part) && !text.contains("secret"), "{text}");
    }
    assert!(matches!(records(b" \n").await, Err(RosterError::Empty)));
    assert!(matches!(records(b"id,email\na,b\n").await, Err(RosterError::NoColumn("email_confirmed_at"))));
    let missing = Roster::open(Path::new("/nowhere/users.csv")).await.expect_err("not there");
    assert!(missing.to_string().contains("/nowhere/users.csv"), "{missing}");
}

#[tokio::test]
async fn what_is_written_reads_as_it_was() {
    let record = json!({
        "id": "6c4bacee-81ab-4743-b553-e19e35ca6c22",
        "email": "ada@example.org",
        "email_confirmed_at": "2026-01-02T03:04:05.678901Z",
        "raw_user_meta_data": {"display_name": "Ada \"\n, Lovelace", "n": [1, null, 2.5]},
        "raw_app_meta_data": {"provider": "email", "providers": ["email"]},
        "created_at": "2026-01-02T03:04:05Z",
        "locale": "vi",
    });
    let person = Newcomer::from_record(record.as_object().unwrap(), ImportRules::default()).unwrap();
    for format in [Format::JsonLines, Format::Csv] {
        let mut text = Vec::new();
        let mut list = RosterWriter::new(&mut text, format).unwrap();
        list.write(&person).unwrap();
        list.finish().unwrap();
        let read = records(&text).await.unwrap();
        let again = Newcomer::from_record(&read[0], ImportRules::default()).unwrap();
        assert_eq!(again, person, "{format:?}");
    }
}
