//! The cases by what they are about. Each is a script; its golden file holds the answers.

pub(crate) mod compaction;
pub(crate) mod kv;
pub(crate) mod lease;
pub(crate) mod nested;
pub(crate) mod txn;
pub(crate) mod watch;

/// Every case, once; the suite stamps this list on each server.
macro_rules! for_each_case {
    ($then:ident, $name:ident, $target:expr) => {
        $then!(
            $name, $target,
            kv::puts_count_revisions_and_versions
            kv::ranges_end_where_they_say
            kv::limits_cut_and_counts_do_not
            kv::every_order_of_every_target
            kv::a_limit_cuts_before_a_target_without_order_sorts
            kv::revision_filters_hide_but_do_not_uncount
            kv::old_revisions_stay_readable
            kv::puts_may_keep_value_or_lease
            kv::deletes_tell_what_was_there
            kv::a_deleted_key_begins_anew
            kv::requests_without_a_key_are_refused
            kv::requests_that_are_too_large_are_refused
            txn::every_operator_on_every_target
            txn::guards_over_ranges_hold_for_every_key
            txn::guards_choose_the_branch
            txn::reads_see_the_writes_before_them
            txn::a_refused_transaction_changes_nothing
            txn::empty_transactions_count_nothing
            txn::at_most_128_operations
            nested::guards_see_the_state_before_everything
            nested::nested_operations_count_with_the_outer_ones
            nested::no_key_twice_in_a_branch
            nested::one_revision_for_the_whole_tree
            nested::a_refusal_inside_refuses_all
            compaction::compaction_forgets_what_is_superseded
            compaction::compaction_is_refused_outside_the_history
            lease::grants_raise_short_and_refuse_long_times
            lease::keys_go_with_their_lease_in_one_revision
            lease::unknown_leases
            lease::a_key_belongs_to_its_last_lease
            lease::a_silent_lease_ends_by_itself
            lease::a_lease_kept_alive_outlives_its_time
            watch::changes_arrive_in_order
            watch::the_past_is_replayed
            watch::ranges_and_filters
            watch::many_watchers_on_one_stream
            watch::a_compacted_past_ends_the_watch
            watch::a_compaction_does_not_end_watchers_that_are_up_to_date
            watch::the_future_is_waited_for
            watch::progress_on_request
            watch::ranges_and_ids_that_are_refused
        );
    };
}
pub(crate) use for_each_case;
