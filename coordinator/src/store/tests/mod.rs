//! The table of transactions, line by line, on `embedded` and on a real etcd; and what any interleaving of faults
//! must leave.

mod cases;
pub(crate) mod env;
pub(crate) mod faults;
mod interleavings;
mod log;

use std::time::Duration;

use futures_util::future::BoxFuture;

/// Stamps every case on both stores. The real etcd is started once, for all cases in turn; one that cannot be
/// started fails the test.
macro_rules! on_both_stores {
    ($($module:ident :: $case:ident,)*) => {
        mod on_embedded {
            $(
                #[tokio::test(start_paused = true)]
                async fn $case() {
                    let env = super::env::Env::new(super::env::embedded().await, "case").await;
                    Box::pin(super::cases::$module::$case(env)).await;
                }
            )*
        }

        /// Boxed one by one: together they would not fit on a stack.
        fn cases() -> Vec<(&'static str, fn(env::Env) -> BoxFuture<'static, ()>)> {
            vec![$((stringify!($case), |env| Box::pin(cases::$module::$case(env))),)*]
        }
    };
}

#[tokio::test]
async fn every_case_on_a_real_etcd() {
    let etcd = tdferry_embedded::testing::RealEtcd::start().await.unwrap();
    let client = etcd.client().await.unwrap();
    for (name, case) in cases() {
        println!("{name}");
        let task: String = name.chars().take(64).collect();
        let run = async { case(env::Env::new(client.clone(), &task).await).await };
        tokio::time::timeout(Duration::from_secs(60), run).await.unwrap_or_else(|_| panic!("{name} hangs"));
    }
}

on_both_stores! {
    claim::a_claim_takes_the_lease_and_counts_itself,
    claim::a_claim_whose_answer_was_lost_is_ours,
    claim::a_claim_that_arrives_twice_is_ours_once,
    claim::a_shard_that_is_held_is_taken,
    claim::a_shard_that_changed_since_it_was_read_is_stale,
    claim::a_paused_task_hands_out_nothing,
    claim::a_raised_fence_hides_what_was_read_before,
    claim::a_session_that_is_over_gets_no_lease,
    claim::a_shard_claimed_too_often_fails_alone,
    claim::a_late_claim_is_found_as_an_orphan_and_ended,
    commit::a_commit_moves_the_record_and_forgets_the_claims,
    commit::a_commit_whose_answer_was_lost_counts_once,
    commit::a_late_duplicate_of_a_commit_changes_nothing,
    commit::a_commit_after_the_session_ended_is_fenced,
    commit::a_commit_after_the_fence_was_raised_is_fenced,
    commit::a_commit_of_an_earlier_epoch_is_fenced,
    commit::a_coordinator_that_saw_nothing_of_it_takes_the_commit,
    commit::a_commit_that_does_not_follow_is_refused,
    commit::a_finish_ends_shard_and_lease_at_once,
    commit::a_finish_whose_answer_was_lost_is_done,
    commit::an_attempt_that_erred_leaves_the_shard_open_with_its_reason,
    commit::a_shard_is_not_done_before_its_end_or_with_other_counts,
    lease::a_release_frees_the_shard_and_may_be_repeated,
    lease::a_claim_that_is_given_back_does_not_count_and_is_given_back_once,
    lease::what_is_given_back_by_an_old_look_is_free_all_the_same,
    lease::a_late_release_leaves_the_next_holder_alone,
    lease::an_orphan_lease_is_ended,
    lease::a_stalled_lease_is_ended_and_its_shard_says_why,
    drain::two_operators_who_drain_at_once_are_both_heard,
    drain::a_wish_to_rebalance_vanishes_with_its_session,
    lease::a_lease_whose_shard_moved_on_is_left_alone,
    lease::the_end_of_a_session_frees_its_leases,
    cut::a_cut_shrinks_the_parent_and_puts_the_children,
    cut::a_cut_whose_answer_was_lost_is_done,
    cut::a_cut_without_the_lease_is_fenced,
    grow::a_growth_commits_and_adds_what_is_new,
    grow::a_growth_whose_answer_was_lost_is_done_once,
    grow::a_growth_that_arrives_twice_is_done_once,
    grow::a_growth_without_the_lease_is_fenced_and_adds_nothing,
    grow::a_growth_puts_no_group_over_another,
    grow::a_growth_by_an_older_state_is_made_anew,
    plan::a_large_plan_is_written_in_pages,
    plan::a_plan_does_not_count_before_it_is_flipped,
    plan::a_survey_that_lost_its_lease_writes_nothing_more,
    plan::a_flip_whose_answer_was_lost_is_done,
    plan::a_flip_of_a_deleted_task_is_fenced,
    task::a_task_is_created_once,
    task::a_creation_whose_answer_was_lost_is_ours,
    task::a_deleted_task_fences_what_is_in_flight_and_is_swept,
    task::a_phase_ends_only_if_no_shard_was_added_meanwhile,
    task::a_state_whose_answer_was_lost_is_stored,
    task::failed_shards_are_opened_again_and_the_task_with_them,
    task::a_late_pause_does_not_undo_a_resume,
    task::only_plans_that_do_not_count_are_swept,
    upkeep::two_coordinators_find_the_same_store,
    upkeep::a_session_lives_as_long_as_it_is_kept,
    upkeep::a_grant_whose_answer_was_lost_is_one_session,
    upkeep::a_damaged_record_is_named_and_left_alone,
    upkeep::names_of_a_group_are_read_on_demand,
    upkeep::the_store_tells_its_revision_its_size_and_no_alarm,
    upkeep::the_mirror_shows_what_the_store_holds,
    upkeep::a_watch_that_broke_within_a_revision_brings_the_rest_of_it,
    upkeep::the_mirror_is_listed_anew_when_history_is_gone,
}
