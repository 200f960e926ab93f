//! The protocol of claim, commit, release and cut in a model that is small enough to be searched completely: three
//! workers, two shards of three commits, sessions that end, requests that are repeated and late, answers that get lost.
//! What a shard becomes is decided by the shipped `Shard::next`.
//!
//! Read `state` (what there is), `store` (the transactions), `step` (what may happen), `search` (all of it).

#![allow(clippy::print_stdout, reason = "how much was searched")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod search;
mod state;
mod step;
mod store;

use search::{Found, search};
use state::{Left, State};
use store::Planted;

/// What may go wrong in one history: each search is complete up to it.
const LEFT: [Left; 2] = [
    Left { losses: 1, slow: 1, unheard: 1, repeats: 0, cuts: 1, releases: 0 },
    Left { losses: 2, slow: 1, unheard: 0, repeats: 1, cuts: 0, releases: 1 },
];

#[test]
fn every_promise_holds_in_every_state() {
    for left in LEFT {
        match search(State::first(left), Planted::Nothing) {
            Ok(seen) => {
                println!("{left:?}: {seen:?}");
                assert!(seen.ends > 0, "the model is too tame: {seen:?}");
            }
            Err(Found { broken, way }) => panic!("{broken}\n  {}", told(&way)),
        }
    }
}

#[test]
fn every_planted_bug_is_found() {
    let planted = [
        (Planted::NoEpochGuard, "S1"),
        (Planted::OffsetBeforeData, "S3"),
        (Planted::LeaseEndedApart, "Honest"),
        (Planted::CutOverlaps, "S5"),
        (Planted::LocalClock, "S1"),
        (Planted::LostAnswerIsFailure, "S2"),
        (Planted::ClaimOfThePast, "S2"),
    ];
    for (planted, promise) in planted {
        let found = LEFT.into_iter().find_map(|left| search(State::first(left), planted).err());
        let Found { broken, way } = found.unwrap_or_else(|| panic!("{planted:?} is not found"));
        assert!(broken.starts_with(promise), "{planted:?} shows as {broken}\n  {}", told(&way));
        println!("{planted:?} is found in {} steps: {broken}\n  {}", way.len(), told(&way));
    }
}

fn told(way: &[step::Step]) -> String {
    way.iter().map(|step| format!("{step:?}")).collect::<Vec<_>>().join("\n  ")
}
