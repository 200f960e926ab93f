//! The create shard: the subtables of a group with their tags, in batches, from the offset on.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use tdferry_common::batch::TagRow;
use tdferry_common::port::{Side, Sink, Source};
use tdferry_common::schema::Stable;

use crate::lease::{Attempt, Ended, Finish, Worked};
use crate::structure::Layout;
use crate::tags::{Holder, without};

/// Subtables in one batch: some 200 KB of DDL with ordinary tags, measured at 29,000 to 45,000 tables a second.
const BATCH: u32 = 2_000;
/// Tags are read for the next batch while this one is created.
const AHEAD: usize = 2;
/// Names in an error: more would not be read.
const SHOWN: usize = 10;

/// Creates what is missing, then looks whether all is there: of this shard and those before it, if no other will.
pub(crate) async fn run(attempt: &Attempt) -> Worked<Finish> {
    let (source, sink) = (attempt.source().await?, attempt.sink().await?);
    let layout = attempt.session.structures.layout(attempt, source.as_ref(), sink.as_ref()).await?;
    let Layout::Stable { stable, .. } = layout else {
        return Err(Ended::Failed(
            "a create shard without a stable: its plan is wrong; create the task again".into(),
        ));
    };
    let mut creating = attempt.session.created.begin(&attempt.claimed.spec, &stable.name);
    let gone = create(attempt, &source, sink.as_ref(), &stable).await?;
    again(attempt, source.as_ref(), sink.as_ref(), &stable, &gone).await?;
    let looked_for = creating.created(attempt.claimed.shard_names());
    if !looked_for.is_empty() {
        let missing = missing_of(attempt, sink.as_ref(), &stable.name, looked_for).await?;
        again(attempt, source.as_ref(), sink.as_ref(), &stable, &missing).await?;
    }
    creating.seen();
    let end = attempt.shard().end();
    attempt.ledger.advance(|offset, _| *offset = end);
    Ok(Finish::Commit)
}

/// Creates what is left of the shard, and tells which of it the source did not have any more.
async fn create(
    attempt: &Attempt,
    source: &Arc<dyn Source>,
    sink: &dyn Sink,
    stable: &Stable,
) -> Worked<Vec<String>> {
    let range = attempt.shard().range;
    let from = attempt.ledger.entry().offset.index;
    let batches = (from..range.to).step_by(usize::try_from(BATCH).unwrap_or(usize::MAX));
    let taking = attempt.session.stable_tags.begin(attempt, stable, Holder::Source(Arc::clone(source)));
    let mapping = attempt.mapping();
    let read = |from: u32| {
        let to = from.saturating_add(BATCH).min(range.to);
        let names = attempt.claimed.slice(from, to);
        // boxed: the compiler cannot see through a stream of borrowing futures that it is Send
        taking.of(attempt, stable, names).map(move |rows| (to, rows)).boxed()
    };
    let mut batches = stream::iter(batches.map(read)).buffered(AHEAD);
    let (mut at, mut gone) = (from, Vec::new());
    while let Some((to, rows)) = batches.next().await {
        let mut rows = rows?;
        gone.extend(without(attempt.claimed.slice(at, to), &rows));
        rows.retain(|row| mapping.rejects(&stable.name, &row.name).is_none());
        put(attempt, sink, stable, &rows).await?;
        at = to;
        let created = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        attempt.ledger.advance(|offset, totals| {
            offset.index = to;
            totals.tables = totals.tables.saturating_add(created);
        });
        attempt.ledger.room().await;
    }
    Ok(gone)
}

async fn tags(
    attempt: &Attempt,
    source: &dyn Source,
    stable: &Stable,
    names: &[String],
) -> Worked<Vec<TagRow>> {
    attempt.ask("reading the tags of subtables", Side::Source, || source.tags(stable, names)).await
}

async fn put(attempt: &Attempt, sink: &dyn Sink, stable: &Stable, rows: &[TagRow]) -> Worked<()> {
    attempt.session.writable().await;
    attempt.ask("creating subtables", Side::Sink, || sink.create_subtables(stable, rows)).await
}

async fn missing(attempt: &Attempt, sink: &dyn Sink, stable: &str) -> Worked<Vec<String>> {
    missing_of(attempt, sink, stable, attempt.claimed.shard_names()).await
}

/// Which of these subtables the target lacks.
pub(crate) async fn missing_of(
    attempt: &Attempt,
    sink: &dyn Sink,
    stable: &str,
    names: &[String],
) -> Worked<Vec<String>> {
    let question = || sink.missing_subtables(stable, names);
    attempt.ask("looking for subtables at the target", Side::Sink, question).await
}

/// Subtables that vanished, or that the source did not list when asked: one more try, then they are named.
async fn again(
    attempt: &Attempt,
    source: &dyn Source,
    sink: &dyn Sink,
    stable: &Stable,
    names: &[String],
) -> Worked<()> {
    if names.is_empty() {
        return Ok(());
    }
    let rows = tags(attempt, source, stable, names).await?;
    put(attempt, sink, stable, &rows).await?;
    let still = missing_of(attempt, sink, &stable.name, names).await?;
    if still.is_empty() {
        return Ok(());
    }
    let gone = |name: &&String| !rows.iter().any(|row| row.name == **name);
    let why = match still.iter().find(gone) {
        Some(_) => "the source does not have them any more: create the task again",
        None => "they were created and are gone: look at who else writes to the target, then retry",
    };
    Err(Ended::Failed(format!("subtables of `{}` are missing: {}; {why}", stable.name, named(&still))))
}

/// Some of the names, and how many there are.
pub(crate) fn named(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Fails the shard where the target lacks any of its subtables, before anything is written.
pub(crate) async fn all_there(attempt: &Arc<Attempt>, sink: &dyn Sink, stable: &str) -> Worked<()> {
    let missing = missing(attempt, sink, stable).await?;
    if missing.is_empty() { Ok(()) } else { Err(lacking(stable, &missing)) }
}

/// The words for subtables that the target should have.
pub(crate) fn lacking(stable: &str, missing: &[String]) -> Ended {
    Ended::Failed(format!(
        "the target lacks subtables of `{stable}`: {}; no row of theirs was written; create them, then retry the shard",
        named(missing)
    ))
}
