//! Which subtables are meant where all of a stable are asked for, and the task takes only some.

use futures_util::TryStreamExt;
use tdferry_common::batch::{Run, TableRuns};
use tdferry_common::port::{PortResult, Source, Tables};

use crate::filter::Filter;

/// The subtables that the filter takes, by name, where it picks them one by one and all of a stable are meant.
pub(super) async fn names(
    source: &dyn Source,
    filter: &Filter,
    tables: Tables<'_>,
) -> PortResult<Option<Vec<String>>> {
    let Tables::All { stable } = tables else { return Ok(None) };
    if !filter.picks_tables() {
        return Ok(None);
    }
    let mut pages = source.subtables(stable, false);
    let mut names = Vec::new();
    while let Some(page) = pages.try_next().await? {
        names.extend(page.into_iter().map(|one| one.name).filter(|name| filter.takes(stable, name)));
    }
    Ok(Some(names))
}

/// The same tables, where they were looked up by those names.
pub(super) fn named<'a>(tables: Tables<'a>, names: Option<&'a [String]>) -> Tables<'a> {
    match (tables, names) {
        (Tables::All { stable }, Some(names)) => Tables::Of { stable, names },
        _ => tables,
    }
}

/// The rows of the subtables that the filter takes.
pub(super) fn runs(part: TableRuns, takes: impl Fn(&str) -> bool) -> TableRuns {
    let taken: Vec<Run> = part.runs.iter().filter(|run| takes(&run.table)).cloned().collect();
    if taken.len() == part.runs.len() {
        return part;
    }
    let mut left = taken.iter().map(|run| run.rows.clone()).peekable();
    let block = part.block.filter(|row| {
        while left.next_if(|rows| rows.end <= row).is_some() {}
        left.peek().is_some_and(|rows| rows.contains(&row))
    });
    let mut at = 0;
    let closed_up = |run: Run| {
        let from = at;
        at += run.rows.len();
        Run { rows: from..at, ..run }
    };
    TableRuns { block, runs: taken.into_iter().map(closed_up).collect() }
}
