//! Subtables and their tags: the source's held against the target's, and made alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use tdferry_common::batch::{TagRow, Value};
use tdferry_common::port::{Rows, Side, Sink};
use tdferry_common::schema::{Column, Stable};
use tdferry_common::shard::Differing;

use super::Since;
use super::finding::Findings;
use crate::lease::{Asker, Attempt, Finish, Worked};
use crate::structure::Layout;
use crate::tags::Holder;

/// Subtables asked for at once: as many as are created with one batch.
pub(super) const BATCH: usize = 2_000;

/// How a subtable of the target differs.
pub(super) enum Differs {
    Missing(TagRow),
    Tags(TagRow, Vec<OtherTag>),
}

/// A tag that both sides have with other values.
pub(super) struct OtherTag {
    pub(super) tag: Column,
    pub(super) source: Value,
    pub(super) target: Value,
}

/// Compares the subtables of a group.
pub(crate) async fn run(attempt: &Arc<Attempt>) -> Worked<Finish> {
    let (source, sink) = (attempt.source().await?, attempt.sink().await?);
    let mut findings = Findings::default();
    if let Some(stable) = stable(attempt).await? {
        let begin = |holder| attempt.session.stable_tags.begin(attempt, &stable, holder);
        let (wanted, there) = (begin(Holder::Source(source)), begin(Holder::Sink(sink)));
        for names in batches(attempt) {
            let (wanted, there) =
                tokio::join!(wanted.of(attempt, &stable, names), there.of(attempt, &stable, names));
            let found = unlike(attempt, &stable, wanted?, there?);
            let tables = u64::try_from(found.len()).unwrap_or(u64::MAX);
            found.into_iter().for_each(|differs| findings.tell(differs.in_words()));
            let seen = u64::try_from(names.len()).unwrap_or(u64::MAX);
            attempt.ledger.advance(|offset, totals| {
                offset.index = offset.index.saturating_add(u32::try_from(names.len()).unwrap_or(u32::MAX));
                totals.tables = totals.tables.saturating_add(seen);
                totals.differing =
                    totals.differing.and(Differing { tables, unlike: tables, ..Differing::default() });
            });
            attempt.ledger.room().await;
        }
    }
    let end = attempt.shard().end();
    attempt.ledger.advance(|offset, _| *offset = end);
    let differing = attempt.ledger.totals().differing;
    if differing.is_none() {
        Ok(Finish::Commit)
    } else {
        Ok(Finish::Differs(findings.in_words(differing, Since::Same)))
    }
}

/// Creates what the target lacks of the shard's subtables, and gives the others the source's tags.
pub(super) async fn repair(attempt: &Arc<Attempt>) -> Worked<()> {
    let Some(stable) = stable(attempt).await? else { return Ok(()) };
    let (source, sink) = (attempt.source().await?, attempt.sink().await?);
    for names in batches(attempt) {
        attempt.go_on()?;
        let found = differing(attempt, source.as_ref(), sink.as_ref(), &stable, names).await?;
        let (mut missing, mut other) = (Vec::new(), Vec::new());
        for differs in found {
            match differs {
                Differs::Missing(row) => missing.push(row),
                Differs::Tags(row, _) => other.push(row),
            }
        }
        make(attempt, sink.as_ref(), &stable, &missing, &other).await?;
    }
    Ok(())
}

/// Gives the target's subtables these tags where they have others; how many had.
pub(crate) async fn set_changed(
    attempt: &Attempt,
    sink: &dyn Sink,
    stable: &Stable,
    rows: Vec<TagRow>,
) -> Worked<usize> {
    let names: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
    let ask = || sink.tags(stable, &names);
    let found = attempt.ask("reading the target's tags", Side::Sink, ask).await?;
    let found: BTreeMap<String, Vec<Value>> = found.into_iter().map(|row| (row.name, row.tags)).collect();
    let changed = rows.into_iter().filter_map(|row| match held(stable, row, &found) {
        Some(Differs::Tags(row, _)) => Some(row),
        // its creation is another matter
        Some(Differs::Missing(_)) | None => None,
    });
    let changed: Vec<_> = changed.collect();
    make(attempt, sink, stable, &[], &changed).await?;
    Ok(changed.len())
}

