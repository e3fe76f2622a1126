//! What every checkpoint store promises: one suite, run on each back end.

mod mysql_server;
mod place;

use migration::checkpoint::{CheckpointStore, Revision};
use place::Place;
use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof};
use proptest::test_runner::TestCaseError;
use std::collections::BTreeMap;

/// Runs each behaviour on each back end.
macro_rules! on_every_back_end {
    ($($behaviour:ident),* $(,)?) => {
        on_back_end!(memory: $($behaviour)*);
        on_back_end!(mysql: $($behaviour)*);
        on_back_end!(postgres: $($behaviour)*);
        on_back_end!(sqlite: $($behaviour)*);
    };
}

/// Runs each behaviour on one back end, in a place of its own.
macro_rules! on_back_end {
    ($back_end:ident: $($behaviour:ident)*) => {
        mod $back_end {
            $(#[tokio::test] async fn $behaviour() {
                super::$behaviour(crate::checkpoint_conformance::place::$back_end::place().await).await;
            })*
        }
    };
}

on_every_back_end! {
    an_absent_entry_is_none,
    a_value_is_seen_by_whoever_reads_later,
    a_put_happens_only_if_the_entry_is_what_was_expected,
    an_entry_put_anew_after_a_removal_has_another_revision,
    a_removal_happens_only_if_the_entry_is_what_was_expected,
    a_listing_is_in_key_order_and_goes_on_where_it_ended,
    a_listing_takes_a_prefix_literally,
    a_listing_of_keys_is_that_of_the_entries,
    a_log_is_numbered_from_one_without_gaps,
    lines_are_appended_all_or_none_and_only_at_the_expected_end,
    two_migrations_do_not_see_each_other,
    clearing_leaves_the_other_migration_alone,
    of_many_writers_that_expect_the_same_exactly_one_succeeds,
    many_appenders_lose_no_line,
    any_sequence_of_calls_ends_as_in_a_plain_map,
}

async fn an_absent_entry_is_none(place: Box<dyn Place>) {
    let store = place.open("m1").await;
    assert_eq!(store.get("a").await.unwrap(), None);
    assert!(!store.remove("a", Revision(1)).await.unwrap());
    assert_eq!(store.log_end("l").await.unwrap(), 0);
    assert_eq!(store.read_log("l", 0, 10).await.unwrap(), []);
    assert_eq!(store.list("", None, 10).await.unwrap(), []);
}

async fn a_value_is_seen_by_whoever_reads_later(place: Box<dyn Place>) {
    let (one, other) = (place.open("m1").await, place.open("m1").await);
    for value in [&b""[..], b"\0\xff not text", &[7; 100_000]] {
        let expected = one.get("a/b").await.unwrap().map(|entry| entry.revision);
        let revision = one.put("a/b", value, expected).await.unwrap().unwrap();
        let entry = other.get("a/b").await.unwrap().unwrap();
        assert_eq!((entry.value.as_slice(), entry.revision), (value, revision));
    }
}

async fn a_put_happens_only_if_the_entry_is_what_was_expected(place: Box<dyn Place>) {
    let store = place.open("m1").await;
    assert_eq!(store.put("a", b"0", Some(Revision(1))).await.unwrap(), None);
    let first = store.put("a", b"1", None).await.unwrap().unwrap();
    assert_eq!(store.put("a", b"2", None).await.unwrap(), None);
    let second = store.put("a", b"2", Some(first)).await.unwrap().unwrap();
    assert_ne!(first, second);
    assert_eq!(store.put("a", b"3", Some(first)).await.unwrap(), None);
    assert_eq!(store.get("a").await.unwrap().unwrap().value, b"2");
}

async fn an_entry_put_anew_after_a_removal_has_another_revision(place: Box<dyn Place>) {
    let store = place.open("m1").await;
    let before = store.put("a", b"1", None).await.unwrap().unwrap();
    assert!(store.remove("a", before).await.unwrap());
    let after = store.put("a", b"1", None).await.unwrap().unwrap();
    assert_ne!(before, after);
    assert_eq!(store.put("a", b"2", Some(before)).await.unwrap(), None);
}

async fn a_removal_happens_only_if_the_entry_is_what_was_expected(place: Box<dyn Place>) {
    let store = place.open("m1").await;
    let first = store.put("a", b"1", None).await.unwrap().unwrap();
    let second = store.put("a", b"2", Some(first)).await.unwrap().unwrap();
    assert!(!store.remove("a", first).await.unwrap());
    assert!(store.get("a").await.unwrap().is_some());
    assert!(store.remove("a", second).await.unwrap());
    assert!(!store.remove("a", second).await.unwrap());
    assert_eq!(store.get("a").await.unwrap(), None);
}

