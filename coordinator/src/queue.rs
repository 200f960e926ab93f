//! Which shards a worker should try to claim, and in which order: fair among tasks, the oldest period first.
//!
//! Pure. A candidate is a guess: the store decides, and one that is taken meanwhile costs one transaction.

use tdferry_common::id::WorkerId;

/// Workers start at different places among at most this many, so that they do not all try for the same shard.
pub(crate) const SPREAD: usize = 64;
/// Places for each worker: with fewer they would often meet, with more the oldest periods would wait.
const PLACES_PER_WORKER: usize = 4;

/// The candidates of all tasks in the order to try them: one of each task in turn. Each task's come in as they are
/// best claimed; among the first few of them, by the number of workers, the worker's own place is the first.
/// One worker has nobody to meet: it writes each table's periods in their order, which a target takes best.
pub(crate) fn order<T>(tasks: Vec<Vec<T>>, worker: WorkerId, workers: usize) -> Vec<T> {
    let window = if workers > 1 { workers.saturating_mul(PLACES_PER_WORKER).min(SPREAD) } else { 1 };
    let mut queues: Vec<_> = tasks
        .into_iter()
        .filter(|candidates| !candidates.is_empty())
        .map(|candidates| spread(candidates, worker, window).into_iter())
        .collect();
    let first = place(worker, queues.len());
    queues.rotate_left(first);
    let mut ordered = Vec::new();
    while !queues.is_empty() {
        queues.retain_mut(|queue| {
            let next = queue.next();
            let more = next.is_some();
            ordered.extend(next);
            more
        });
    }
    ordered
}

fn spread<T>(mut candidates: Vec<T>, worker: WorkerId, window: usize) -> Vec<T> {
    let near = candidates.len().min(window);
    let start = place(worker, near);
    if let Some(near) = candidates.get_mut(..near) {
        near.rotate_left(start);
    }
    candidates
}

/// Where among `n` this worker starts.
fn place(worker: WorkerId, n: usize) -> usize {
    // ids are random, but those that people or tests give need not be
    let mixed = worker.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    usize::try_from(mixed).unwrap_or(0).checked_rem(n).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tasks_take_turns_and_nothing_is_lost() {
        let tasks = vec![vec!["a"; 100], vec![], vec!["b"; 2], vec!["c"; 3]];
        let ordered = order(tasks, WorkerId(7), 3);
        assert_eq!(ordered.len(), 105);
        assert_eq!(ordered[..3].iter().collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(ordered[3..6].iter().collect::<BTreeSet<_>>().len(), 3);
        assert!(ordered[8..].iter().all(|task| *task == "a"));
    }

    #[test]
    fn workers_start_at_different_places_among_the_first_and_the_later_ones_stay_in_order() {
        let task = || vec![(0..200).collect::<Vec<i32>>()];
        let firsts: BTreeSet<i32> = (0..100).map(|worker| order(task(), WorkerId(worker), 100)[0]).collect();
        assert!(firsts.len() > 30, "{firsts:?}");
        assert!(firsts.iter().all(|first| usize::try_from(*first).unwrap() < SPREAD));
        let ordered = order(task(), WorkerId(5), 100);
        assert_eq!(ordered[SPREAD..], (64..200).collect::<Vec<i32>>());
        assert_eq!(ordered.iter().collect::<BTreeSet<_>>().len(), 200);
    }

    #[test]
    fn a_worker_that_is_alone_takes_them_in_order_and_a_few_stay_near_the_oldest() {
        let task = || vec![(0..200).collect::<Vec<usize>>()];
        for worker in 0..100 {
            assert_eq!(order(task(), WorkerId(worker), 1), task()[0]);
            assert!(order(task(), WorkerId(worker), 2)[0] < 2 * PLACES_PER_WORKER);
        }
    }
}
