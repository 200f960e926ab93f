//! How many writes a worker has in flight for a task, over all its leases.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tdferry_common::spec::Spec;
use tokio::sync::Semaphore;

/// One bound for each task that was worked on.
#[derive(Clone)]
pub(crate) struct WriteLimits {
    default: u32,
    tasks: Arc<Mutex<BTreeMap<String, Arc<Semaphore>>>>,
}

impl WriteLimits {
    /// As many as there are slots, where a task says nothing.
    pub(crate) fn new(slots: u32) -> Self {
        Self { default: slots, tasks: Arc::default() }
    }

    /// The bound of this task.
    pub(crate) fn of(&self, spec: &Spec) -> Arc<Semaphore> {
        let writes = spec.options.write_concurrency.unwrap_or(self.default).max(1);
        // a task created again under its name may have another bound
        let place = format!("{} {writes}", spec.name);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(usize::try_from(writes).unwrap_or(Semaphore::MAX_PERMITS)));
        Arc::clone(tasks.entry(place).or_insert_with(new))
    }
}
