//! The end of a tail, at a mark behind which nobody writes any more: new subtables and what came late are looked for once
//! more, over all horizons, until nothing is found.

use std::time::Duration;

use super::Tail;
use crate::lease::{Attempt, Worked};

/// So often everything is counted anew while something is still found.
const ROUNDS: u32 = 3;

/// Ends the tail of a stable that was dropped before its mark: what it held is in the target, or gone with it.
pub(super) fn without_source(attempt: &Attempt) {
    let (stable, end) = (&attempt.claimed.stable, attempt.ends_at());
    tracing::warn!(stable, "the source has no such stable at the mark; following it ends");
    attempt.ledger.advance(|offset, _| offset.next = end.max(offset.next));
}

impl Tail {
    pub(super) fn is_at_its_end(&self) -> bool {
        self.watermark >= self.attempt.ends_at()
    }

    /// Whether all is done. Not where the source has rows behind the mark: then somebody still writes, or its rows are
    /// dated ahead, and a person takes another mark or goes on following.
    pub(super) async fn end(&mut self) -> Worked<bool> {
        let newest = self.newest().await?;
        if newest.is_some_and(|newest| newest >= self.attempt.ends_at()) {
            if !std::mem::replace(&mut self.is_told, true) {
                let (stable, mark) = (&self.attempt.claimed.stable, self.attempt.ends_at());
                tracing::error!(
                    stable,
                    newest,
                    mark,
                    "the source has rows behind the mark: it is still written to"
                );
            }
            return Ok(false);
        }
        // what came since the last look
        self.structure(Duration::ZERO).await?;
        self.meet_all().await?;
        // of a stable that was dropped nothing more can be read
        if !self.is_gone {
            self.look_back_whole().await?;
        }
        let end = self.attempt.ends_at();
        self.attempt.ledger.advance(|offset, _| offset.next = end.max(offset.next));
        Ok(true)
    }

    /// Reads once more what is to be, and counts all horizons.
    async fn look_back_whole(&mut self) -> Worked<()> {
        while !self.without.is_made_good() {
            self.attempt.go_on()?;
            self.read_again().await?;
            if self.is_gone {
                return Ok(());
            }
        }
        for _ in 0..ROUNDS {
            let before = self.attempt.ledger.totals().late;
            self.audits.all_at_once();
            while self.audits.has_work() {
                self.attempt.go_on()?;
                self.audit().await?;
            }
            if self.attempt.ledger.totals().late == before {
                break;
            }
        }
        Ok(())
    }
}
