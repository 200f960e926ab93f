//! What this worker waits for: databases that are away, by task. Heartbeats show it, so that a task can say so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tdferry_common::port::Side;
use tdferry_common::spec::TaskName;
use tdferry_proto::v1;

/// All outages that some lease waits out now.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<BTreeMap<(TaskName, Side), Outage>>>);

struct Outage {
    waiters: u32,
    since_unix_millis: i64,
    message: String,
}

/// One lease's wait; over when dropped.
pub(crate) struct Wait {
    waiting: Waiting,
    place: (TaskName, Side),
}

impl Waiting {
    /// Begins a wait. Who waits for the same is counted to the same outage, which began with the first.
    pub(crate) fn begin(&self, task: &TaskName, side: Side, since_unix_millis: i64) -> Wait {
        let place = (task.clone(), side);
        let new = Outage { waiters: 0, since_unix_millis, message: String::new() };
        self.lock().entry(place.clone()).or_insert(new).waiters += 1;
        Wait { waiting: self.clone(), place }
    }

    /// As heartbeats tell it.
    pub(crate) fn list(&self) -> Vec<v1::Waiting> {
        let told = |((task, side), outage): (&(TaskName, Side), &Outage)| v1::Waiting {
            task: task.to_string(),
            what: match side {
                Side::Source => v1::waiting::For::Source,
                Side::Sink => v1::waiting::For::Sink,
            }
            .into(),
            message: outage.message.clone(),
            since_unix_millis: outage.since_unix_millis,
        };
        self.lock().iter().map(told).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(TaskName, Side), Outage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait {
    /// The last error seen.
    pub(crate) fn saw(&self, message: &str) {
        if let Some(outage) = self.waiting.lock().get_mut(&self.place) {
            message.clone_into(&mut outage.message);
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut outages = self.waiting.lock();
        let last = outages.get_mut(&self.place).is_some_and(|outage| {
            outage.waiters = outage.waiters.saturating_sub(1);
            outage.waiters == 0
        });
        if last {
            outages.remove(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_the_first_wait_to_the_end_of_the_last() {
        let waiting = Waiting::default();
        let task: TaskName = "t".parse().unwrap();
        let one = waiting.begin(&task, Side::Sink, 100);
        let two = waiting.begin(&task, Side::Sink, 200);
        two.saw("no route");
        drop(one);
        let listed = waiting.list();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].since_unix_millis, listed[0].message.as_str()), (100, "no route"));
        assert_eq!(listed[0].what(), v1::waiting::For::Sink);
        drop(two);
        assert!(waiting.list().is_empty());
    }
}
