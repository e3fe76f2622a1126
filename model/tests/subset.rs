//! The part of the table that runs with every test.

use model::{
    Chores, Config, EQUAL_AT_REST, Expect, Faults, NOTHING_COMES_BACK, Part, configurations, run,
};

/// Parts without which the protocol is known to break.
const NEEDED: &[Part] = &[
    Part::Guard,
    Part::Tombstones,
    Part::AtomicTest,
    Part::EpochOfPurge,
    Part::GenerationFence,
    Part::StartBarrier,
    Part::PositionsInTarget,
    Part::LeaseTest,
    Part::NextMax,
    Part::ProgressTest,
    Part::BatchCount,
];

fn subset() -> Vec<Config> {
    configurations().into_iter().filter(|config| config.in_subset).collect()
}

#[test]
fn every_configuration_of_the_subset_ends_as_expected() {
    let surprises: Vec<String> = subset()
        .into_iter()
        .map(run)
        .filter(|outcome| outcome.surprise().is_some())
        .map(|outcome| outcome.to_string())
        .collect();
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn the_subset_breaks_the_protocol_by_each_part_it_needs() {
    let broken: Vec<Config> =
        subset().into_iter().filter(|config| config.expect != Expect::Pass).collect();
    for part in NEEDED {
        let tries = |config: &Config| config.without.contains(part);
        assert!(broken.iter().any(tries), "nothing in the subset breaks without {part:?}");
    }
}

#[test]
fn the_subset_holds_several_instances_a_lost_tail_and_a_purge() {
    let whole: Vec<Config> =
        subset().into_iter().filter(|config| config.without.is_empty()).collect();
    let has = |holds: fn(&Config) -> bool| whole.iter().any(holds);
    assert!(has(|config| config.instances > 1));
    assert!(has(|config| config.faults.lost_tail > 0));
    assert!(has(|config| config.chores.purges > 0));
    assert!(has(|config| config.faults.poison > 0));
    assert!(has(|config| config.wrong_target));
}

#[test]
fn names_tell_configurations_apart() {
    let mut names: Vec<&str> = configurations().iter().map(|config| config.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// The smallest world that breaks without tombstones, under an expectation of the test's choice.
fn without_tombstones(expect: Expect) -> Option<String> {
    let config = configurations().into_iter().find(|config| config.name == "no tombstones")?;
    run(Config { expect, ..config }).surprise()
}

#[test]
fn a_wrong_expectation_is_a_surprise() {
    assert_eq!(without_tombstones(Expect::Fail(NOTHING_COMES_BACK)), None);
    for wrong in [Expect::Pass, Expect::Stuck, Expect::Fail(EQUAL_AT_REST)] {
        assert!(without_tombstones(wrong).is_some(), "{wrong:?} was taken for right");
    }
}

#[test]
fn a_configuration_that_never_comes_to_rest_is_a_surprise() -> Result<(), &'static str> {
    let quiet = configurations()
        .into_iter()
        .find(|config| config.expect == Expect::Pass && config.in_subset)
        .ok_or("the subset has one that passes")?;
    let outcome = run(Config {
        instances: 1,
        change_count: 1,
        // Nobody copies anything.
        workers: 0,
        faults: Faults::default(),
        chores: Chores::default(),
        ..quiet
    });
    assert!(!outcome.witnessed);
    assert_eq!(outcome.search.stuck, outcome.search.states);
    assert!(outcome.surprise().is_some());
    Ok(())
}