async fn a_listing_is_in_key_order_and_goes_on_where_it_ended(place: Box<dyn Place>) {
    let store = place.open("m1").await;
    for key in ["b/2", "a/1", "b/10", "b/1", "c"] {
        store.put(key, key.as_bytes(), None).await.unwrap();
    }
    let mut seen = Vec::new();
    while let Some((key, entry)) =
        store.list("b/", seen.last().map(String::as_str), 1).await.unwrap().pop()
    {
        assert_eq!(entry.value, key.as_bytes());
        seen.push(key);
    }
    assert_eq!(seen, ["b/1", "b/10", "b/2"]);
    assert_eq!(store.list("b/", None, 2).await.unwrap().len(), 2);
    assert_eq!(store.list("b/", Some("a"), 9).await.unwrap().len(), 3, "before the prefix");
    assert_eq!(store.list("b/", Some("c"), 9).await.unwrap().len(), 0, "behind the prefix");
    assert_eq!(store.list("", None, 9).await.unwrap().len(), 5);
}

async fn a_listing_takes_a_prefix_literally(place: Box<dyn Place>) {
    let store = place.open("m1").await;
    for key in ["a_1", "ab1", "a%1", "A_1", "a*1", "é1"] {
        store.put(key, b"", None).await.unwrap();
    }
    for (prefix, expected) in [("a_", "a_1"), ("a%", "a%1"), ("a*", "a*1"), ("é", "é1")] {
        let listed = store.list(prefix, None, 9).await.unwrap();
        assert_eq!(listed.iter().map(|(key, _)| key).collect::<Vec<_>>(), [expected]);
    }
}

async fn a_listing_of_keys_is_that_of_the_entries(place: Box<dyn Place>) {
    let store = place.open("m1").await;
    for key in ["a/1", "a_1", "a%1", "A/1", "a/10", "a/2", "é/1"] {
        store.put(key, &vec![7; 300_000], None).await.unwrap();
    }
    place.open("m2").await.put("a/3", b"", None).await.unwrap();
    for prefix in ["", "a", "a/", "a_", "a%", "A", "é", "b"] {
        for after in [None, Some("a"), Some("a/1"), Some("a/2"), Some("b")] {
            for limit in [1, 3, 9] {
                let listed = store.list(prefix, after, limit).await.unwrap();
                let keys: Vec<String> = listed.into_iter().map(|(key, _)| key).collect();
                let found = store.list_keys(prefix, after, limit).await.unwrap();
                assert_eq!(found, keys, "{prefix} {after:?} {limit}");
            }
        }
    }
}

async fn a_log_is_numbered_from_one_without_gaps(place: Box<dyn Place>) {
    let store = place.open("m1").await;
    let lines = [b"a".to_vec(), b"b".to_vec()];
    assert_eq!(store.append("l", &lines, None).await.unwrap(), Some(2));
    assert_eq!(store.append("l", &[b"c".to_vec()], None).await.unwrap(), Some(3));
    assert_eq!(store.append("l", &[], None).await.unwrap(), Some(3));
    assert_eq!(store.append("other", &[b"x".to_vec()], None).await.unwrap(), Some(1));
    let read = store.read_log("l", 1, 9).await.unwrap();
    let read: Vec<_> = read.iter().map(|line| (line.number, line.value.as_slice())).collect();
    assert_eq!(read, [(2, &b"b"[..]), (3, b"c")]);
    assert_eq!(store.read_log("l", 0, 1).await.unwrap().len(), 1);
    assert_eq!(store.read_log("l", 3, 9).await.unwrap(), []);
}

async fn lines_are_appended_all_or_none_and_only_at_the_expected_end(place: Box<dyn Place>) {
    let store = place.open("m1").await;
    let two = [b"a".to_vec(), b"b".to_vec()];
    assert_eq!(store.append("l", &two, Some(1)).await.unwrap(), None);
    assert_eq!(store.append("l", &two, Some(0)).await.unwrap(), Some(2));
    assert_eq!(store.append("l", &two, Some(0)).await.unwrap(), None);
    assert_eq!(store.append("l", &two, Some(2)).await.unwrap(), Some(4));
    assert_eq!(store.log_end("l").await.unwrap(), 4);
}

async fn two_migrations_do_not_see_each_other(place: Box<dyn Place>) {
    let (one, other) = (place.open("m1").await, place.open("m2").await);
    let revision = one.put("a", b"1", None).await.unwrap().unwrap();
    one.append("l", &[b"x".to_vec()], None).await.unwrap();
    assert_eq!(other.get("a").await.unwrap(), None);
    assert!(!other.remove("a", revision).await.unwrap());
    assert_eq!(other.list("", None, 9).await.unwrap(), []);
    assert_eq!(other.log_end("l").await.unwrap(), 0);
    assert!(other.put("a", b"2", None).await.unwrap().is_some());
    assert_eq!(one.get("a").await.unwrap().unwrap().value, b"1");
}

async fn clearing_leaves_the_other_migration_alone(place: Box<dyn Place>) {
    // One id begins with the other: neither may be taken for a part of it.
    let (one, other) = (place.open("m1").await, place.open("m10").await);
    for store in [&one, &other] {
        store.put("a", b"1", None).await.unwrap();
        store.append("l", &[b"x".to_vec()], None).await.unwrap();
    }
    one.clear().await.unwrap();
    assert_eq!(one.list("", None, 9).await.unwrap(), []);
    assert_eq!(one.log_end("l").await.unwrap(), 0);
    assert!(other.get("a").await.unwrap().is_some());
    assert_eq!(other.log_end("l").await.unwrap(), 1);
}

