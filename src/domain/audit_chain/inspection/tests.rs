use super::*;

fn keys(master: u8, older: &[u8]) -> KeyRing {
    KeyRing::new(&[master; 32], &older.iter().map(|byte| [*byte; 32]).collect::<Vec<_>>())
}

fn row(number: u128, action: AuditAction) -> ChainRow {
    let at = DateTime::from_timestamp_micros(1_795_220_476_000_000 + i64::try_from(number).unwrap());
    ChainRow {
        id: Uuid::from_u128(number),
        created_at: at.unwrap(),
        actor_kind: "user".to_owned(),
        action: action.as_str().to_owned(),
        site: Some("reader".to_owned()),
        actor_id: Some(Uuid::from_u128(100)),
        target_id: Some(Uuid::from_u128(100)),
        session_id: Some(Uuid::from_u128(200)),
        ip: Some("192.0.2.1".to_owned()),
        agent: Some("Lynx".to_owned()),
        lasting: r#"{"scope": "local"}"#.to_owned(),
        other: r#"{"fields": ["x"]}"#.to_owned(),
    }
}

type Signed = Vec<(ChainLink, Option<ChainRow>)>;

fn signed(keys: &KeyRing, rows: impl IntoIterator<Item = ChainRow>) -> Signed {
    let mut head = ChainHead::START;
    rows.into_iter()
        .map(|row| {
            let link = head.sign(keys, &row);
            head = ChainHead::behind(&link);
            (link, Some(row))
        })
        .collect()
}

fn ten(keys: &KeyRing) -> Signed {
    signed(keys, (1..=10).map(|number| row(number, AuditAction::Login)))
}

fn inspect(keys: &KeyRing, chain: &Signed, noted: Option<ChainHead>) -> AuditReport {
    let mut inspection = Inspection::new(keys, ChainHead::START, None, noted);
    for (link, row) in chain {
        inspection.look_at(link, row.as_ref());
    }
    inspection.finish()
}

fn found(report: &AuditReport) -> Vec<(FaultKind, Option<i64>)> {
    report.faults.iter().map(|fault| (fault.kind.clone(), fault.seq)).collect()
}

#[test]
fn what_was_signed_is_whole_also_after_the_master_was_changed_and_for_nobody_else() {
    let old = keys(1, &[]);
    let mut chain = ten(&old);
    let both = keys(2, &[1]);
    let next = ChainHead::behind(&chain[9].0).sign(&both, &row(11, AuditAction::Logout));
    chain.push((next, Some(row(11, AuditAction::Logout))));
    let report = inspect(&both, &chain, None);
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.rows, report.head.seq), (11, 11));
    assert_eq!(ChainHead::parse(&report.head.to_string()), Some(report.head));
    assert!(!inspect(&keys(3, &[]), &chain, None).is_whole());
    for text in ["", "1", "1:", "-1:00", "x:00", "1:zz"] {
        assert_eq!(ChainHead::parse(text), None, "{text}");
    }
}

/// A way to tamper with a row.
type Tamper = fn(&mut ChainRow);

#[test]
fn whatever_is_changed_in_a_row_is_found_and_nothing_else_is_blamed() {
    let keys = keys(1, &[]);
    let other = Some(Uuid::from_u128(7));
    let changes: [Tamper; 12] = [
        |row| row.action = "logout".to_owned(),
        |row| row.actor_kind = "operator".to_owned(),
        |row| row.site = None,
        |row| row.actor_id = Some(Uuid::from_u128(7)),
        |row| row.target_id = Some(Uuid::from_u128(7)),
        |row| row.session_id = None,
        |row| row.ip = Some("192.0.2.2".to_owned()),
        |row| row.agent = Some(String::new()),
        |row| row.lasting = "{}".to_owned(),
        |row| row.other = "{}".to_owned(),
        |row| row.ip = None,
        |row| row.created_at += chrono::TimeDelta::microseconds(1),
    ];
    assert!(other.is_some());
    for (place, change) in changes.iter().enumerate() {
        for at in [0, 4, 9] {
            let mut chain = ten(&keys);
            change(chain[at].1.as_mut().unwrap());
            let seq = i64::try_from(at).unwrap() + 1;
            let report = inspect(&keys, &chain, None);
            assert_eq!(found(&report), [(FaultKind::AlteredRow, Some(seq))], "change {place} at {seq}");
        }
    }
}

