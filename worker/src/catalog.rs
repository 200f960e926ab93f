//! What a survey would tell of a source, for who plans without a task: the same questions through the same port, the
//! same filter, no lease and no coordinator. Nothing is written, no row is read.

use futures_util::TryStreamExt;
use tdferry_common::clock::Clock;
use tdferry_common::port::{Connector, PortError, PortResult, Side, Source, Subtable};
use tdferry_common::spec::Spec;
use tdferry_common::task::Cutoff;
use tdferry_common::time::Period;

use crate::extents::Extents;
pub use crate::extents::Heading;
use crate::filter::Filter;
use crate::mapping::{self, Mapping};
use crate::selection::{self, Listing, Selection};
use crate::{period, sizing};

/// A part of a catalog: the start, then each stable followed by its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Sums, before anything else.
    Start(Start),
    /// Its tables follow.
    Stable(Heading),
    /// A page of tables.
    Tables(Vec<Subtable>),
    /// At the end, if there are any: tables whose rows are all to be rejected, since the target takes no table of such a
    /// name.
    Rejected {
        /// How many.
        tables: u64,
        /// The first.
        first: String,
    },
}

/// What is known before anything is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The source's version.
    pub version: String,
    /// Where history would end, if the task began now.
    pub cutoff: Cutoff,
    /// What the task's start and end leave of the time before that.
    pub period: Period,
    /// Stables to copy.
    pub stables: u64,
    /// Subtables to copy.
    pub subtables: u64,
    /// Normal tables to copy.
    pub normal_tables: u64,
    /// Rows of all time.
    pub rows: u64,
}

/// Reads the catalog of a spec's source and hands it on part by part: a page of names in memory at a time.
pub async fn read(
    connector: &dyn Connector,
    spec: &Spec,
    clock: &Clock,
    mut take: impl FnMut(Part),
) -> PortResult<()> {
    let source = mapping::source(connector, spec, "").await?;
    let version = source.version().await?;
    if !version.starts_with('2') {
        let message = format!("it is TDengine {version}; tdferry reads 2.x");
        return Err(PortError::Invalid { side: Side::Source, message });
    }
    let cutoff = cutoff(source.as_ref(), clock).await?;
    let mut filter = Filter::new(&spec.options);
    let selection = selection::select(source.as_ref(), spec, &mut filter, Listing::Always).await?;
    let extents = extents(source.as_ref(), &selection).await?;
    take(Part::Start(Start {
        version,
        cutoff,
        period: period::history(&spec.options, cutoff),
        stables: length(&selection.stables),
        subtables: selection.stables.iter().filter_map(|taken| taken.tables).sum(),
        normal_tables: length(&selection.normal_tables),
        rows: extents.rows(),
    }));
    let (mapping, mut rejected) = (Mapping::of(spec), None);
    let mut telling = |stable: &str, part| {
        if let Part::Tables(page) = &part {
            note_rejected(&mapping, stable, page, &mut rejected);
        }
        take(part);
    };
    for (taken, extent) in selection.stables.iter().zip(&extents.stables) {
        let heading = Heading::of_stable(&taken.stable, taken.tables.unwrap_or(0), *extent);
        tables(source.as_ref(), &mut filter, heading, &mut telling).await?;
    }
    normal_tables(&selection, &extents, &mut telling);
    if let Some((tables, first)) = rejected {
        take(Part::Rejected { tables, first });
    }
    Ok(())
}

fn note_rejected(mapping: &Mapping, stable: &str, page: &[Subtable], rejected: &mut Option<(u64, String)>) {
    for table in page.iter().filter(|table| mapping.rejects(stable, &table.name).is_some()) {
        rejected.get_or_insert_with(|| (0, table.name.clone())).0 += 1;
    }
}

/// By the source's clock where it can be asked, else by this machine's, as a survey fixes it.
async fn cutoff(source: &dyn Source, clock: &Clock) -> PortResult<Cutoff> {
    let precision = source.database().await?.precision;
    let asked = source.clock().await?;
    let units = asked.unwrap_or_else(|| precision.from_unix_millis(clock.wall_millis()));
    Ok(Cutoff { units, precision, from_source: asked.is_some() })
}

