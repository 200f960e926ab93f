//! The longest time in which nothing happened: that a number changed, or that this process ran at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// One look that takes longer tells of a machine that stood still: what was measured meanwhile says nothing.
const STOOD_STILL: Duration = Duration::from_millis(700);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Watches how late this process wakes up.
pub(crate) struct Still {
    longest: Arc<AtomicU64>,
    _watching: JoinSet<()>,
}

impl Still {
    /// From now on, until it is dropped.
    pub(crate) fn watch() -> Self {
        let longest = Arc::<AtomicU64>::default();
        let (mut watching, seen) = (JoinSet::new(), Arc::clone(&longest));
        watching.spawn(async move {
            loop {
                let slept = Instant::now();
                sleep(LOOK_EVERY).await;
                let millis = u64::try_from(slept.elapsed().as_millis()).unwrap_or(u64::MAX);
                seen.fetch_max(millis, Ordering::SeqCst);
            }
        });
        Self { longest, _watching: watching }
    }

    /// Whether the machine stood still meanwhile.
    pub(crate) fn stood(&self) -> bool {
        Duration::from_millis(self.longest.load(Ordering::SeqCst)) > STOOD_STILL
    }
}

/// The longest time in which a number did not change.
pub(crate) struct Gap {
    number: Option<u64>,
    last: Instant,
    longest: Duration,
}

impl Gap {
    /// From then on.
    pub(crate) const fn since(last: Instant) -> Self {
        Self { number: None, last, longest: Duration::ZERO }
    }

    /// The number now.
    pub(crate) fn seen(&mut self, number: u64) {
        if self.number.is_some_and(|before| before != number) {
            self.longest = self.longest();
            self.last = Instant::now();
        }
        self.number = Some(number);
    }

    /// Up to now.
    pub(crate) fn longest(&self) -> Duration {
        self.longest.max(self.last.elapsed())
    }
}