#[test]
fn removed_rows_removed_and_altered_links_and_a_cut_end_are_found() {
    let keys = keys(1, &[]);
    let whole = ten(&keys);
    let noted = ChainHead::behind(&whole[9].0);
    assert!(inspect(&keys, &whole, Some(noted)).is_whole());

    let mut chain = whole.clone();
    chain[3].1 = None;
    assert_eq!(found(&inspect(&keys, &chain, None)), [(FaultKind::RemovedRow, Some(4))]);

    let mut chain = whole.clone();
    chain.drain(3..5);
    assert_eq!(found(&inspect(&keys, &chain, None)), [(FaultKind::RemovedLinks(5), Some(4))]);

    let mut chain = whole.clone();
    chain[3].0.link[0] ^= 1;
    assert_eq!(found(&inspect(&keys, &chain, None)), [(FaultKind::AlteredLink, Some(4))]);

    let mut chain = whole.clone();
    chain[3].0.parts[0] ^= 1;
    assert_eq!(found(&inspect(&keys, &chain, None)), [(FaultKind::AlteredRow, Some(4))]);

    // The end is cut off: alone, that is not to be seen; with a head noted before, it is, also where others were signed since.
    let mut chain = whole.clone();
    chain.truncate(8);
    assert!(inspect(&keys, &chain, None).is_whole());
    assert_eq!(found(&inspect(&keys, &chain, Some(noted))), [(FaultKind::NoSuchHead, Some(10))]);
    let others = (1..=8).chain(21..=24).map(|number| row(number, AuditAction::Login));
    assert_eq!(
        found(&inspect(&keys, &signed(&keys, others), Some(noted))),
        [(FaultKind::OtherHead, Some(10))]
    );
}

#[test]
fn a_forgotten_account_and_cleared_addresses_leave_the_chain_whole_if_they_are_on_record() {
    let keys = keys(1, &[]);
    let mut record = row(11, AuditAction::PersonalDataForgotten);
    let month = month_of(record.created_at);
    record.other = format!(r#"{{"months": {{"{month}": 2}}}}"#);
    let mut cleared = row(12, AuditAction::AuditAddressesCleared);
    let before = row(3, AuditAction::Login).created_at;
    cleared.other = format!(r#"{{"before": "{}"}}"#, before.to_rfc3339());
    let rows = (1..=10).map(|number| row(number, AuditAction::Login)).chain([record, cleared]);
    let whole = signed(&keys, rows);
    let forget = |row: &mut ChainRow| {
        (row.actor_id, row.target_id, row.session_id, row.ip, row.agent) = (None, None, None, None, None);
        row.other = "{}".to_owned();
    };

    let mut chain = whole.clone();
    forget(chain[4].1.as_mut().unwrap());
    let report = inspect(&keys, &chain, None);
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.forgotten, 1);
    forget(chain[5].1.as_mut().unwrap());
    assert_eq!(found(&inspect(&keys, &chain, None)), [(FaultKind::BlankedNames(month), None)]);

    let mut chain = whole.clone();
    for place in [0, 1] {
        let row = chain[place].1.as_mut().unwrap();
        (row.ip, row.agent) = (None, None);
    }
    assert!(inspect(&keys, &chain, None).is_whole());
    chain[2].1.as_mut().unwrap().ip = None;
    assert_eq!(found(&inspect(&keys, &chain, None)), [(FaultKind::AlteredRow, Some(3))]);
}

#[test]
fn the_chain_begins_at_a_checkpoint_that_we_signed_and_nowhere_else() {
    let keys = keys(1, &[]);
    let chain = ten(&keys);
    let dropped_before = chain[6].0.event_at;
    let checkpoint = Checkpoint { head: ChainHead::behind(&chain[4].0), dropped_before };
    let mac = checkpoint.mac(&keys);
    let inspect = |checkpoint: &Checkpoint| {
        let mut inspection = Inspection::new(&keys, checkpoint.head, Some((checkpoint, &mac)), None);
        for (place, (link, row)) in chain.iter().enumerate().skip(5) {
            // The sixth was of a dropped month and came late.
            inspection.look_at(link, row.as_ref().filter(|_| place != 5));
        }
        inspection.finish()
    };
    let report = inspect(&checkpoint);
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.rows, report.dropped), (4, 1));
    let later = Checkpoint { dropped_before: chain[9].0.event_at, ..checkpoint };
    assert_eq!(found(&inspect(&later)), [(FaultKind::AlteredCheckpoint, None)]);
}