async fn of_many_writers_that_expect_the_same_exactly_one_succeeds(place: Box<dyn Place>) {
    let first = place.open("m1").await.put("a", b"", None).await.unwrap();
    let mut writing = Vec::new();
    for writer in 0_u8..8 {
        let store = place.open("m1").await;
        writing.push(tokio::spawn(async move { store.put("a", &[writer], first).await.unwrap() }));
    }
    let done = futures::future::join_all(writing).await;
    assert_eq!(done.into_iter().filter(|result| result.as_ref().unwrap().is_some()).count(), 1);
}

async fn many_appenders_lose_no_line(place: Box<dyn Place>) {
    const LINES: u8 = 25;
    let mut writing = Vec::new();
    for writer in 0_u8..4 {
        let store = place.open("m1").await;
        writing.push(tokio::spawn(async move {
            for line in 0..LINES {
                store.append("l", &[vec![writer, line]], None).await.unwrap().unwrap();
            }
        }));
    }
    for written in futures::future::join_all(writing).await {
        written.unwrap();
    }
    let lines = place.open("m1").await.read_log("l", 0, 1_000).await.unwrap();
    assert!(lines.iter().map(|line| line.number).eq(1..=100));
    for writer in 0_u8..4 {
        let of_writer = lines.iter().filter(|line| line.value[0] == writer);
        assert!(of_writer.map(|line| line.value[1]).eq(0..LINES), "in its writer's order");
    }
}

/// A call, with keys from a small set so that they meet.
#[derive(Debug, Clone)]
enum Call {
    Put { key: &'static str, value: Vec<u8>, expects_right: bool },
    Remove { key: &'static str, expects_right: bool },
    Append { lines: Vec<Vec<u8>>, expects: Option<u64> },
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let key = prop::sample::select(vec!["a", "a/1", "b"]);
    let value = || prop::collection::vec(any::<u8>(), 0..4);
    let call =
        prop_oneof![
            (key.clone(), value(), any::<bool>())
                .prop_map(|(key, value, expects_right)| Call::Put { key, value, expects_right }),
            (key, any::<bool>())
                .prop_map(|(key, expects_right)| Call::Remove { key, expects_right }),
            (prop::collection::vec(value(), 0..3), prop::option::of(0_u64..5))
                .prop_map(|(lines, expects)| Call::Append { lines, expects }),
        ];
    prop::collection::vec(call, 0..20)
}

async fn any_sequence_of_calls_ends_as_in_a_plain_map(place: Box<dyn Place>) {
    // Each case is a migration of its own.
    let cases = std::sync::atomic::AtomicU32::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config {
        cases: 24,
        failure_persistence: None,
        ..<_>::default()
    });
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        runner
            .run(&calls(), |calls| {
                let case = cases.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let store = runtime.block_on(place.open(&format!("m{case}")));
                runtime.block_on(compare(&*store, calls))
            })
            .unwrap();
    })
    .await
    .unwrap();
}

async fn compare(store: &dyn CheckpointStore, calls: Vec<Call>) -> Result<(), TestCaseError> {
    let mut entries: BTreeMap<&str, (Vec<u8>, Revision)> = BTreeMap::new();
    let mut log: Vec<Vec<u8>> = Vec::new();
    for call in calls {
        match call {
            Call::Put { key, value, expects_right } => {
                let held = entries.get(key).map(|(_, revision)| *revision);
                let expected = if expects_right { held } else { Some(Revision(0)) };
                let put = store.put(key, &value, expected).await.unwrap();
                prop_assert_eq!(put.is_some(), expects_right);
                if let Some(revision) = put {
                    entries.insert(key, (value, revision));
                }
            }
            Call::Remove { key, expects_right } => {
                let held = entries.get(key).map(|(_, revision)| *revision);
                let expected = held.filter(|_| expects_right).unwrap_or(Revision(0));
                let removed = store.remove(key, expected).await.unwrap();
                prop_assert_eq!(removed, held.is_some() && expects_right);
                if removed {
                    entries.remove(key);
                }
            }
            Call::Append { lines, expects } => {
                let end = log.len() as u64;
                let appended = store.append("l", &lines, expects).await.unwrap();
                let accepted = expects.is_none_or(|expected| expected == end);
                prop_assert_eq!(appended, accepted.then_some(end + lines.len() as u64));
                if accepted {
                    log.extend(lines);
                }
            }
        }
    }
    let listed = store.list("", None, 99).await.unwrap();
    let listed = listed.into_iter().map(|(key, entry)| (key, (entry.value, entry.revision)));
    let expected = entries.into_iter().map(|(key, entry)| (key.to_owned(), entry));
    prop_assert_eq!(listed.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    let read = store.read_log("l", 0, 999).await.unwrap();
    prop_assert_eq!(read.into_iter().map(|line| line.value).collect::<Vec<_>>(), log);
    Ok(())
}
