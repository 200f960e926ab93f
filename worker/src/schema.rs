//! The schema shard: database, stables and normal tables are created where they are missing, then read back and
//! held against the source's. With `schema=none`, and where a task only compares,
//! nothing but the last is done.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tdferry_common::options::{Mode, OnMissingColumn, Options, SchemaMode};
use tdferry_common::port::{Side, Sink, Source};
use tdferry_common::schema::{NormalTable, Stable};

use crate::filter::Filter;
use crate::lease::{Attempt, Ended, Finish, Worked};
use crate::rules::{self, Load};
use crate::selection::{self, Listing, Selection, Taken};
use crate::structure::{TABLES, hold_normal, no_database};
use crate::target;

/// Statements in flight at once: one after the other a thousand normal tables take a minute on a slow link.
const STATEMENTS: usize = 8;

/// Creates and checks.
pub(crate) async fn run(attempt: &Attempt) -> Worked<Finish> {
    let (source, sink) = (attempt.source().await?, attempt.sink().await?);
    let selection = select(attempt, source.as_ref()).await?;
    create(attempt, source.as_ref(), sink.as_ref(), &selection).await?;
    hold(attempt, source.as_ref(), sink.as_ref(), &selection).await?;
    let end = attempt.shard().end();
    attempt.ledger.advance(|offset, _| *offset = end);
    Ok(Finish::Commit)
}

/// Creates what is missing of a selection, as far as the task creates anything.
pub(crate) async fn create(
    attempt: &Attempt,
    source: &dyn Source,
    sink: &dyn Sink,
    selection: &Selection,
) -> Worked<()> {
    let Options { mode, schema, .. } = attempt.spec.options;
    if mode != Mode::Verify && schema != SchemaMode::None {
        create_database(attempt, source, sink).await?;
        create_tables(attempt, sink, selection).await?;
    }
    if mode != Mode::Verify && attempt.spec.options.on_missing_column == Some(OnMissingColumn::Widen) {
        add_columns(attempt, sink, selection).await?;
    }
    Ok(())
}

/// What the task takes of the source.
pub(crate) async fn select(attempt: &Attempt, source: &dyn Source) -> Worked<Selection> {
    let question = || async {
        let mut filter = Filter::new(&attempt.spec.options);
        selection::select(source, &attempt.spec, &mut filter, Listing::IfPicked).await
    };
    attempt.list("reading the source's structure", Side::Source, question).await
}

async fn create_database(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink) -> Worked<()> {
    let found = attempt.ask("looking for the target database", Side::Sink, || sink.database()).await?;
    match found {
        Some(_) => return Ok(()),
        None if !attempt.spec.options.assert => return Err(no_database(attempt)),
        None => {}
    }
    let database = attempt.ask("reading the source database", Side::Source, || source.database()).await?;
    let server = attempt.ask("looking at the target", Side::Sink, || sink.server()).await?;
    let load = Load::new(attempt.claimed.planned_tables, attempt.claimed.fleet_slots, &server);
    let translated = rules::translate(&database, &attempt.spec.options.database, &load);
    for difference in &translated.differences {
        tracing::info!(%difference, "a database option differs");
    }
    let create = || sink.create_database(&translated.options);
    attempt.ask("creating the target database", Side::Sink, create).await
}

async fn create_tables(attempt: &Attempt, sink: &dyn Sink, selection: &Selection) -> Worked<()> {
    let stables = selection.stables.iter().map(|taken| create_stable(attempt, sink, &taken.stable).boxed());
    all(stables.collect()).await?;
    let tables = selection.normal_tables.iter().map(|table| create_table(attempt, sink, table).boxed());
    all(tables.collect()).await
}

async fn create_stable(attempt: &Attempt, sink: &dyn Sink, stable: &Stable) -> Worked<()> {
    let doing = format!("creating the stable `{}`", stable.name);
    attempt.ask(&doing, Side::Sink, || sink.create_stable(stable)).await
}

async fn create_table(attempt: &Attempt, sink: &dyn Sink, table: &NormalTable) -> Worked<()> {
    let doing = format!("creating the normal table `{}`", table.name);
    attempt.ask(&doing, Side::Sink, || sink.create_table(table)).await
}

/// Adds to stables and normal tables that are there what they lack. One that is not there is told of when all are held
/// against each other.
async fn add_columns(attempt: &Attempt, sink: &dyn Sink, selection: &Selection) -> Worked<()> {
    let mapping = attempt.mapping();
    let found = attempt.list("listing the target's stables", Side::Sink, || sink.stables()).await?;
    for Taken { stable, .. } in &selection.stables {
        let target = mapping.stable(&stable.name);
        if found.iter().any(|one| one.name == target) {
            let doing = format!("adding columns to the stable `{}`", stable.name);
            attempt.ask(&doing, Side::Sink, || sink.add_to_stable(stable)).await?;
        }
    }
    let names: Vec<_> = selection.normal_tables.iter().map(|table| table.name.clone()).collect();
    for names in names.chunks(TABLES) {
        let doing = "reading the target's normal tables";
        let found = attempt.ask(doing, Side::Sink, || sink.tables(names)).await?;
        let found: BTreeSet<_> = found.iter().map(|table| table.name.as_str()).collect();
        for table in selection.normal_tables.iter().filter(|table| found.contains(table.name.as_str())) {
            let doing = format!("adding columns to the normal table `{}`", table.name);
            attempt.ask(&doing, Side::Sink, || sink.add_to_table(table)).await?;
        }
    }
    Ok(())
}

async fn all(statements: Vec<BoxFuture<'_, Worked<()>>>) -> Worked<()> {
    stream::iter(statements).buffer_unordered(STATEMENTS).try_collect().await
}

/// Holds all of a selection against the target.
async fn hold(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink, selection: &Selection) -> Worked<()> {
    // what others read before this was created is of no use any more
    attempt.session.structures.forget(attempt);
    let both = attempt.session.structures.both(attempt, source, sink).await?;
    let database = both.target.as_ref().ok_or_else(|| no_database(attempt))?;
    let mut mismatches: Vec<_> = target::hold_precision(&both.source, database).into_iter().collect();
    mismatches.extend(selection.stables.iter().flat_map(|taken| both.hold_stable(&taken.stable)));
    let tables: Vec<&NormalTable> = selection.normal_tables.iter().collect();
    mismatches.extend(hold_normal(attempt, sink, &tables).await?);
    // a task that only compares tells of them where it compares them
    let told_later = attempt.spec.options.mode == Mode::Verify;
    mismatches.retain(|mismatch| !told_later || mismatch.lacking_normal_table().is_none());
    let mismatches = target::unsettled(mismatches, &attempt.spec.options);
    if mismatches.is_empty() {
        return Ok(());
    }
    attempt.session.structures.forget(attempt);
    Err(Ended::Failed(target::in_words(&mismatches)))
}
