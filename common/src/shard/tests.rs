//! Every transition of a shard, and every one it refuses.

use super::*;

fn copy() -> Shard {
    let period = Period { from: 100, to: 200 };
    let range = Range { from: 2, to: 5 };
    Shard::planned(
        ShardId::copy(GroupId(1), 0),
        ShardKind::Copy(Density::Dense),
        Some(GroupId(1)),
        range,
        period,
    )
}

fn at(seq: u64, epoch: i64, index: u32, next: i64) -> Checkpoint {
    Checkpoint {
        epoch: Epoch(epoch),
        seq,
        offset: Offset { index, next },
        totals: Totals::default(),
        sum: Some(0),
    }
}

fn agreed(rows: u64) -> Totals {
    Totals { read: rows, written: rows, source_counted: rows, target_counted: rows, ..Totals::default() }
}

fn end(outcome: Outcome, checkpoint: Checkpoint) -> ShardEvent {
    ShardEvent::Ended { checkpoint, outcome }
}

#[test]
fn a_shard_goes_from_claim_over_commits_to_done() {
    let shard = copy().next(ShardEvent::Claimed { claim: ClaimId(7) }).unwrap();
    assert_eq!((shard.claims, shard.claim), (1, Some(ClaimId(7))));
    let shard = shard.next(ShardEvent::Committed { checkpoint: at(1, 9, 3, 150) }).unwrap();
    assert_eq!((shard.claims, shard.checkpoint.seq), (0, 1));
    let last = Checkpoint { totals: agreed(10), ..at(2, 9, 5, 100) };
    let shard = shard.next(end(Outcome::Done, last)).unwrap();
    assert_eq!(shard.state, ShardState::Done);
    assert!(shard.is_terminal());
}

#[test]
fn only_a_commit_that_moved_makes_claims_and_their_errors_forgotten() {
    let shard = Shard { claims: 3, last_error: Some("it stood still".into()), ..copy() };
    let committed = |checkpoint| shard.clone().next(ShardEvent::Committed { checkpoint }).unwrap();
    let counted = Checkpoint { totals: agreed(10), ..at(1, 9, 2, 100) };
    let counted = committed(Checkpoint { offset: shard.checkpoint.offset, ..counted });
    assert_eq!((counted.claims, counted.last_error.as_deref()), (3, Some("it stood still")));
    let moved = committed(at(1, 9, 3, 100));
    assert_eq!((moved.claims, moved.last_error), (0, None));
    let before = Totals { before: Some(4), ..Totals::default() };
    let looked =
        committed(Checkpoint { offset: shard.checkpoint.offset, totals: before, ..at(1, 9, 2, 100) });
    assert_eq!(looked.claims, 0, "rows that stood there beforehand are counted once");
}

#[test]
fn a_claim_that_is_given_back_does_not_count() {
    let shard = Shard { last_error: Some("the sink said no".into()), ..copy() };
    let claimed = shard.clone().next(ShardEvent::Claimed { claim: ClaimId(7) }).unwrap();
    let released = claimed.next(ShardEvent::Released).unwrap();
    assert_eq!(released, Shard { claim: Some(ClaimId(7)), ..shard });
    assert_eq!(released.next(ShardEvent::Released).unwrap().claims, 0);
}

#[test]
fn commits_out_of_line_are_refused() {
    let shard = copy().next(ShardEvent::Committed { checkpoint: at(1, 9, 3, 150) }).unwrap();
    let refused = |checkpoint| shard.clone().next(ShardEvent::Committed { checkpoint }).unwrap_err();
    assert!(matches!(refused(at(1, 9, 4, 150)), IllegalTransition::Seq { .. }));
    assert!(matches!(refused(at(3, 9, 4, 150)), IllegalTransition::Seq { .. }));
    assert!(matches!(refused(at(2, 8, 4, 150)), IllegalTransition::Epoch { .. }));
    assert!(matches!(refused(at(2, 9, 3, 149)), IllegalTransition::Offset { .. }));
}

