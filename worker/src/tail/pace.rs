//! How long a period one poll reads while a tail catches up. Pure.

use std::time::Duration;

use tdferry_common::time::Precision;

/// Rows of one period: with fewer the next is longer, with many more shorter, since the watermark moves only past whole
/// ones.
const FEW_ROWS: u64 = 50_000;
const MANY_ROWS: u64 = 200_000;
const FIRST: Duration = Duration::from_secs(60);
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(86_400);

/// The length of the next period.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stride {
    units: i64,
    least: i64,
    most: i64,
}

impl Stride {
    pub(super) fn new(precision: Precision) -> Self {
        let [units, least, most] = [FIRST, LEAST, MOST].map(|length| precision.units(length));
        Self { units, least, most }
    }

    pub(super) const fn units(self) -> i64 {
        self.units
    }

    /// So many rows came.
    pub(super) fn took(&mut self, rows: u64) {
        if rows > MANY_ROWS {
            self.units = (self.units / 2).max(self.least);
        } else if rows < FEW_ROWS {
            self.units = self.units.saturating_mul(2).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stride_grows_over_silence_and_shrinks_over_crowds_within_its_bounds() {
        let mut stride = Stride::new(Precision::Milli);
        assert_eq!(stride.units(), 60_000);
        stride.took(0);
        assert_eq!(stride.units(), 120_000);
        stride.took(MANY_ROWS);
        assert_eq!(stride.units(), 120_000, "neither few nor too many");
        (0..40).for_each(|_| stride.took(0));
        assert_eq!(stride.units(), 86_400_000);
        (0..40).for_each(|_| stride.took(u64::MAX));
        assert_eq!(stride.units(), 1_000);
    }
}
