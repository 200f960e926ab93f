//! What was read without columns that the target lacked, and is read once more when it has them: piece by piece, since it
//! may be days, and rows of now come first.

use tdferry_common::time::{Period, Precision};

use super::Tail;
use super::pace::Stride;
use crate::lease::Worked;
use crate::notices::About;
use crate::target::{self, Mismatch};

/// What this tail goes on without, and what it has to read once more.
pub(super) struct Without {
    lacking: Vec<Mismatch>,
    /// From here on it may have been read without.
    since: i64,
    again: Option<Period>,
    stride: Stride,
}

impl Without {
    pub(super) fn new(precision: Precision) -> Self {
        Self { lacking: Vec::new(), since: i64::MAX, again: None, stride: Stride::new(precision) }
    }

    /// Whether the target lacks something.
    pub(super) const fn is_any(&self) -> bool {
        !self.lacking.is_empty()
    }

    /// Whether nothing is left to be read once more.
    pub(super) const fn is_made_good(&self) -> bool {
        self.again.is_none()
    }
}

impl Tail {
    /// The target lacks this of what is followed, which may have been read without it from a moment on. What it lacked
    /// before and has now is a reason to read once more.
    pub(super) fn go_without(&mut self, lacking: Vec<Mismatch>, since: i64) {
        self.board.tell(About::Columns, (!lacking.is_empty()).then(|| target::gone_without(&lacking)));
        let Without { lacking: before, since: long, again, .. } = &mut self.without;
        if before.iter().any(|mismatch| !lacking.contains(mismatch)) {
            let from = again.map_or(*long, |again| again.from.min(*long));
            *again = Some(Period { from, to: self.watermark }).filter(|period| !period.is_empty());
        }
        *long = if lacking.is_empty() { i64::MAX } else { since.min(*long) };
        *before = lacking;
    }

    /// Reads the next piece of what is to be read once more.
    pub(super) async fn read_again(&mut self) -> Worked<()> {
        let Some(period) = self.without.again else { return Ok(()) };
        let to = period.to.min(period.from.saturating_add(self.without.stride.units()));
        let taken = self.take(Period { from: period.from, to }).await?;
        if self.is_gone {
            return Ok(());
        }
        self.without.stride.took(taken.read);
        self.without.again = Some(Period { from: to, ..period }).filter(|left| !left.is_empty());
        if self.without.is_made_good() {
            tracing::info!(to, "what was read without a column is read once more");
        }
        Ok(())
    }
}
