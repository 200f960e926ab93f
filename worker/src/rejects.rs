//! The rejects of each task that this worker copies for, opened once for all its leases.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tdferry_common::port::Side;

use crate::lease::{Attempt, Worked};
use crate::reject::{self, Rejects};

/// What keeps rejects, by task as stored.
#[derive(Clone, Default)]
pub(crate) struct RejectStores(Arc<Mutex<BTreeMap<String, Arc<dyn Rejects>>>>);

impl RejectStores {
    /// The one of this attempt's task.
    pub(crate) async fn of(&self, attempt: &Attempt) -> Worked<Arc<dyn Rejects>> {
        if let Some(open) = self.known().get(&attempt.claimed.spec) {
            return Ok(Arc::clone(open));
        }
        let (session, spec) = (&attempt.session, &attempt.spec);
        let writer = session.worker.to_string();
        let question = || reject::open(session.connector.as_ref(), spec, &writer);
        let opened = attempt.ask("opening where rejected rows are kept", Side::Sink, question).await?;
        Ok(Arc::clone(self.known().entry(attempt.claimed.spec.clone()).or_insert(opened)))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<dyn Rejects>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
