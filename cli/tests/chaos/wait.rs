//! Waiting with a bound, by looking again.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep, timeout};

/// How often is looked: far below every duration of the protocol.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Nobody takes longer to look once on a machine that runs.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

/// Looks until there is something to see; an error names what was not seen in time.
pub(crate) async fn until<T, F>(within: Duration, what: &str, look: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let seen = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(within, seen).await.with_context(|| format!("not seen within {within:?}: {what}"))
}

/// A bound on waiting that counts only time in which this process ran: a machine that stood still as a whole, as a
/// virtual one does, proves nothing against those who stood still with it.
pub(crate) struct Patience {
    left: Duration,
    looked: Instant,
}

impl Patience {
    /// So much of it.
    pub(crate) fn of(left: Duration) -> Self {
        Self { left, looked: Instant::now() }
    }

    /// Whether any is left; to be asked each time one looks.
    pub(crate) fn lasts(&mut self) -> bool {
        let passed = self.looked.elapsed().min(LONGEST_LOOK);
        self.looked = Instant::now();
        self.left = self.left.saturating_sub(passed);
        !self.left.is_zero()
    }
}
