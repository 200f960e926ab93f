//! A set of timestamps kept as runs of equal step: exact, and tiny where rows come at a steady pace.

/// `count` timestamps from `start` on, `step` apart.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    start: i64,
    step: i64,
    count: i64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    runs: Vec<Run>,
    len: u64,
}

impl Run {
    fn end(&self) -> i64 {
        self.start + self.step * (self.count - 1)
    }

    /// How many of its timestamps are below `ts`.
    fn below(&self, ts: i64) -> i64 {
        if ts <= self.start {
            return 0;
        }
        if self.count == 1 {
            return 1;
        }
        let past = i128::from(ts) - i128::from(self.start) - 1;
        let whole = past / i128::from(self.step) + 1;
        i64::try_from(whole).unwrap_or(i64::MAX).min(self.count)
    }

    fn at(&self, index: i64) -> i64 {
        self.start + self.step * index
    }

    /// The timestamps before and from `ts` on, as runs.
    fn cut(self, ts: i64) -> (Option<Run>, Option<Run>) {
        let below = self.below(ts);
        let before = (below > 0).then_some(Run { count: below, ..self });
        let rest = (below < self.count).then(|| Run {
            start: self.at(below),
            step: self.step,
            count: self.count - below,
        });
        (before, rest)
    }
}

impl Runs {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn contains(&self, ts: i64) -> bool {
        let index = self.runs.partition_point(|run| run.end() < ts);
        self.runs.get(index).is_some_and(|run| {
            let below = run.below(ts);
            below < run.count && run.at(below) == ts
        })
    }

    /// How many timestamps lie in `from..=to`.
    pub(crate) fn count(&self, from: i64, to: i64) -> u64 {
        let start = self.runs.partition_point(|run| run.end() < from);
        let inside = self.runs[start..].iter().take_while(|run| run.start <= to);
        let counted: i64 = inside.map(|run| run.below(to.saturating_add(1)) - run.below(from)).sum();
        counted.cast_unsigned()
    }

    pub(crate) fn first(&self, from: i64, to: i64) -> Option<i64> {
        let index = self.runs.partition_point(|run| run.end() < from);
        let run = self.runs.get(index)?;
        Some(run.at(run.below(from))).filter(|ts| *ts <= to)
    }

    pub(crate) fn last(&self, from: i64, to: i64) -> Option<i64> {
        let index = self.runs.partition_point(|run| run.start <= to).checked_sub(1)?;
        let run = self.runs[index];
        let below = run.below(to.saturating_add(1));
        Some(run.at(below - 1)).filter(|ts| *ts >= from)
    }

    /// Takes in timestamps that ascend strictly.
    pub(crate) fn insert(&mut self, ascending: &[i64]) {
        let (Some(&first), Some(&last)) = (ascending.first(), ascending.last()) else { return };
        if self.runs.last().is_none_or(|run| run.end() < first) {
            self.len += ascending.len() as u64;
            ascending.iter().for_each(|ts| push(&mut self.runs, *ts));
            return;
        }
        if ascending.iter().all(|ts| self.contains(*ts)) {
            return;
        }
        self.merge(ascending, first, last);
    }

    pub(crate) fn remove(&mut self, from: i64, to: i64) {
        let removed = self.count(from, to);
        let mut kept = Vec::with_capacity(self.runs.len() + 1);
        for run in self.runs.drain(..) {
            let (before, rest) = run.cut(from);
            kept.extend(before);
            kept.extend(rest.and_then(|rest| rest.cut(to.saturating_add(1)).1));
        }
        self.runs = kept;
        self.len -= removed;
    }

    /// Rebuilds only the stretch that the new timestamps touch.
    fn merge(&mut self, ascending: &[i64], first: i64, last: i64) {
        let start = self.runs.partition_point(|run| run.end() < first);
        let end = self.runs.partition_point(|run| run.start <= last).max(start);
        let mut before = Vec::new();
        let mut inside: Vec<i64> = ascending.to_vec();
        let mut after = Vec::new();
        for run in &self.runs[start..end] {
            let (head, rest) = run.cut(first);
            before.extend(head);
            let Some(rest) = rest else { continue };
            let (middle, tail) = rest.cut(last.saturating_add(1));
            inside.extend(middle.into_iter().flat_map(|run| (0..run.count).map(move |index| run.at(index))));
            after.extend(tail);
        }
        inside.sort_unstable();
        inside.dedup();
        inside.iter().for_each(|ts| push(&mut before, *ts));
        before.extend(after);
        self.runs.splice(start..end, before);
        self.len = self.runs.iter().map(|run| run.count.cast_unsigned()).sum();
    }
}

/// Lengthens the last run where the timestamp continues it, else starts another.
fn push(runs: &mut Vec<Run>, ts: i64) {
    match runs.last_mut() {
        Some(run) if run.count == 1 => {
            run.step = ts - run.start;
            run.count = 2;
        }
        Some(run) if run.at(run.count) == ts => run.count += 1,
        _ => runs.push(Run { start: ts, step: 1, count: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_steady_pace_takes_one_run() {
        let mut runs = Runs::default();
        for block in 0..100 {
            let ts: Vec<i64> = (0..1000).map(|row| (block * 1000 + row) * 10).collect();
            runs.insert(&ts);
        }
        assert_eq!((runs.runs.len(), runs.len()), (1, 100_000));
    }

    proptest! {
        #[test]
        fn runs_answer_as_a_plain_set_does(
            writes in proptest::collection::vec(proptest::collection::btree_set(-40i64..40, 0..12), 1..12),
            gone in (-40i64..40, 0i64..9),
            asked in (-45i64..45, -45i64..45),
        ) {
            let (mut runs, mut set) = (Runs::default(), BTreeSet::new());
            for write in writes {
                runs.insert(&write.iter().copied().collect::<Vec<_>>());
                set.extend(write);
            }
            runs.remove(gone.0, gone.0 + gone.1);
            set.retain(|ts| !(gone.0..=gone.0 + gone.1).contains(ts));
            let (from, to) = (asked.0.min(asked.1), asked.0.max(asked.1));
            prop_assert_eq!(runs.len(), set.len() as u64);
            prop_assert_eq!(runs.count(from, to), set.range(from..=to).count() as u64);
            prop_assert_eq!(runs.first(from, to), set.range(from..=to).next().copied());
            prop_assert_eq!(runs.last(from, to), set.range(from..=to).next_back().copied());
            prop_assert_eq!(runs.contains(from), set.contains(&from));
        }
    }
}
