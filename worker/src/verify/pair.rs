//! Both sides of some tables, and how the rows of each are compared. Knows no lease: what was compared is told to a
//! [`Visit`], and where a shard stands is kept by whoever asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use tdferry_common::digest::RowSum;
use tdferry_common::options::RowFilter;
use tdferry_common::port::{PortError, Rows, Side, Sink, Source, Tables};
use tdferry_common::schema::{Column, Stable};
use tdferry_common::time::{Period, Precision};

use super::cursor::Cursor;
use super::{Read, Visit, merge};
use crate::edges;
use crate::lease::{Asker, Ended, Worked};
use crate::structure::Layout;

/// How often a table is read that answers other numbers of rows than it counts.
const READS: u32 = 3;

/// Both sides of the tables of an asker.
pub(super) struct Pair {
    pub(super) asker: Arc<Asker>,
    pub(super) source: Arc<dyn Source>,
    /// What is written to.
    pub(super) sink: Arc<dyn Sink>,
    /// What is read of it: the rows that the task's condition takes, all where there is none.
    target: Arc<dyn Sink>,
    layout: Layout,
    /// Normal tables that the target does not have.
    pub(super) lacking: BTreeSet<String>,
}

impl Pair {
    pub(super) async fn open(asker: Arc<Asker>) -> Worked<Self> {
        let (source, sink) = (asker.source().await?, asker.sink().await?);
        let structures = &asker.means.structures;
        let (layout, lacking) = structures.layout_to_compare(&asker, source.as_ref(), sink.as_ref()).await?;
        let target = match conditions(&asker, &layout)? {
            taken if taken.is_empty() => Arc::clone(&sink),
            taken => asker.narrowed(&asker.looked_at.stable, &taken).await?,
        };
        Ok(Self { asker, source, sink, target, layout, lacking })
    }

    pub(super) fn rows(&self, side: Side) -> &dyn Rows {
        match side {
            Side::Source => self.source.as_ref(),
            Side::Sink => self.target.as_ref(),
        }
    }

    /// The columns of a table that both sides have.
    pub(super) fn columns(&self, table: &str) -> Arc<[Column]> {
        self.layout.columns(table).unwrap_or_else(|| Arc::from([]))
    }

    /// Whose subtables they are; `None` of normal tables.
    pub(super) fn stable(&self) -> Option<&Stable> {
        match &self.layout {
            Layout::Stable { stable, .. } => Some(stable),
            Layout::Normal(_) => None,
        }
    }

    /// How both sides count time.
    pub(super) async fn precision(&self) -> Worked<Precision> {
        let Self { asker, source, sink, .. } = self;
        let both = asker.means.structures.both(asker, source.as_ref(), sink.as_ref()).await?;
        Ok(both.source.precision)
    }

    /// A period without what either side's KEEP lets go of.
    pub(super) async fn kept(&self, period: Period) -> Worked<Period> {
        edges::kept(&self.asker, self.source.as_ref(), self.sink.as_ref(), period).await
    }

    /// Compares one table. What seems to differ is believed only where each side answered as many rows as it counts,
    /// since reads are known to end early without an error.
    pub(super) async fn table(&self, table: &str, period: Period, visit: &mut dyn Visit) -> Worked<Read> {
        if self.is_rejected(table) {
            return Ok(Read::default());
        }
        for _ in 0..READS {
            let mut read = self.table_once(table, period, visit).await?;
            let whole =
                read.differing.is_none() || self.counts_are(table, period, read, visit.unchanged()).await?;
            if !whole {
                tracing::warn!(table, "fewer rows were answered than are counted; reading again");
                visit.forget();
                continue;
            }
            if self.lacking.contains(table) {
                visit.lacks(table);
                read.differing.unlike = 1;
            }
            let (differs, refused) = visit.table_ended();
            read.differing.tables = u64::from(differs);
            read.sum.subtract(refused);
            read.left_out = refused;
            return Ok(read);
        }
        Err(Ended::Erred(format!("`{table}` answers other numbers of rows than it counts in {period}")))
    }

    async fn table_once(&self, table: &str, period: Period, visit: &mut dyn Visit) -> Worked<Read> {
        let columns = self.columns(table);
        let cursor = |side| Cursor::new(&self.asker, self.rows(side), table, Arc::clone(&columns), period);
        let (mut source, mut target) = (cursor(Side::Source), cursor(Side::Sink));
        let differing = merge::run(&mut source, &mut target, visit).await?;
        let bytes = source.bytes.saturating_add(target.bytes);
        let (sum, left_out) = (source.sum, RowSum::ZERO);
        Ok(Read { source: source.read, target: target.read, bytes, sum, left_out, differing })
    }

    async fn counts_are(&self, table: &str, period: Period, read: Read, sides: &[Side]) -> Worked<bool> {
        for side in sides {
            let rows = match side {
                Side::Source => read.source,
                Side::Sink => read.target,
            };
            if self.count(*side, table, period).await? != rows {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many rows one side counts; none where it has no such table.
    pub(super) async fn count(&self, side: Side, table: &str, period: Period) -> Worked<u64> {
        let rows = self.rows(side);
        let question = || async move {
            match rows.count(Tables::One { name: table }, period).await {
                Err(PortError::Missing { .. }) => Ok(0),
                counted => counted,
            }
        };
        if period.is_empty() { Ok(0) } else { self.asker.ask("counting rows", side, question).await }
    }

    /// Whether all rows of a table are kept as rejects, so that there is nothing to compare them with.
    fn is_rejected(&self, table: &str) -> bool {
        self.asker.mapping().rejects(&self.asker.looked_at.stable, table).is_some()
    }
}

/// The conditions of the task on the tables, as the target is asked.
fn conditions(asker: &Asker, layout: &Layout) -> Worked<RowFilter> {
    let mapping = asker.mapping();
    let refused = |why: String| {
        Ended::Failed(format!(
            "option `where`: the target cannot be compared under the condition: {why}; create the task with another one"
        ))
    };
    match layout {
        Layout::Stable { stable, .. } => {
            let columns = stable.columns.iter().chain(&stable.tags);
            let condition = mapping.condition(&stable.name, columns).map_err(refused)?;
            Ok(condition.map_or_else(RowFilter::default, |sql| RowFilter::for_all(&sql)))
        }
        Layout::Normal(tables) => {
            let one = |(name, columns): (&String, &Arc<[Column]>)| {
                let condition = mapping.condition(name, columns.iter()).map_err(refused);
                condition.map(|sql| sql.map(|sql| (mapping.table("", name), sql))).transpose()
            };
            Ok(RowFilter::for_tables(tables.iter().filter_map(one).collect::<Worked<Vec<_>>>()?))
        }
    }
}
