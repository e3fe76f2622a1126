//! Claims, splits and the end of ranges.

use crate::store_conformance::bed::{Bed, PARTITION, SOURCE, copied, generation, key};
use migration::error::ErrorKind;
use migration::key::Key;
use migration::protocol::{Claim, Finish, Kind, Progress, RangeState};
use migration::store::CopyOutcome;

const EDGE: (&str, &str) = ("m", "x");

pub(crate) async fn a_claim_has_to_be_higher_than_the_last(bed: Bed) {
    bed.set_up().await;
    let claim = |number: u64| {
        let target = std::sync::Arc::clone(&bed.target);
        async move { target.claim_range(SOURCE, None, &generation(number)).await.unwrap() }
    };
    assert_eq!(claim(3).await, Claim::Take);
    assert_eq!(claim(3).await, Claim::Held, "made again after a crash");
    assert_eq!(claim(2).await, Claim::Outbid { seen: 3 });
    let mut twin = generation(3);
    twin.owner.0 += 1;
    let claimed = bed.target.claim_range(SOURCE, None, &twin).await.unwrap();
    assert_eq!(claimed, Claim::Outbid { seen: 3 });
    let range = bed.target.range(SOURCE, None).await.unwrap().unwrap();
    assert_eq!((range.epoch, range.state), (generation(3), RangeState::Open));
}

pub(crate) async fn a_partition_is_claimed_like_a_range(bed: Bed) {
    bed.set_up().await;
    for (number, expected) in
        [(2, Claim::Take), (2, Claim::Held), (1, Claim::Outbid { seen: 2 }), (5, Claim::Take)]
    {
        let claim = bed.target.claim_partition(PARTITION, &generation(number)).await.unwrap();
        assert_eq!(claim, expected);
    }
    let partition = bed.target.partition(PARTITION).await.unwrap().unwrap();
    assert_eq!(partition.generation, generation(5));
    let error = bed.target.claim_partition("no such", &generation(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
}

pub(crate) async fn a_claim_of_a_range_that_is_not_there_is_refused(bed: Bed) {
    bed.set_up().await;
    let claim = bed.target.claim_range(SOURCE, Some(&key(EDGE)), &generation(1)).await;
    assert_eq!(claim.unwrap_err().kind(), ErrorKind::Refused);
    let claim = bed.target.claim_range("other", None, &generation(1)).await;
    assert_eq!(claim.unwrap_err().kind(), ErrorKind::Refused);
}

pub(crate) async fn the_parts_of_a_split_inherit_what_the_range_had(bed: Bed) {
    bed.claimed().await;
    let reached = Progress::After(key(("c", "x")));
    assert_eq!(bed.copy(0, &reached, &[("c", "x")]).await, copied(2, 0, 0));
    bed.target.split_range(SOURCE, &key(EDGE)).await.unwrap();
    bed.target.split_range(SOURCE, &key(("b", "x"))).await.unwrap();

    let ranges = bed.target.ranges(SOURCE, None, 10).await.unwrap();
    let bounds: Vec<(Option<Key>, Option<Key>)> =
        ranges.iter().map(|range| (range.after.clone(), range.until.clone())).collect();
    let (b, m) = (key(("b", "x")), key(EDGE));
    assert_eq!(
        bounds,
        [(None, Some(b.clone())), (Some(b), Some(m.clone())), (Some(m.clone()), None)]
    );
    let progress: Vec<&Progress> = ranges.iter().map(|range| &range.progress).collect();
    assert_eq!(progress, [&Progress::End, &reached, &Progress::Start]);
    assert!(ranges.iter().all(|range| range.state == RangeState::Copying && range.batches == 1));
    let numbers: Vec<u64> = ranges.iter().map(|range| range.epoch.number).collect();
    assert_eq!(numbers, [3, 3, 2]);
    assert_eq!(bed.target.range(SOURCE, Some(&m)).await.unwrap().as_ref(), ranges.last());
}

pub(crate) async fn a_split_fences_the_worker(bed: Bed) {
    bed.claimed().await;
    bed.target.split_range(SOURCE, &key(EDGE)).await.unwrap();
    assert_eq!(bed.copy(0, &Progress::End, &[("a", "x")]).await, CopyOutcome::Fenced);
    assert_eq!(bed.both().await, []);
}

pub(crate) async fn a_split_where_a_range_ends_does_nothing(bed: Bed) {
    bed.claimed().await;
    bed.target.split_range(SOURCE, &key(EDGE)).await.unwrap();
    let ranges = bed.target.ranges(SOURCE, None, 10).await.unwrap();
    bed.target.split_range(SOURCE, &key(EDGE)).await.unwrap();
    assert_eq!(bed.target.ranges(SOURCE, None, 10).await.unwrap(), ranges);
}

pub(crate) async fn ranges_are_listed_page_by_page(bed: Bed) {
    bed.set_up().await;
    for name in ["d", "b", "e", "a", "c"] {
        bed.target.split_range(SOURCE, &key((name, "x"))).await.unwrap();
    }
    let all = bed.target.ranges(SOURCE, None, 100).await.unwrap();
    assert_eq!(all.len(), 6);
    assert!(all.windows(2).all(|pair| pair[0].until == pair[1].after));
    let mut found = bed.target.ranges(SOURCE, None, 2).await.unwrap();
    while found.len() <= all.len() {
        let last = found.last().unwrap().after.clone();
        let page = bed.target.ranges(SOURCE, last.as_ref(), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, all);
}

pub(crate) async fn a_range_is_done_only_at_its_end_and_raises_its_epoch(bed: Bed) {
    bed.claimed().await;
    let finish = |number: u64, left: u64| {
        let target = std::sync::Arc::clone(&bed.target);
        async move { target.finish_range(SOURCE, None, &generation(number), left).await.unwrap() }
    };
    assert_eq!(finish(1, 0).await, Finish::NotAtEnd);
    assert_eq!(bed.copy(0, &Progress::End, &[EDGE]).await, copied(2, 0, 0));
    assert_eq!(finish(0, 1).await, Finish::Fenced);
    assert_eq!(finish(1, 0).await, Finish::LostTail);
    assert_eq!(finish(2, 1).await, Finish::LostTail);
    assert_eq!(finish(1, 1).await, Finish::Mark);
    assert_eq!(finish(1, 1).await, Finish::AlreadyDone);
    let range = bed.target.range(SOURCE, None).await.unwrap().unwrap();
    assert_eq!((range.state, range.epoch.number), (RangeState::Done, 2));
}

pub(crate) async fn a_range_with_a_dirty_record_is_not_done(bed: Bed) {
    bed.claimed().await;
    bed.plant(EDGE, Kind::Dirty, 4).await;
    assert_eq!(bed.copy(0, &Progress::End, &[]).await, copied(0, 0, 0));
    let finish = bed.target.finish_range(SOURCE, None, &generation(1), 1).await.unwrap();
    assert_eq!(finish, Finish::Dirty);
    bed.plant(EDGE, Kind::Present, 5).await;
    let finish = bed.target.finish_range(SOURCE, None, &generation(1), 1).await.unwrap();
    assert_eq!(finish, Finish::Mark);
}
