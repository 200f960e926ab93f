//! Which subtables a tail need not look up: those of the plan, and those that the task does not take.
//!
//! Of each name only a hash is kept: sixteen bytes, so that a million of them fit, and too many for two names to meet.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_128;

use crate::lease::{Attempt, Worked};

/// What is known of a subtable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    /// In the plan: its rows are taken.
    Planned,
    /// The task's options leave it out.
    LeftOut,
    /// The target lacks it and this task creates nothing: its rows wait in the source.
    Awaited,
}

/// Subtables by the hash of their names.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<u128, Is>);

impl Known {
    /// These alone.
    pub(super) fn listed(names: &[String]) -> Self {
        let mut known = Self::default();
        names.iter().for_each(|name| known.set(name, Is::Planned));
        known
    }

    /// Those of the tail's stable that are in the plan.
    pub(super) async fn of_plan(attempt: &Attempt) -> Worked<Self> {
        let mut known = Self::default();
        let mut after = None;
        loop {
            let planned = attempt.planned(after).await?;
            planned.names.iter().for_each(|name| known.set(name, Is::Planned));
            after = planned.group;
            if after.is_none() {
                return Ok(known);
            }
            attempt.go_on()?;
        }
    }

    pub(super) fn of(&self, name: &str) -> Option<Is> {
        self.0.get(&hash(name)).copied()
    }

    pub(super) fn set(&mut self, name: &str, is: Is) {
        self.0.insert(hash(name), is);
    }

    /// What was awaited is looked for anew.
    pub(super) fn forget_awaited(&mut self) {
        self.0.retain(|_, is| *is != Is::Awaited);
    }
}

fn hash(name: &str) -> u128 {
    xxh3_128(name.as_bytes())
}
