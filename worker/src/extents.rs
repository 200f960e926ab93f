//! What stables and normal tables hold, as a survey and a plan without one tell it. Pure.

use tdferry_common::options::{Options, SchemaMode};
use tdferry_common::schema::{Extent, NormalTable, Stable};
use tdferry_common::task::Cutoff;
use tdferry_common::time::{Period, Precision};

use crate::sizing;

/// A source whose newest row is older than this many excursions is not being written to.
const SILENT_EXCURSIONS: u32 = 120;

/// Extents in the order of the selection.
pub(crate) struct Extents {
    pub(crate) stables: Vec<Extent>,
    pub(crate) normal: Vec<Extent>,
}

impl Extents {
    /// Rows of all of them.
    pub(crate) fn rows(&self) -> u64 {
        self.all().fold(0, |sum, one| sum.saturating_add(one.rows))
    }

    /// Whether no row can be on its way that belongs before T0, as far as can be seen.
    pub(crate) fn silent(&self, options: &Options, cutoff: Cutoff) -> bool {
        let silence = (options.excursion * SILENT_EXCURSIONS).as_nanos();
        let nanos_a_unit = Precision::Nano.per_second() / cutoff.precision.per_second();
        let silent = |extent: &Extent| match extent.period {
            Some(period) => {
                let age = (i128::from(cutoff.units) - i128::from(period.to)) * i128::from(nanos_a_unit);
                u128::try_from(age).is_ok_and(|age| age > silence)
            }
            None => extent.exact && extent.rows == 0,
        };
        options.schema == SchemaMode::Only || self.all().all(silent)
    }

    fn all(&self) -> impl Iterator<Item = &Extent> {
        self.stables.iter().chain(&self.normal)
    }
}

/// A stable whose subtables follow, or the normal tables under an empty name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// Its name.
    pub name: String,
    /// Rows of all time, as cheaply as they could be learnt.
    pub rows: u64,
    /// Tables that are taken.
    pub tables: u64,
    /// From its first row to just past its last, where known.
    pub period: Option<Period>,
    /// Bytes that a row usually takes.
    pub row_bytes: u32,
}

impl Heading {
    pub(crate) fn of_stable(stable: &Stable, tables: u64, extent: Extent) -> Self {
        Self {
            name: stable.name.clone(),
            rows: extent.rows,
            tables,
            period: extent.period,
            row_bytes: sizing::row_bytes(&stable.columns),
        }
    }

    pub(crate) fn of_normal_tables(tables: &[NormalTable], extents: &[Extent]) -> Self {
        let widest = tables.iter().map(|table| sizing::row_bytes(&table.columns)).max();
        Self {
            name: String::new(),
            rows: extents.iter().fold(0, |sum, one| sum.saturating_add(one.rows)),
            tables: u64::try_from(tables.len()).unwrap_or(u64::MAX),
            period: extents.iter().filter_map(|one| one.period).reduce(spanning),
            row_bytes: widest.unwrap_or(0),
        }
    }
}

fn spanning(one: Period, other: Period) -> Period {
    Period { from: one.from.min(other.from), to: one.to.max(other.to) }
}