async fn extents(source: &dyn Source, selection: &Selection) -> PortResult<Extents> {
    let mut extents = Extents { stables: Vec::new(), normal: Vec::new() };
    for taken in &selection.stables {
        extents.stables.push(source.stable_extent(&taken.stable.name).await?);
    }
    for table in &selection.normal_tables {
        extents.normal.push(source.table_extent(&table.name).await?);
    }
    Ok(extents)
}

async fn tables(
    source: &dyn Source,
    filter: &mut Filter,
    heading: Heading,
    take: &mut impl FnMut(&str, Part),
) -> PortResult<()> {
    let (stable, exact) = (heading.name.clone(), heading.tables <= sizing::EXACT_TABLES);
    take(&stable, Part::Stable(heading));
    let mut pages = source.subtables(&stable, exact);
    while let Some(mut page) = pages.try_next().await? {
        page.retain(|subtable| filter.takes_subtable(&stable, &subtable.name));
        take(&stable, Part::Tables(page));
    }
    Ok(())
}

fn normal_tables(selection: &Selection, extents: &Extents, take: &mut impl FnMut(&str, Part)) {
    if selection.normal_tables.is_empty() {
        return;
    }
    take("", Part::Stable(Heading::of_normal_tables(&selection.normal_tables, &extents.normal)));
    let counted = selection.normal_tables.iter().zip(&extents.normal);
    let page = counted.map(|(table, extent)| Subtable { name: table.name.clone(), extent: Some(*extent) });
    take("", Part::Tables(page.collect()));
}

fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tdferry_common::options::OptionValue;
    use tdferry_common::spec::TaskKind;
    use tdferry_common::testing::{MemConnector, MemDatabase, MemServer, Recipe};

    use super::*;

    const NOW: i64 = 1_767_225_600_000;

    async fn parts(stables: &str) -> (Vec<Part>, Arc<MemServer>) {
        let (source, sink) = (MemServer::source(Recipe::small(7).make()), MemServer::sink());
        let connector = MemConnector::new(source, Arc::clone(&sink));
        let options = [("stables".to_owned(), OptionValue::text(stables))];
        let options = options.into_iter().filter(|_| !stables.is_empty()).collect();
        let to = "ws://t:6041";
        let spec = Spec::build("t", TaskKind::TDengine2, "ws://s:6041/power", to, &options).unwrap();
        let mut parts = Vec::new();
        read(&connector, &spec, &Clock::simulated(NOW), |part| parts.push(part)).await.unwrap();
        (parts, sink)
    }

    fn starts(parts: &[Part]) -> &Start {
        match &parts[0] {
            Part::Start(start) => start,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_catalog_names_every_table_once_and_writes_nothing() {
        let (parts, sink) = parts("").await;
        let start = starts(&parts);
        let listed = parts.iter().filter_map(|part| match part {
            Part::Tables(page) => Some(page.len()),
            Part::Start(_) | Part::Stable(_) | Part::Rejected { .. } => None,
        });
        let listed = u64::try_from(listed.sum::<usize>()).unwrap();
        assert!(start.subtables > 0 && start.rows > 0, "{start:?}");
        assert_eq!(listed, start.subtables + start.normal_tables);
        let headed = parts.iter().filter_map(|part| match part {
            Part::Stable(heading) => Some(heading.rows),
            Part::Start(_) | Part::Tables(_) | Part::Rejected { .. } => None,
        });
        assert_eq!(headed.sum::<u64>(), start.rows);
        assert_eq!(sink.held(), MemDatabase::default());
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_the_task_takes_is_in_the_catalog() {
        let (all, _) = parts("").await;
        let (some, _) = parts("meters").await;
        assert_eq!((starts(&some).stables, starts(&some).normal_tables), (1, 0));
        assert!(starts(&some).subtables < starts(&all).subtables || starts(&all).stables == 1);
    }
}
