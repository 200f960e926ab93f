//! The source's clock, asked now and then and carried on by durations in between: who sets this machine's clock, or is
//! long without an answer, must not bring the watermark ahead of rows that are still to come.

use std::time::Duration;

use tdferry_common::clock::Clock;
use tdferry_common::port::{Side, Source};
use tdferry_common::time::Precision;
use tokio::time::Instant;

use crate::lease::{Attempt, Worked};

/// What time it is at the source.
#[derive(Debug, Clone)]
pub(super) struct SourceClock {
    own: Clock,
    precision: Precision,
    /// What it was when it was last told: by this machine where the source cannot be asked.
    told: i64,
    heard: Instant,
    /// What that was ahead of this machine's clock.
    ahead: i64,
    is_told: bool,
}

impl SourceClock {
    pub(super) async fn ask(attempt: &Attempt, source: &dyn Source, precision: Precision) -> Worked<Self> {
        let mut clock = Self::new(attempt.session.clock.clone(), precision);
        clock.set(attempt, source).await?;
        Ok(clock)
    }

    fn new(own: Clock, precision: Precision) -> Self {
        let (told, heard) = (precision.from_unix_millis(own.wall_millis()), own.monotonic());
        Self { own, precision, told, heard, ahead: 0, is_told: false }
    }

    /// Asks the source once more.
    pub(super) async fn set(&mut self, attempt: &Attempt, source: &dyn Source) -> Worked<()> {
        let told = attempt.ask("asking the source's clock", Side::Source, || source.clock()).await?;
        self.hear(told);
        Ok(())
    }

    /// From the answer on: how long the question took says nothing of when it was answered.
    fn hear(&mut self, told: Option<i64>) {
        *self = Self { is_told: self.is_told, ..Self::new(self.own.clone(), self.precision) };
        self.ahead = told.map_or(0, |told| told.saturating_sub(self.told));
        self.told = told.unwrap_or(self.told);
    }

    /// In units of the source.
    pub(super) fn now(&self) -> i64 {
        let since: Duration = self.own.monotonic() - self.heard;
        self.told.saturating_add(self.precision.units(since))
    }

    /// Logs once what lies between the two clocks, if it is more than a question takes.
    pub(super) fn tell_skew(&mut self) {
        let skew = self.ahead / self.precision.per_second();
        if skew != 0 && !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(
                seconds = skew,
                "the source's clock is ahead of this machine's; the source's counts"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_sources_time_goes_on_from_the_last_answer_whatever_this_machines_clock_shows() {
        // the machine's clock stands still as if it were set back all the while, durations pass
        let mut clock = SourceClock::new(Clock::system(), Precision::Milli);
        clock.hear(Some(1_000));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), 6_000);
        clock.hear(Some(2_000));
        assert_eq!(clock.now(), 2_000, "the source's clock was set back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_cannot_be_asked_has_this_machines_time() {
        let mut clock = SourceClock::new(Clock::simulated(7_000), Precision::Micro);
        clock.hear(None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((clock.now(), clock.ahead), (8_000_000, 0));
    }
}
