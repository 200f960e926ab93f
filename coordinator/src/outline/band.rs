//! A time that is known from below and from above, and the rates it follows from: each with where it comes from.

/// Seconds, at best and at worst.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Band {
    /// If all goes well.
    pub low: f64,
    /// If it goes badly, and nothing fails.
    pub high: f64,
}

impl Band {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }

    pub(super) fn max(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.max(other.high) }
    }
}

/// What one slot does in a second, in good times and in bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Rows of dense shards.
    pub dense_rows: Pace,
    /// Rows of sparse shards.
    pub sparse_rows: Pace,
    /// Bytes of either: what bounds wide rows.
    pub bytes: Pace,
    /// Subtables created.
    pub creates: Pace,
    /// Subtables listed by the survey, which is one shard.
    pub lists: Pace,
}

/// How much in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// In good times.
    pub fast: f64,
    /// In bad times.
    pub slow: f64,
}

impl Pace {
    const fn new(slow: f64, fast: f64) -> Self {
        Self { fast, slow }
    }

    /// How long so much takes.
    pub(super) fn time(self, amount: u64) -> Band {
        let amount = approximate(amount);
        Band { low: amount / self.fast, high: amount / self.slow }
    }
}

/// Measured on real servers 2.7 and 3.3, two cores for all of it (`docs/benchmarks.md`): 0.9 million dense and 80,000
/// sparse rows a slot, 20,000 subtables created a slot, 20 to 100 MB of wide rows. Slow is a third to a quarter of it, for
/// links and disks that are; fast is what machines of their own gave.
pub const DEFAULTS: Rates = Rates {
    dense_rows: Pace::new(300_000.0, 1_200_000.0),
    sparse_rows: Pace::new(25_000.0, 150_000.0),
    bytes: Pace::new(15e6, 100e6),
    creates: Pace::new(5_000.0, 25_000.0),
    lists: Pace::new(20_000.0, 500_000.0),
};

/// How far a rate that was measured may lie from that of the next hour: source and target have other work as well.
pub const MEASURED_SPREAD: f64 = 0.25;

impl Rates {
    /// Rows by this measured rate of one slot, whatever their kind and width; the rest as by default.
    pub fn measured(rows_per_second: f64) -> Self {
        let pace = Pace::new(
            (rows_per_second * (1.0 - MEASURED_SPREAD)).max(f64::MIN_POSITIVE),
            (rows_per_second * (1.0 + MEASURED_SPREAD)).max(f64::MIN_POSITIVE),
        );
        let unbounded = Pace::new(f64::INFINITY, f64::INFINITY);
        Self { dense_rows: pace, sparse_rows: pace, bytes: unbounded, ..DEFAULTS }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate: sixteen digits are enough")]
pub(super) const fn approximate(number: u64) -> f64 {
    number as f64
}
