use std::sync::mpsc;

use super::*;
use crate::store::Put;

fn event(body: &str) -> NewEvent {
    NewEvent { stream: "a/b#1".to_owned(), kind: "k".to_owned(), version: 1, body: body.to_owned() }
}

fn delivery(key: &str, issue: Option<&str>) -> NewDelivery {
    NewDelivery {
        key: key.to_owned(),
        event: "issues".to_owned(),
        issue: issue.map(str::to_owned),
        received_ms: 1,
        payload: b"{}".to_vec(),
    }
}

fn put(store: &SqliteStore, delivery: NewDelivery) -> Put {
    let (answer, answered) = mpsc::channel();
    store.put_delivery(delivery, Box::new(move |result| answer.send(result).unwrap()));
    answered.recv().unwrap().unwrap()
}

#[test]
fn events_read_back_in_order_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/mosaic.db");
    let store = SqliteStore::open(&path).unwrap();
    let term = store.begin_term().unwrap();
    assert_eq!(store.append(term, 5, vec![event("1"), event("2")]).unwrap(), 2);
    drop(store);

    let store = SqliteStore::open(&path).unwrap();
    let bodies: Vec<String> =
        store.read_after(0, 10).unwrap().into_iter().map(|stored| stored.event.body).collect();
    assert_eq!(bodies, ["1", "2"]);
    assert_eq!(store.read_after(1, 10).unwrap()[0].seq, 2);
    assert_eq!(store.verify().unwrap().events, 2);
    assert_eq!(store.begin_term().unwrap(), term + 1);
}

#[test]
fn a_second_coordinator_is_told_who_holds_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mosaic.db");
    let _held = SqliteStore::open(&path).unwrap();
    let refused = SqliteStore::open(&path).unwrap_err();
    let StoreError::Held { holder, .. } = refused else { panic!("{refused}") };
    assert_eq!(holder, std::process::id().to_string());
}

#[test]
fn an_older_term_writes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("mosaic.db")).unwrap();
    let old = store.begin_term().unwrap();
    let new = store.begin_term().unwrap();
    assert!(matches!(store.append(old, 1, vec![event("x")]), Err(StoreError::TermOver { .. })));
    assert_eq!(store.append(new, 1, vec![event("y")]).unwrap(), 1);
}

#[test]
fn a_delivery_is_kept_once_and_stays_pending_until_marked() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("mosaic.db")).unwrap();
    assert_eq!(put(&store, delivery("d1", Some("a/b#1"))), Put::New);
    assert_eq!(put(&store, delivery("d1", Some("a/b#1"))), Put::Duplicate);
    assert_eq!(put(&store, delivery("d2", None)), Put::New);
    let pending = store.pending_deliveries().unwrap();
    assert_eq!(pending, [PendingDelivery { key: "d1".to_owned(), issue: "a/b#1".to_owned() }]);
    store.mark_deliveries(vec!["d1".to_owned()]).unwrap();
    assert!(store.pending_deliveries().unwrap().is_empty());
}

#[test]
fn many_deliveries_at_once_are_all_answered_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("mosaic.db")).unwrap();
    let (answer, answered) = mpsc::channel();
    for n in 0..500 {
        let answer = answer.clone();
        store.put_delivery(
            delivery(&format!("d{}", n % 250), Some("a/b#1")),
            Box::new(move |result| answer.send(result.unwrap()).unwrap()),
        );
    }
    drop(answer);
    let answers: Vec<Put> = answered.iter().collect();
    assert_eq!(answers.len(), 500);
    assert_eq!(answers.iter().filter(|put| **put == Put::New).count(), 250);
}

#[test]
fn a_flipped_byte_is_found_at_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mosaic.db");
    let store = SqliteStore::open(&path).unwrap();
    let term = store.begin_term().unwrap();
    store.append(term, 5, vec![event("one"), event("two"), event("three")]).unwrap();
    drop(store);
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE event SET body = 'twp' WHERE seq = 2", []).unwrap();
    drop(raw);
    let found = SqliteStore::open(&path).unwrap().verify().unwrap_err();
    assert!(matches!(found, StoreError::Damaged { seq: 2, .. }), "{found}");
}

#[test]
fn a_missing_event_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mosaic.db");
    let store = SqliteStore::open(&path).unwrap();
    let term = store.begin_term().unwrap();
    store.append(term, 5, vec![event("one"), event("two"), event("three")]).unwrap();
    drop(store);
    Connection::open(&path).unwrap().execute("DELETE FROM event WHERE seq = 2", []).unwrap();
    let found = SqliteStore::open(&path).unwrap().verify().unwrap_err();
    assert!(matches!(found, StoreError::Damaged { seq: 2, .. }), "{found}");
}

#[test]
fn a_snapshot_and_a_report_replace_the_ones_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("mosaic.db")).unwrap();
    assert_eq!(store.snapshot().unwrap(), None);
    store.save_snapshot(3, "a".to_owned()).unwrap();
    store.save_snapshot(4, "b".to_owned()).unwrap();
    assert_eq!(store.snapshot().unwrap(), Some((4, "b".to_owned())));
    store.put_report("t", "g", "1".to_owned()).unwrap();
    store.put_report("t", "g", "2".to_owned()).unwrap();
    assert_eq!(store.report("t", "g").unwrap().as_deref(), Some("2"));
    assert_eq!(store.report("t", "other").unwrap(), None);
}

#[test]
fn a_file_of_a_newer_build_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mosaic.db");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::NewerSchema { found: 99, .. })));
}

#[test]
fn a_path_that_is_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mosaic.db");
    std::fs::create_dir(&path).unwrap();
    let refused = SqliteStore::open(&path).unwrap_err();
    assert!(refused.to_string().contains("store.path"), "{refused}");
}
