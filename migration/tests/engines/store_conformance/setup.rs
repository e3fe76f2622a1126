//! The set-up of an instance, and the clean-up.

use crate::store_conformance::bed::{
    Bed, PARTITION, SOURCE, applied, generation, key, position, put_edges, set,
};
use migration::error::ErrorKind;
use migration::protocol::{Claim, Progress, RangeState};
use migration::store::StartPosition;

fn start(partition: &str, at: u64) -> StartPosition {
    StartPosition { partition: partition.to_owned(), position: position(at) }
}

pub(crate) async fn nothing_is_there_before_the_set_up(bed: Bed) {
    assert!(!bed.target.is_set_up().await.unwrap());
    assert_eq!(bed.target.partition(PARTITION).await.unwrap(), None);
    assert_eq!(bed.target.range(SOURCE, None).await.unwrap(), None);
    assert_eq!(bed.target.ranges(SOURCE, None, 10).await.unwrap(), []);
    assert_eq!(bed.target.side_tables().await.unwrap(), []);
    let error = bed.target.claim_range(SOURCE, None, &generation(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    bed.set_up().await;
    assert!(bed.target.is_set_up().await.unwrap());
    let partition = bed.target.partition(PARTITION).await.unwrap().unwrap();
    assert_eq!((partition.start, partition.next), (position(0), position(0)));
    let range = bed.target.range(SOURCE, None).await.unwrap().unwrap();
    assert_eq!((range.after, range.until), (None, None));
    assert_eq!((range.state, range.progress), (RangeState::Open, Progress::Start));
}

pub(crate) async fn a_second_set_up_keeps_everything(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(("a", "x"), 1, "live")]).await, applied(1, 0, 0));
    bed.target.split_range(SOURCE, &key(("b", "x"))).await.unwrap();
    let partition = bed.target.partition(PARTITION).await.unwrap();
    let ranges = bed.target.ranges(SOURCE, None, 10).await.unwrap();

    bed.target.set_up(&[SOURCE], &[start(PARTITION, 77)]).await.unwrap();
    assert_eq!(bed.target.partition(PARTITION).await.unwrap(), partition);
    assert_eq!(bed.target.ranges(SOURCE, None, 10).await.unwrap(), ranges);
    assert!(bed.guard(("a", "x")).await.is_some());
}

pub(crate) async fn a_later_set_up_adds_what_lacks(bed: Bed) {
    bed.set_up().await;
    bed.target.set_up(&[SOURCE, "more"], &[start(PARTITION, 7), start("1", 9)]).await.unwrap();
    assert_eq!(bed.target.partition(PARTITION).await.unwrap().unwrap().start, position(0));
    assert_eq!(bed.target.partition("1").await.unwrap().unwrap().start, position(9));
    assert!(bed.target.range("more", None).await.unwrap().is_some());
}

pub(crate) async fn two_migrations_do_not_see_each_other(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(("a", "x"), 5, "live")]).await, applied(1, 0, 0));
    assert!(!bed.other.is_set_up().await.unwrap());
    assert_eq!(bed.other.partition(PARTITION).await.unwrap(), None);

    bed.other.set_up(&[SOURCE], &[start(PARTITION, 3)]).await.unwrap();
    assert_eq!(bed.other.partition(PARTITION).await.unwrap().unwrap().next, position(3));
    let claim = bed.other.claim_partition(PARTITION, &generation(1)).await.unwrap();
    assert_eq!(claim, Claim::Take);
    let table = &bed.followers().schema().table;
    assert_eq!(bed.other.guards(SOURCE, table, &[key(("a", "x"))]).await.unwrap(), [None]);

    bed.other.remove_side_tables().await.unwrap();
    assert!(!bed.other.is_set_up().await.unwrap());
    assert!(bed.guard(("a", "x")).await.is_some());
    assert_eq!(bed.live(1, &[set(("a", "x"), 6, "again")]).await, applied(1, 0, 0));
}

pub(crate) async fn side_tables_are_listed_and_removed(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(("a", "x"), 1, "live")]).await, applied(1, 0, 0));
    let tables = bed.target.side_tables().await.unwrap();
    let rows = |name: &str| tables.iter().find(|table| table.name == name).map(|table| table.rows);
    assert_eq!(rows("midflight_guard"), Some(2));
    assert_eq!(rows("midflight_partition"), Some(1));
    assert_eq!(rows("midflight_range"), Some(1));

    bed.target.remove_side_tables().await.unwrap();
    assert_eq!(bed.target.side_tables().await.unwrap(), []);
    assert!(!bed.target.is_set_up().await.unwrap());
    assert_eq!(bed.both().await.len(), 1, "the data stays");
    bed.target.remove_side_tables().await.unwrap();
    bed.set_up().await;
    assert!(bed.target.is_set_up().await.unwrap());
}

pub(crate) async fn two_stores_know_that_they_are_one_database(bed: Bed) {
    assert_eq!(bed.target.identity(), bed.other.identity());
    let elsewhere = Bed::over(crate::store_conformance::bed::memory::database().await).await;
    assert_ne!(bed.target.identity(), elsewhere.target.identity());
}

pub(crate) async fn a_target_with_records_is_not_empty(bed: Bed) {
    put_edges(&bed, &[(("a", "x"), None)]).await;
    assert!(bed.target.is_empty(bed.followers()).await.unwrap());
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(("a", "x"), 1, "live")]).await, applied(1, 0, 0));
    assert!(!bed.target.is_empty(bed.followers()).await.unwrap());
}
