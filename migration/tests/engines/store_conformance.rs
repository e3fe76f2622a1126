//! What every store and every target promises, on every engine with transactions.

mod bed;
mod copy;
mod live;
mod purge;
mod ranges;
mod reads;
mod repair;
mod setup;

/// Runs each test on each engine.
macro_rules! on_every_engine {
    ($($group:ident: $($test:ident)*;)*) => {
        on_engine!(memory $($group $($test)*;)*);
        on_engine!(mysql $($group $($test)*;)*);
        on_engine!(postgres $($group $($test)*;)*);
        on_engine!(sqlite $($group $($test)*;)*);
    };
}

/// Runs each test on one engine, in a database of its own.
macro_rules! on_engine {
    ($engine:ident $($group:ident $($test:ident)*;)*) => {
        mod $engine {
            $($(#[tokio::test] async fn $test() {
                let database = crate::store_conformance::bed::$engine::database().await;
                super::$group::$test(crate::store_conformance::bed::Bed::over(database).await).await;
            })*)*
        }
    };
}

on_every_engine! {
    reads:
        a_scan_returns_what_lies_above_the_lower_bound_up_to_the_upper_one
        a_scan_ends_at_the_records_it_may_return
        a_scan_ends_with_the_record_that_crosses_its_bytes
        text_is_scanned_in_the_order_of_its_bytes
        a_key_of_fewer_columns_lies_before_the_records_it_begins
        a_read_finds_the_keys_that_are_there
        null_and_empty_text_are_two_values
        an_interval_ends_where_an_entity_ends_if_that_leaves_more_than_half
        a_write_moves_the_mark_of_its_table
        split_points_cut_the_table_in_order
        lists_are_cut_too
        a_wrong_estimate_leaves_the_split_points_in_order
        a_small_table_has_few_split_points
        a_table_that_is_not_there_is_refused
        a_column_that_is_not_there_is_refused;
    setup:
        nothing_is_there_before_the_set_up
        a_second_set_up_keeps_everything
        a_later_set_up_adds_what_lacks
        two_migrations_do_not_see_each_other
        side_tables_are_listed_and_removed
        two_stores_know_that_they_are_one_database
        a_target_with_records_is_not_empty;
    live:
        a_batch_is_applied_and_moves_the_position
        an_older_change_does_not_reach_the_target
        the_same_change_again_is_a_duplicate
        a_deleted_record_does_not_come_back_with_an_older_change
        a_newer_change_brings_a_deleted_record_back
        a_partition_begins_anew_with_a_claim_and_not_without
        a_zombie_of_an_old_generation_is_refused
        a_batch_that_begins_beyond_the_position_is_a_gap
        changes_before_the_position_are_passed_over
        a_batch_without_changes_moves_the_position
        a_batch_polled_again_after_a_rewind_does_not_move_the_position_back
        a_lost_tail_takes_claim_position_and_records_back_together
        a_step_that_fails_midway_leaves_nothing
        a_key_that_no_range_holds_stops_the_step
        a_command_is_refused
        many_changes_at_once_are_all_applied;
    copy:
        the_copy_inserts_what_is_not_there
        a_tombstone_refuses_the_copy
        live_data_wins_over_the_copy
        a_worker_of_an_old_epoch_is_refused
        a_batch_that_was_lost_shows
        a_sample_keeps_no_progress
        a_range_that_is_done_takes_no_more
        a_dirty_record_is_read_again_later
        scattered_records_ask_for_their_guards_by_key
        a_record_outside_of_the_range_is_refused
        a_claim_after_a_lost_tail_is_no_claim;
    ranges:
        a_claim_has_to_be_higher_than_the_last
        a_claim_of_a_range_that_is_not_there_is_refused
        the_parts_of_a_split_inherit_what_the_range_had
        a_split_fences_the_worker
        a_split_where_a_range_ends_does_nothing
        a_partition_is_claimed_like_a_range
        ranges_are_listed_page_by_page
        a_range_is_done_only_at_its_end_and_raises_its_epoch
        a_range_with_a_dirty_record_is_not_done;
    purge:
        guards_up_to_the_version_go_and_the_epoch_rises
        after_a_purge_the_old_epoch_and_the_old_generation_are_refused
        a_range_that_is_not_done_keeps_its_guards
        guards_that_something_still_needs_stay
        a_purge_takes_no_more_than_it_may;
    repair:
        a_repair_writes_where_its_lease_stands
        a_repair_removes_what_the_source_does_not_have
        a_live_write_takes_the_lease_away
        even_a_stale_change_takes_the_lease_away
        a_second_lease_takes_the_place_of_the_first
        a_lease_alone_is_no_guard
        a_removal_by_repair_refuses_the_copy
        a_repair_never_lowers_a_version
        one_repair_decides_record_by_record;
}
