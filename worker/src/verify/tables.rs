//! Subtables that only the target has. The names of a stable are held as hashes, so that a million of them are some
//! tens of megabytes; what the target has more is looked at table by table.
//!
//! A table counts only where it holds rows of the time that is compared: one that was emptied, or that takes only new
//! data, is nobody's fault. One that the task could not have made, by its name or its tags, is another's.

use std::sync::Arc;

use futures_util::TryStreamExt;
use tdferry_common::batch::TagRow;
use tdferry_common::options::RowFilter;
use tdferry_common::port::{PortError, PortResult, Side, Sink, Source, Tables};
use tdferry_common::schema::{Column, Stable};
use tdferry_common::shard::{Differing, Extra};
use tdferry_common::time::Period;
use xxhash_rust::xxh3::xxh3_128;

use super::cursor::Cursor;
use super::finding::Findings;
use super::{Since, exact};
use crate::edges;
use crate::filter::Filter;
use crate::lease::{Asker, Attempt, Ended, Finish, Worked};
use crate::mapping::Mapping;

/// Tables whose rows are counted with one question.
const COUNTED: usize = 1_000;
/// Names that are held of one stable. Where the target has more, something else is wrong than some tables.
const MOST_NAMES: usize = 100_000;

/// Looks for them, and tells them by the target's names.
pub(crate) async fn run(attempt: &Arc<Attempt>) -> Worked<Finish> {
    let (look, mut findings) = (Look::begin(attempt, attempt.shard().period).await?, Findings::default());
    let mut differing = Differing::default();
    // that it moves shows that it is not stuck
    let seen = |tables: u64| {
        attempt.ledger.advance(|_, totals| totals.tables = totals.tables.saturating_add(tables))
    };
    for found in look.all(&seen).await? {
        let Found { table, rows, .. } = &found;
        findings.tell(format!("`{table}`: an extra table, which only the target has, with {rows} rows"));
        differing.extra_tables = differing.extra_tables.saturating_add(1);
        differing.extra = differing.extra.saturating_add(*rows);
    }
    attempt.ledger.advance(|_, totals| totals.differing = differing);
    match differing.is_none() {
        true => Ok(Finish::Commit),
        false => Ok(Finish::Differs(findings.in_words(differing, Since::Same))),
    }
}

/// Deletes their rows where a person asked for that. The tables stay, empty: what they are named is no secret worth
/// losing, and who made them may still write to them.
pub(super) async fn repair(attempt: &Arc<Attempt>, extra: Extra) -> Worked<()> {
    if extra == Extra::Kept {
        return Ok(());
    }
    let look = Look::begin(attempt, attempt.shard().period).await?;
    for found in look.all(&|_| ()).await? {
        look.delete(attempt, &found).await?;
    }
    Ok(())
}

/// What looking needs.
pub(super) struct Look<'a> {
    asker: &'a Asker,
    source: Arc<dyn Source>,
    /// Under the target's own names.
    sink: Arc<dyn Sink>,
    mapping: Mapping,
    period: Period,
}

/// A table that only the target has.
pub(super) struct Found {
    pub(super) table: String,
    /// What the source might call it; none where that cannot be told.
    pub(super) names: Vec<String>,
    pub(super) rows: u64,
    /// What its rows are counted in, and the time of each; `None` where all of them count.
    taken: Option<(Arc<dyn Sink>, Column)>,
}

impl<'a> Look<'a> {
    pub(super) async fn begin(asker: &'a Asker, period: Period) -> Worked<Self> {
        let (source, sink) = (asker.source().await?, asker.target().await?);
        let period = edges::kept(asker, source.as_ref(), sink.as_ref(), period).await?;
        Ok(Self { asker, source, sink, mapping: asker.mapping(), period })
    }

    /// All of them; `seen` is told of how many tables of the source were passed.
    pub(super) async fn all(&self, seen: &(dyn Fn(u64) + Sync)) -> Worked<Vec<Found>> {
        let structures = &self.asker.means.structures;
        let both = structures.both(self.asker, self.source.as_ref(), self.sink.as_ref()).await?;
        let (filter, mut all) = (Filter::new(&self.asker.spec.options), Vec::new());
        for stable in both.source_stables().filter(|stable| filter.takes_stable(&stable.name)) {
            let target = self.mapping.target_stable(stable);
            if both.target_stable(&target.name).is_none() {
                continue;
            }
            self.asker.go_on()?;
            let names =
                self.asker.list("listing subtables", Side::Source, || self.known(&stable.name)).await?;
            let more = || self.more(stable, &target, &names, filter.clone());
            let more = self.asker.list("listing the target's subtables", Side::Sink, more).await?;
            all.extend(self.with_rows(stable, &target, more).await?);
            seen(u64::try_from(names.len()).unwrap_or(u64::MAX));
        }
        Ok(all)
    }

