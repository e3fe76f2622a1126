//! The points that the sources name are the points that the cases pass.

use super::{cases, hits};
use std::collections::BTreeSet;
use std::path::Path;

/// The crates whose code runs in the programs.
const CRATES: [&str; 5] = ["migration", "dual-write", "backfill", "verify", "cutover"];

/// How a point is written in the code.
const CALLS: [&str; 2] = ["fault::point(", "fault::fallible("];

/// Collects the names of the points in a folder of sources.
fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for call in CALLS {
                for (at, _) in text.match_indices(call) {
                    let rest = text[at + call.len()..].trim_start();
                    // What is not written out cannot be listed.
                    let name = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
                    let name = name.unwrap_or_else(|| panic!("a point of no name: {path:?}"));
                    names.insert(name.0.to_owned());
                }
            }
        }
    }
}

/// Where the points of Kafka begin: they are passed on real servers.
const KAFKA: &str = "kafka.";

/// No case has a message so large: `dead_letters` kills there.
const LARGE: &str = "dead-letter.part";

/// The points that the sources name: those of Kafka, or all others.
pub(crate) fn named(is_kafka: bool) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut named = BTreeSet::new();
    for name in CRATES {
        collect(&root.join(name).join("src"), &mut named);
    }
    assert!(named.len() > 40, "the sources are not where they are looked for: {named:?}");
    named.retain(|point| point != LARGE && point.starts_with(KAFKA) == is_kafka);
    named
}

#[tokio::test]
async fn every_point_in_the_sources_is_passed_by_some_case() {
    let named = named(false);
    let mut passed = BTreeSet::new();
    for index in 0..cases::CASES.len() {
        passed.extend(hits(index).await.iter().cloned());
    }
    let without_case: Vec<_> = named.difference(&passed).collect();
    assert!(without_case.is_empty(), "points that no case passes: {without_case:?}");
    assert_eq!(passed, named, "points that the sources do not name");
}