async fn make(
    attempt: &Attempt,
    sink: &dyn Sink,
    stable: &Stable,
    missing: &[TagRow],
    other: &[TagRow],
) -> Worked<()> {
    if !missing.is_empty() {
        attempt.session.writable().await;
        let create = || sink.create_subtables(stable, missing);
        attempt.ask("creating subtables that are missing", Side::Sink, create).await?;
    }
    if !other.is_empty() {
        attempt.session.writable().await;
        attempt.ask("changing tags", Side::Sink, || sink.set_tags(stable, other)).await?;
    }
    Ok(())
}

/// The group's stable; `None` of normal tables, which have no tags.
pub(super) async fn stable(asker: &Asker) -> Worked<Option<Stable>> {
    if asker.looked_at.stable.is_empty() {
        return Ok(None);
    }
    let (source, sink) = (asker.source().await?, asker.sink().await?);
    match asker.means.structures.layout(asker, source.as_ref(), sink.as_ref()).await? {
        Layout::Stable { stable, .. } => Ok(Some(stable)),
        Layout::Normal(_) => Ok(None),
    }
}

fn batches(attempt: &Attempt) -> impl Iterator<Item = &[String]> {
    let from = attempt.ledger.entry().offset.index;
    attempt.claimed.names_from(from).chunks(BATCH)
}

pub(super) async fn differing(
    asker: &Asker,
    source: &dyn Rows,
    target: &dyn Rows,
    stable: &Stable,
    names: &[String],
) -> Worked<Vec<Differs>> {
    let (wanted, found) = tokio::join!(
        asker.ask("reading the tags of subtables", Side::Source, || source.tags(stable, names)),
        asker.ask("reading the target's tags", Side::Sink, || target.tags(stable, names))
    );
    Ok(unlike(asker, stable, wanted?, found?))
}

/// The source's subtables that the target has with other tags, or not at all.
fn unlike(asker: &Asker, stable: &Stable, mut wanted: Vec<TagRow>, found: Vec<TagRow>) -> Vec<Differs> {
    let found: BTreeMap<String, Vec<Value>> = found.into_iter().map(|row| (row.name, row.tags)).collect();
    let mapping = asker.mapping();
    wanted.retain(|row| mapping.rejects(&stable.name, &row.name).is_none());
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    wanted.into_iter().filter_map(|row| held(stable, row, &found)).collect()
}

fn held(stable: &Stable, row: TagRow, found: &BTreeMap<String, Vec<Value>>) -> Option<Differs> {
    let Some(tags) = found.get(&row.name) else { return Some(Differs::Missing(row)) };
    let pairs = stable.tags.iter().zip(row.tags.iter().zip(tags));
    let unlike = pairs.filter(|(_, (one, other))| !is_same(one, other));
    let other: Vec<OtherTag> = unlike.map(|(tag, (one, other))| other_tag(tag, one, other)).collect();
    (!other.is_empty()).then_some(Differs::Tags(row, other))
}

fn other_tag(tag: &Column, source: &Value, target: &Value) -> OtherTag {
    OtherTag { tag: tag.clone(), source: source.clone(), target: target.clone() }
}

/// JSON is the same whatever its order and its spaces: the servers write both as they like.
fn is_same(one: &Value, other: &Value) -> bool {
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match (one, other) {
        (Value::Json(one), Value::Json(other)) if one != other => {
            parsed(one).zip(parsed(other)).is_some_and(|(one, other)| one == other)
        }
        _ => one == other,
    }
}

impl Differs {
    fn in_words(&self) -> String {
        match self {
            Self::Missing(row) => format!("`{}`: the subtable is missing", row.name),
            Self::Tags(row, tags) => {
                let tags: Vec<_> = tags.iter().map(|other| other.tag.name.as_str()).collect();
                format!("`{}`: other tags ({})", row.name, tags.join(", "))
            }
        }
    }
}
