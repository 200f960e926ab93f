//! What both databases tell of themselves once a task has ended, for its certificate: versions, options, and on request a
//! sum over every subtable, read again on both sides. Only reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::TryStreamExt;
use tdferry_common::digest::{RowSum, run_hashes};
use tdferry_common::options::OnMissingColumn;
use tdferry_common::port::{Connector, PortError, PortResult, Rows, Sink, Source};
use tdferry_common::schema::{Column, Database, NormalTable, Stable};
use tdferry_common::spec::Spec;
use tdferry_common::time::Period;

use crate::filter::Filter;
use crate::mapping::{self, Mapping};
use crate::rules::{self, Load, Why};
use crate::selection::{self, Listing, Selection, Taken};

/// Subtables read with one query: few enough that their sums are nothing in memory, enough to be quick.
const NAMES_AT_ONCE: usize = 256;

/// One side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// The server's version.
    pub version: String,
    /// The database's options, by the server's own names.
    pub options: BTreeMap<String, String>,
}

/// An option of the source's database as tdferry says it to a new target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// The source's name for it.
    pub option: String,
    /// The source's value.
    pub source: String,
    /// What is said instead.
    pub target: String,
    /// Why it is not the same, in a word.
    pub why: &'static str,
}

/// Both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sides {
    /// The 2.x database.
    pub source: Told,
    /// The 3.x database.
    pub target: Told,
    /// What is not the same in a new target as it is in the source.
    pub translations: Vec<Translation>,
    /// Columns that were not copied, since the target lacks them.
    pub left_out: Vec<LeftOut>,
}

/// Columns of a stable or normal table that were not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Whether it is a stable.
    pub is_stable: bool,
    /// The table.
    pub table: String,
    /// The columns.
    pub columns: Vec<String>,
}

/// A table on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSums {
    /// Empty for a normal table.
    pub stable: String,
    /// The table.
    pub table: String,
    /// What the target calls it.
    pub at_target: String,
    /// Rows and sum of the source.
    pub source: (u64, RowSum),
    /// Rows and sum of the target.
    pub target: (u64, RowSum),
}

/// What the target calls a stable of the source.
pub fn stable_at_target(spec: &Spec, stable: &str) -> String {
    Mapping::of(spec).stable(stable)
}

/// Asks both sides what they are.
pub async fn ask(connector: &dyn Connector, spec: &Spec) -> PortResult<Sides> {
    let (source, sink) = (mapping::source(connector, spec, "").await?, connector.sink(spec).await?);
    let held = source.database().await?;
    let options = sink.database().await?.unwrap_or_default().options;
    let translations = translations(&held, spec, &options);
    let left_out = match spec.options.on_missing_column {
        Some(OnMissingColumn::Null) => left_out(connector, spec, source.as_ref()).await?,
        None | Some(OnMissingColumn::Fail | OnMissingColumn::Widen) => Vec::new(),
    };
    Ok(Sides {
        left_out,
        source: Told { version: source.version().await?, options: held.options },
        target: Told { version: sink.version().await?, options },
        translations,
    })
}

fn translations(source: &Database, spec: &Spec, target: &BTreeMap<String, String>) -> Vec<Translation> {
    let told = rules::translate(source, &spec.options.database, &Load::default());
    let translation = |one: rules::Difference| {
        // how many there were to be depended on the moment; how many there are does not
        let chosen = target.get("vgroups").filter(|_| one.why == Why::Chosen);
        let target = chosen.map_or(one.target, |vgroups| format!("VGROUPS {vgroups}"));
        Translation { option: one.option, source: one.source, target, why: one.why.as_str() }
    };
    told.differences.into_iter().map(translation).collect()
}

