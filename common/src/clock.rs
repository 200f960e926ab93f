//! What time it is: the wall clock for people and for T0, and tokio's clock for every wait and every deadline.
//!
//! Nothing that must be safe may depend on either. This file alone asks the system for the time of day.

use std::time::Duration;

use tokio::time::Instant;

/// Milliseconds since 1970 by this machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock; all others get a Clock"
)]
pub fn wall_now() -> i64 {
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

/// The clocks of one process, injected so that a simulation can stand still, jump and be replayed.
#[derive(Debug, Clone)]
pub struct Clock(Wall);

#[derive(Debug, Clone)]
enum Wall {
    System,
    Simulated { at: Instant, unix_millis: i64 },
}

impl Clock {
    /// This machine's clocks.
    pub fn system() -> Self {
        Self(Wall::System)
    }

    /// A wall clock that shows `unix_millis` now and goes on as tokio's clock does, also when that is paused.
    pub fn simulated(unix_millis: i64) -> Self {
        Self(Wall::Simulated { at: Instant::now(), unix_millis })
    }

    /// The time of day, in milliseconds since 1970: for display, for T0, never for a lease.
    pub fn wall_millis(&self) -> i64 {
        match &self.0 {
            Wall::System => wall_now(),
            Wall::Simulated { at, unix_millis } => unix_millis.saturating_add(millis(at.elapsed())),
        }
    }

    /// The clock for waits and deadlines: it never jumps.
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_simulated_wall_clock_moves_with_the_paused_clock_only() {
        let clock = Clock::simulated(1_700_000_000_000);
        assert_eq!(clock.wall_millis(), 1_700_000_000_000);
        let before = clock.monotonic();
        tokio::time::advance(Duration::from_millis(90_001)).await;
        assert_eq!(clock.wall_millis(), 1_700_000_090_001);
        assert_eq!(clock.monotonic() - before, Duration::from_millis(90_001));
    }

    #[test]
    fn the_system_clock_shows_a_plausible_year() {
        let year_2020 = 1_577_836_800_000;
        let year_2100 = 4_102_444_800_000;
        assert!((year_2020..year_2100).contains(&Clock::system().wall_millis()));
    }
}
