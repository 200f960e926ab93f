//! Waiting with a bound, by looking again.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{sleep, timeout};

/// How often is looked: far below every duration of the protocol.
const LOOK_EVERY: Duration = Duration::from_millis(20);

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
