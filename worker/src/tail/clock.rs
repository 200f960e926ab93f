//! The source's clock, asked now and then and carried on by this machine's in between.

use tdferry_common::clock::Clock;
use tdferry_common::port::{Side, Source};
use tdferry_common::time::Precision;

use crate::lease::{Attempt, Worked};

/// What time it is at the source.
#[derive(Debug, Clone)]
pub(super) struct SourceClock {
    own: Clock,
    precision: Precision,
    /// What the source's clock is ahead of this machine's; zero where it cannot be asked.
    ahead: i64,
    is_told: bool,
}

impl SourceClock {
    pub(super) async fn ask(attempt: &Attempt, source: &dyn Source, precision: Precision) -> Worked<Self> {
        let mut clock = Self { own: attempt.session.clock.clone(), precision, ahead: 0, is_told: false };
        clock.set(attempt, source).await?;
        Ok(clock)
    }

    /// Asks the source once more.
    pub(super) async fn set(&mut self, attempt: &Attempt, source: &dyn Source) -> Worked<()> {
        let before = self.own_now();
        let told = attempt.ask("asking the source's clock", Side::Source, || source.clock()).await?;
        // what was told is at least as old as the question: what is read then was there
        self.ahead = told.map_or(0, |told| told.saturating_sub(before.midpoint(self.own_now())));
        Ok(())
    }

    /// In units of the source.
    pub(super) fn now(&self) -> i64 {
        self.own_now().saturating_add(self.ahead)
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

    fn own_now(&self) -> i64 {
        self.precision.from_unix_millis(self.own.wall_millis())
    }
}
