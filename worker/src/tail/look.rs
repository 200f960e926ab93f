//! What a tail looks at besides rows, each at its own pace: new subtables, the source's clock, its newest row.

use std::time::Duration;

use tdferry_common::port::{PortError, PortResult, Side, Tables};
use tokio::time::Instant;

use super::{Follows, Tail};
use crate::lease::{Attempt, Worked};

/// Subtables are counted at each look and listed at each so manieth, since one may go while another comes.
const LOOKS_A_LISTING: u32 = 12;

/// When each is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks {
    structure: Instant,
    /// Subtables at the last listing; those that are dropped stay known.
    pub(super) listed: Option<u64>,
    /// Looks since the last listing.
    counted: u32,
    clock: Instant,
}

impl Looks {
    pub(super) fn new(attempt: &Attempt) -> Self {
        let now = Instant::now();
        Self {
            structure: now + attempt.spec.options.schema_polling_interval,
            listed: None,
            counted: 0,
            clock: now,
        }
    }
}

/// Between two questions for the clock and the newest row: an idle source should hardly be asked.
pub(super) fn pace(attempt: &Attempt) -> Duration {
    attempt.session.timing.heartbeat.max(attempt.spec.options.schema_polling_interval)
}

impl Tail {
    /// Looks at whatever is due.
    pub(super) async fn look(&mut self) -> Worked<()> {
        let now = Instant::now();
        if now >= self.looks.clock {
            self.looks.clock = now + pace(&self.attempt);
            self.clock.set(&self.attempt, self.source.as_ref()).await?;
            self.clock.tell_skew();
            self.newest().await?;
        }
        if !self.is_gone {
            self.once_more().await?;
        }
        if now >= self.looks.structure {
            let interval = self.options().schema_polling_interval;
            self.looks.structure = now + interval;
            self.structure(interval).await?;
            if self.follows != Follows::Listed {
                self.subtables().await?;
                self.retag().await?;
            }
        }
        Ok(())
    }

    /// Tells the source's newest row, which is what the watermark is behind.
    pub(super) async fn newest(&mut self) -> Worked<Option<i64>> {
        let Self { attempt, source, watermark, .. } = &*self;
        let ask = |tables| async move {
            attempt.ask("asking for the newest row", Side::Source, || if_there(source.newest(tables))).await
        };
        let newest = if attempt.claimed.stable.is_empty() {
            let mut newest = None;
            for name in attempt.claimed.shard_names() {
                newest = newest.max(ask(Tables::One { name }).await?);
            }
            newest
        } else {
            ask(self.tables()).await?
        };
        // and where it stands: else silence would cost a commit of its own
        attempt.ledger.advance(|offset, totals| {
            offset.next = offset.next.max(*watermark);
            totals.newest = newest.or(totals.newest);
        });
        self.entered = Instant::now();
        Ok(newest)
    }

    /// Meets what is new. A stable that has as many subtables as when it was listed is listed only now and then.
    async fn subtables(&mut self) -> Worked<()> {
        self.looks.counted += 1;
        let census = self.attempt.ask("counting subtables", Side::Source, || self.source.census()).await?;
        let there = census.stables.get(&self.attempt.claimed.stable).copied();
        if there != self.looks.listed || self.looks.counted >= LOOKS_A_LISTING {
            self.looks.counted = 0;
            self.meet_all().await?;
        }
        Ok(())
    }
}

/// What is asked of something that may have been dropped: then there is nothing of it.
pub(super) async fn if_there<T: Default>(answer: impl Future<Output = PortResult<T>>) -> PortResult<T> {
    match answer.await {
        Err(PortError::Missing { .. }) => Ok(T::default()),
        answer => answer,
    }
}
