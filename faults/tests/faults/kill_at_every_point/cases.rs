//! The commands that change something, each on a migration that is ready for it.

use super::case::{Case, End, Step};
use super::survives;

/// Changes before and after the kill.
const CHANGES: Step = Step::Change(120);

const SET_UP: Step = Step::Run("dual-write", &["set-up"]);

const VERIFY: Step = Step::Run("verify", &["run"]);

/// Nothing is copied or applied yet.
const BEGUN: &[Step] = &[SET_UP, CHANGES];

/// Everything is copied and applied.
const COPIED: &[Step] = &[SET_UP, CHANGES, Step::Finish];

/// Whoever starts a phase again may well run the set-up first.
const MORE: &[Step] = &[CHANGES, SET_UP];

/// One test for each, and the list of all.
macro_rules! cases {
    ($($test:ident: $case:expr;)*) => {
        /// Every case, by the name of its test.
        pub(crate) const CASES: &[(&str, Case)] = &[$((stringify!($test), $case)),*];

        $(
            #[tokio::test]
            async fn $test() {
                survives(stringify!($test)).await;
            }
        )*
    };
}

cases! {
    set_up_killed_anywhere_is_finished_by_the_next: Case {
        program: "dual-write", args: &["set-up"],
        before: &[], between: MORE, end: End::Agrees, code: 0,
    };
    set_up_anew_killed_anywhere_is_finished_by_the_next: Case {
        program: "dual-write", args: &["set-up", "--yes"],
        before: &[SET_UP, CHANGES, Step::Finish, Step::RestoreSource],
        between: &[CHANGES], end: End::AgreesOnceRepaired, code: 0,
    };
    dual_write_killed_anywhere_loses_and_repeats_nothing: Case {
        program: "dual-write", args: &["run", "--until-drained"],
        before: &[SET_UP, Step::Poison, CHANGES], between: MORE, end: End::Agrees, code: 0,
    };
    dual_write_killed_beside_a_copy_that_holds_locks_loses_and_repeats_nothing: Case {
        program: "dual-write", args: &["run", "--until-drained"],
        before: &[SET_UP, CHANGES, Step::HoldLock], between: MORE, end: End::Agrees, code: 0,
    };
    backfill_killed_anywhere_resumes_and_revives_nothing: Case {
        program: "backfill", args: &["run"],
        before: BEGUN, between: MORE, end: End::Agrees, code: 0,
    };
    a_sampled_backfill_killed_anywhere_leaves_no_trace_in_the_whole_one: Case {
        program: "backfill", args: &["run", "--sample", "20%"],
        before: BEGUN, between: MORE, end: End::Agrees, code: 0,
    };
    verify_killed_anywhere_finds_what_differs: Case {
        program: "verify", args: &["run"],
        before: &[SET_UP, CHANGES, Step::Finish, Step::Plant],
        between: &[CHANGES, Step::Finish], end: End::AgreesOnceRepaired, code: 3,
    };
    a_repair_killed_anywhere_is_finished_by_the_next: Case {
        program: "verify", args: &["repair", "--execute"],
        before: &[SET_UP, CHANGES, Step::Finish, Step::Plant, Step::Finds("verify", &["run"])],
        between: MORE, end: End::Agrees, code: 0,
    };
    a_purge_killed_anywhere_brings_nothing_back: Case {
        program: "dual-write", args: &["purge", "--yes"],
        before: COPIED, between: MORE, end: End::Agrees, code: 0,
    };
    a_replay_killed_anywhere_leaves_no_letter_and_no_difference: Case {
        program: "dual-write", args: &["dlq", "replay", "--all"],
        before: &[SET_UP, Step::Finish, Step::Poison, CHANGES, Step::Finish],
        between: MORE, end: End::NoLetter, code: 0,
    };
    a_trim_killed_anywhere_removes_nothing_that_is_needed: Case {
        program: "dual-write", args: &["outbox", "trim", "--yes"],
        before: COPIED, between: MORE, end: End::Agrees, code: 0,
    };
    a_promotion_killed_anywhere_is_finished_by_the_next: Case {
        program: "cutover", args: &["promote", "--to", "mirror", "--wait"],
        before: &[SET_UP, CHANGES, Step::Finish, VERIFY, Step::Beside("dual-write", &["run"])],
        between: &[], end: End::Agrees, code: 0,
    };
    the_big_red_switch_killed_anywhere_is_thrown_by_the_next: Case {
        program: "cutover", args: &["rollback", "--why", "a test"],
        before: COPIED, between: &[], end: End::Agrees, code: 0,
    };
    a_retry_killed_anywhere_is_finished_by_the_next: Case {
        program: "cutover", args: &["retry", "--yes"],
        before: &[SET_UP, CHANGES, Step::Finish, Step::Run("cutover", &["rollback", "--why", "a"])],
        between: &[], end: End::Agrees, code: 0,
    };
    the_clean_up_of_verify_killed_anywhere_is_finished_by_the_next: Case {
        program: "verify", args: &["cleanup", "--yes"],
        before: &[SET_UP, CHANGES, Step::Finish, VERIFY],
        between: &[], end: End::Removed, code: 0,
    };
    the_clean_up_of_backfill_killed_anywhere_is_finished_by_the_next: Case {
        program: "backfill", args: &["cleanup", "--yes"],
        before: COPIED, between: &[], end: End::Removed, code: 0,
    };
    the_clean_up_of_dual_write_killed_anywhere_is_finished_by_the_next: Case {
        program: "dual-write", args: &["cleanup", "--yes"],
        before: COPIED, between: &[], end: End::RemovedEverywhere, code: 0,
    };
    the_last_clean_up_killed_anywhere_is_finished_by_the_next: Case {
        program: "cutover", args: &["cleanup", "--confirm", "bed"],
        before: &[SET_UP, CHANGES, Step::Finish, Step::Run("cutover", &["rollback", "--why", "a"])],
        between: &[], end: End::RemovedEverywhere, code: 0,
    };
}