#[test]
fn done_needs_the_end_and_counts_that_agree() {
    let early = Checkpoint { totals: agreed(10), ..at(1, 9, 4, 100) };
    assert!(matches!(copy().next(end(Outcome::Done, early)), Err(IllegalTransition::NotDone { .. })));
    let wrong = [
        Totals { read: 9, ..agreed(10) },
        Totals { written: 9, ..agreed(10) },
        Totals { source_counted: 11, ..agreed(10) },
        Totals { target_counted: 9, ..agreed(10) },
        Totals { written: 7, kept: 2, ..agreed(10) },
        Totals { written: 7, kept: 3, target_counted: 9, ..agreed(10) },
        Totals { target_counted: 11, ..agreed(10) },
        Totals { target_counted: 13, before: Some(2), ..agreed(10) },
    ];
    for totals in wrong {
        let last = Checkpoint { totals, ..at(1, 9, 5, 100) };
        assert!(
            matches!(copy().next(end(Outcome::Done, last)), Err(IllegalTransition::NotDone { .. })),
            "{totals:?}"
        );
    }
    let right = [
        agreed(0),
        Totals { target_counted: 12, before: Some(2), ..agreed(10) },
        Totals { written: 9, rejected: 1, target_counted: 9, ..agreed(10) },
        Totals { written: 7, kept: 3, ..agreed(10) },
        Totals { written: 7, kept: 3, target_counted: 12, before: Some(4), ..agreed(10) },
        Totals { source_counted: 7, target_counted: 7, expired: 3, ..agreed(10) },
    ];
    for totals in right {
        let last = Checkpoint { totals, ..at(1, 9, 5, 100) };
        assert!(copy().next(end(Outcome::Done, last)).is_ok(), "{totals:?}");
    }
}

#[test]
fn an_attempt_that_erred_leaves_the_shard_open_and_its_claim_counted() {
    let shard = copy().next(ShardEvent::Claimed { claim: ClaimId(7) }).unwrap();
    let erred = Outcome::Erred { reason: "the sink said no".into() };
    let shard = shard.next(end(erred, at(1, 9, 2, 100))).unwrap();
    assert_eq!((shard.state.clone(), shard.claims), (ShardState::Open, 1));
    assert_eq!(shard.last_error.as_deref(), Some("the sink said no"));
    let poisoned = shard.next(ShardEvent::Poisoned).unwrap();
    let ShardState::Failed { reason } = &poisoned.state else { panic!("{poisoned:?}") };
    assert!(reason.contains("the sink said no"), "{reason}");
    let retried = poisoned.next(ShardEvent::Retried).unwrap();
    assert_eq!((retried.state, retried.claims, retried.claim), (ShardState::Open, 0, None));
}

#[test]
fn a_shard_that_stalled_stays_open_with_the_reason_and_its_claim_counted() {
    let shard = copy().next(ShardEvent::Claimed { claim: ClaimId(7) }).unwrap();
    let stalled = shard.clone().next(ShardEvent::Stalled { reason: "it stood still".into() }).unwrap();
    assert_eq!(stalled, Shard { last_error: Some("it stood still".into()), ..shard });
}

#[test]
fn a_terminal_shard_takes_nothing_but_a_retry_of_a_failed_one() {
    let done = Shard { state: ShardState::Done, ..copy() };
    let failed = Shard { state: ShardState::Failed { reason: "x".into() }, ..copy() };
    let events = || {
        [
            ShardEvent::Claimed { claim: ClaimId(1) },
            ShardEvent::Committed { checkpoint: at(1, 1, 2, 100) },
            ShardEvent::Released,
            end(Outcome::Done, at(1, 1, 5, 100)),
            ShardEvent::Stalled { reason: "x".into() },
            ShardEvent::Poisoned,
        ]
    };
    for shard in [&done, &failed] {
        for event in events() {
            assert!(matches!(shard.clone().next(event), Err(IllegalTransition::Event { .. })));
        }
    }
    assert!(done.next(ShardEvent::Retried).is_err());
    assert!(failed.next(ShardEvent::Retried).is_ok());
}

#[test]
fn a_tail_ends_at_its_mark_and_goes_on_where_that_is_taken_back() {
    let tail = || {
        let period = Period { from: 100, to: i64::MAX };
        Shard::planned(ShardId::tail(GroupId(1)), ShardKind::Tail, Some(GroupId(1)), Range::NONE, period)
    };
    let standing =
        |next| Checkpoint { epoch: Epoch(1), seq: 1, offset: Offset { index: 0, next }, ..tail().checkpoint };
    let tail = tail().next(ShardEvent::Committed { checkpoint: standing(500) }).unwrap();
    assert!(tail.clone().next(ShardEvent::Bounded { to: 499 }).is_err(), "it has passed that");
    let bounded = tail.next(ShardEvent::Bounded { to: 900 }).unwrap();
    let end = |next| ShardEvent::Ended {
        checkpoint: Checkpoint { seq: 2, ..standing(next) },
        outcome: Outcome::Done,
    };
    assert!(bounded.clone().next(end(899)).is_err());
    let beyond = bounded.clone().next(end(950)).unwrap();
    assert_eq!(beyond.state, ShardState::Done, "it heard of its end when it had passed it");
    let done = bounded.next(end(900)).unwrap();
    assert_eq!(done.state, ShardState::Done);
    let open = done.next(ShardEvent::Bounded { to: i64::MAX }).unwrap();
    assert_eq!((open.state.clone(), open.checkpoint.offset.next), (ShardState::Open, 900));
    let copied = copy().next(ShardEvent::Bounded { to: 900 });
    assert!(copied.is_err(), "only tails are bounded");
}