    /// The names at the target of all that the source has of a stable, taken or not: none of them is an extra table.
    async fn known(&self, stable: &str) -> PortResult<Hashes> {
        let (mut hashes, mut pages) = (Vec::new(), self.source.subtables(stable, false));
        while let Some(page) = pages.try_next().await? {
            let target = |name: &str| xxh3_128(self.mapping.table(stable, name).as_bytes());
            hashes.extend(page.iter().map(|subtable| target(&subtable.name)));
        }
        Ok(Hashes::new(hashes))
    }

    /// What the target has more, as far as the task could have made it.
    async fn more(
        &self,
        stable: &Stable,
        target: &Stable,
        known: &Hashes,
        mut filter: Filter,
    ) -> PortResult<Vec<Found>> {
        let (mut more, mut pages) = (Vec::new(), self.sink.all_tags(target));
        while let Some(page) = pages.try_next().await? {
            for row in page.into_iter().filter(|row| !known.has(&row.name)) {
                if more.len() >= MOST_NAMES {
                    tracing::warn!(
                        stable = target.name,
                        most = MOST_NAMES,
                        "the target has more extra tables"
                    );
                    return Ok(more);
                }
                more.extend(self.one(stable, row, &mut filter));
            }
        }
        Ok(more)
    }

    fn one(&self, stable: &Stable, row: TagRow, filter: &mut Filter) -> Option<Found> {
        if !self.mapping.has_added_tags(stable, &row) {
            return None;
        }
        let names = self.mapping.undone(&stable.name, &row.name);
        let ours = match &names {
            Some(names) => names.iter().any(|name| filter.takes_subtable(&stable.name, name)),
            // which of the tables are picked goes by names that cannot be told
            None => !filter.picks_tables(),
        };
        let names = names.unwrap_or_default();
        ours.then(|| Found { table: row.name, names, rows: 0, taken: None })
    }

    /// Those that hold rows of the period.
    async fn with_rows(&self, stable: &Stable, target: &Stable, found: Vec<Found>) -> Worked<Vec<Found>> {
        let narrowed = self.narrowed(stable)?;
        let taken = narrowed.zip(target.columns.first().cloned());
        let sink = taken.as_ref().map_or(&self.sink, |(sink, _)| sink);
        let mut all = Vec::new();
        let mut rest = found.into_iter().peekable();
        while rest.peek().is_some() {
            let some: Vec<Found> = rest.by_ref().take(COUNTED).collect();
            let names: Vec<String> = some.iter().map(|found| found.table.clone()).collect();
            let tables = Tables::Of { stable: &target.name, names: &names };
            let count = || sink.count_each(tables, self.period);
            let counted = if self.period.is_empty() {
                Default::default()
            } else {
                self.asker.ask("counting rows of extra tables", Side::Sink, count).await?
            };
            let rows = |found: Found| {
                let rows = counted.get(&found.table).copied().unwrap_or(0);
                Found { rows, taken: taken.clone(), ..found }
            };
            all.extend(some.into_iter().map(rows).filter(|found| found.rows > 0));
        }
        Ok(all)
    }

    /// The target under the task's condition on rows of this stable; `None` where there is none.
    fn narrowed(&self, stable: &Stable) -> Worked<Option<Arc<dyn Sink>>> {
        let columns = stable.columns.iter().chain(&stable.tags);
        let condition = self.mapping.condition(&stable.name, columns);
        let condition = condition.map_err(|why| Ended::Failed(format!("option `where`: {why}")))?;
        Ok(condition.and_then(|sql| self.sink.narrowed(&RowFilter::for_all(&sql))))
    }

    async fn delete(&self, attempt: &Attempt, found: &Found) -> Worked<()> {
        let Self { source, sink, period, .. } = self;
        for name in &found.names {
            let count = || async {
                match source.count(Tables::One { name }, *period).await {
                    Err(PortError::Missing { .. }) => Ok(0),
                    counted => counted,
                }
            };
            if attempt.ask("counting rows", Side::Source, count).await? > 0 {
                tracing::warn!(table = found.table, "the source has the table after all; none is deleted");
                return Ok(());
            }
        }
        tracing::warn!(table = found.table, rows = found.rows, "deleting the rows of an extra table");
        if let Some((taken, time)) = &found.taken {
            let columns = Arc::from([time.clone()]);
            let mut rows = Cursor::new(attempt, taken.as_ref(), &found.table, columns, *period);
            while rows.next_block().await? {
                let block = rows.block().map_or(0..0, |block| 0..block.rows());
                let times: Vec<i64> = block.filter_map(|row| rows.block()?.timestamp(row)).collect();
                exact::delete(attempt, sink.as_ref(), &found.table, &times).await?;
            }
            return Ok(());
        }
        attempt.session.writable().await;
        let delete = || sink.delete(&found.table, *period);
        attempt.ask("deleting the rows of an extra table", Side::Sink, delete).await
    }
}

/// Names as hashes, in order.
struct Hashes(Vec<u128>);

impl Hashes {
    fn new(mut hashes: Vec<u128>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }

    fn has(&self, name: &str) -> bool {
        self.0.binary_search(&xxh3_128(name.as_bytes())).is_ok()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