/// Reads every table that the task takes on both sides, in this period, and hands on their sums table by table.
pub async fn sums(
    connector: &dyn Connector,
    spec: &Spec,
    period: Period,
    mut take: impl FnMut(TableSums),
) -> PortResult<()> {
    let source = mapping::source(connector, spec, "").await?;
    let mut filter = Filter::new(&spec.options);
    let mut selection = selection::select(source.as_ref(), spec, &mut filter, Listing::IfPicked).await?;
    let sink = mapping::sink(connector, spec, "").await?;
    if spec.options.on_missing_column == Some(OnMissingColumn::Null) {
        leave_out(&mut selection, sink.as_ref(), &Mapping::of(spec)).await?;
    }
    for taken in &selection.stables {
        // as their rows are copied: under the target's names, and of the rows that are asked for
        let both = Both::open(connector, spec, &taken.stable, period).await?;
        let mut pages = source.subtables(&taken.stable.name, false);
        while let Some(page) = pages.try_next().await? {
            let names = page.into_iter().map(|subtable| subtable.name);
            let names: Vec<String> =
                names.filter(|name| filter.takes_subtable(&taken.stable.name, name)).collect();
            for names in names.chunks(NAMES_AT_ONCE) {
                both.tables(names).await?.into_iter().for_each(&mut take);
            }
        }
    }
    for table in &selection.normal_tables {
        let (columns, name) = (table.columns.as_slice(), table.name.as_str());
        let source = one(source.as_ref(), name, columns, period).await?;
        let target = if_there(one(sink.as_ref(), name, columns, period).await)?;
        let at_target = Mapping::of(spec).table("", name);
        take(TableSums { stable: String::new(), table: table.name.clone(), at_target, source, target });
    }
    Ok(())
}

/// What a task that leaves out columns left out.
async fn left_out(connector: &dyn Connector, spec: &Spec, source: &dyn Source) -> PortResult<Vec<LeftOut>> {
    let mut filter = Filter::new(&spec.options);
    let mut selection = selection::select(source, spec, &mut filter, Listing::IfPicked).await?;
    let sink = mapping::sink(connector, spec, "").await?;
    leave_out(&mut selection, sink.as_ref(), &Mapping::of(spec)).await
}

/// Leaves out the columns that were not copied, since the target lacks them, and tells them.
async fn leave_out(
    selection: &mut Selection,
    sink: &dyn Sink,
    mapping: &Mapping,
) -> PortResult<Vec<LeftOut>> {
    let mut told = Vec::new();
    let mut leave = |is_stable, table: &str, columns: &mut Vec<Column>, there: &[Column]| {
        let has = |column: &Column| {
            let target = mapping.column(table, &column.name);
            there.iter().any(|one| one.name == target)
        };
        let left_out = columns.extract_if(.., |column| !has(column)).map(|column| column.name);
        let columns: Vec<_> = left_out.collect();
        if !columns.is_empty() {
            told.push(LeftOut { is_stable, table: table.to_owned(), columns });
        }
    };
    let stables = sink.stables().await?;
    for Taken { stable, .. } in &mut selection.stables {
        let target = mapping.stable(&stable.name);
        let there = stables.iter().find(|one| one.name == target).map_or(&[][..], |one| &one.columns);
        leave(true, &stable.name, &mut stable.columns, there);
    }
    let names: Vec<_> = selection.normal_tables.iter().map(|table| table.name.clone()).collect();
    let tables = sink.tables(&names).await?;
    let taken = |table: &&mut NormalTable| mapping.rejects("", &table.name).is_none();
    for table in selection.normal_tables.iter_mut().filter(taken) {
        let there = tables.iter().find(|one| one.name == table.name).map_or(&[][..], |one| &one.columns);
        leave(false, &table.name, &mut table.columns, there);
    }
    Ok(told)
}

/// A stable on both sides.
struct Both<'a> {
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    stable: &'a Stable,
    mapping: Mapping,
    period: Period,
}

impl<'a> Both<'a> {
    async fn open(
        connector: &dyn Connector,
        spec: &Spec,
        stable: &'a Stable,
        period: Period,
    ) -> PortResult<Self> {
        let source = mapping::source(connector, spec, &stable.name).await?;
        let sink = mapping::sink(connector, spec, &stable.name).await?;
        Ok(Self { source, sink, stable, mapping: Mapping::of(spec), period })
    }

    async fn tables(&self, names: &[String]) -> PortResult<Vec<TableSums>> {
        let (source, target) = tokio::join!(
            many(self.source.as_ref(), self.stable, names, self.period),
            many(self.sink.as_ref(), self.stable, names, self.period),
        );
        let (source, target) = (source?, if_there(target)?);
        let of = |sums: &BTreeMap<String, (u64, RowSum)>, name: &String| {
            sums.get(name).copied().unwrap_or_default()
        };
        // a name that a server lists twice is one table
        let names: BTreeSet<&String> = names.iter().collect();
        let sums = |name: &String| TableSums {
            stable: self.stable.name.clone(),
            table: name.clone(),
            at_target: self.mapping.table(&self.stable.name, name),
            source: of(&source, name),
            target: of(&target, name),
        };
        Ok(names.into_iter().map(sums).collect())
    }
}

/// A target that lacks the table, or a column of it, has none of the source's rows. That must not hide how a task ended.
fn if_there<T: Default>(read: PortResult<T>) -> PortResult<T> {
    match read {
        Err(PortError::Missing { .. }) => Ok(T::default()),
        read => read,
    }
}

async fn many(
    rows: &dyn Rows,
    stable: &Stable,
    names: &[String],
    period: Period,
) -> PortResult<BTreeMap<String, (u64, RowSum)>> {
    let mut sums: BTreeMap<String, (u64, RowSum)> = BTreeMap::new();
    let mut read = rows.read_many(stable, names, period);
    while let Some(part) = read.try_next().await? {
        let hashes = run_hashes(&part);
        for run in &part.runs {
            let hashes = hashes.get(run.rows.clone()).unwrap_or_default();
            let (count, sum) = sums.entry(run.table.to_string()).or_default();
            *count += u64::try_from(hashes.len()).unwrap_or(u64::MAX);
            sum.add(RowSum::of_hashes(hashes));
        }
    }
    Ok(sums)
}

async fn one(rows: &dyn Rows, table: &str, columns: &[Column], period: Period) -> PortResult<(u64, RowSum)> {
    let (mut count, mut sum) = (0, RowSum::ZERO);
    let mut read = rows.read(table, columns.into(), period);
    while let Some(block) = read.try_next().await? {
        count += u64::try_from(block.rows()).unwrap_or(u64::MAX);
        sum.add(RowSum::of_block(table, &block));
    }
    Ok((count, sum))
}

#[cfg(test)]
mod tests {
    use tdferry_common::spec::TaskKind;
    use tdferry_common::testing::{MemConnector, MemDatabase, MemServer, Recipe};

    use super::*;

    fn spec() -> Spec {
        let (from, to) = ("ws://s:6041/power", "ws://t:6041");
        Spec::build("t", TaskKind::TDengine2, from, to, &BTreeMap::new()).unwrap()
    }

    async fn differing(source: MemDatabase, target: MemDatabase) -> (Vec<String>, usize) {
        let sink = MemServer::sink();
        sink.change(|held| *held = target);
        let connector = MemConnector::new(MemServer::source(source), Arc::clone(&sink));
        let mut told = Vec::new();
        sums(&connector, &spec(), Period::ALL, |sums| told.push(sums)).await.unwrap();
        let differ =
            told.iter().filter(|sums| sums.source != sums.target).map(|sums| sums.table.clone()).collect();
        (differ, told.len())
    }

    #[tokio::test(start_paused = true)]
    async fn every_table_is_summed_on_both_sides_and_the_one_that_differs_is_named() {
        let whole = Recipe::small(11).make();
        let (differ, tables) = differing(whole.clone(), whole.clone()).await;
        assert_eq!((differ, tables), (Vec::new(), whole.tables.len()));
        for name in whole.tables.keys() {
            let mut damaged = whole.clone();
            // a row is gone
            let Some(lost) = damaged.tables.get_mut(name).and_then(|table| table.rows.pop_first()) else {
                continue;
            };
            let (differ, _) = differing(whole.clone(), damaged).await;
            assert_eq!(differ, std::slice::from_ref(name), "{lost:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn both_sides_tell_their_versions_and_options_and_what_was_translated() {
        let mut database = Recipe::small(11).make();
        database.database.options.insert("keep".into(), "100".into());
        let sink = MemServer::sink();
        let connector = MemConnector::new(MemServer::source(database), Arc::clone(&sink));
        sink.change(|held| held.database.options.insert("vgroups".into(), "7".into()));
        let sides = ask(&connector, &spec()).await.unwrap();
        assert!(sides.source.version.starts_with('2') && sides.target.version.starts_with('3'));
        assert_eq!(sides.source.options["keep"], "100");
        let keep = sides.translations.iter().find(|one| one.option == "keep").unwrap();
        assert_eq!((keep.why, keep.source.as_str()), ("widened", "100"));
    }
}
