//! What a task takes of its source: stables and normal tables by its filter, subtables counted where that matters.
//! The survey and the schema shard ask here, so that they agree.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use tdferry_common::port::{PortError, PortResult, Side, Source};
use tdferry_common::schema::{NormalTable, Stable};

use crate::filter::Filter;

/// A stable, and how many of its subtables are taken; `None` where they were not listed.
pub(crate) struct Taken {
    pub(crate) stable: Stable,
    pub(crate) tables: Option<u64>,
}

/// What is taken.
pub(crate) struct Selection {
    pub(crate) stables: Vec<Taken>,
    pub(crate) normal_tables: Vec<NormalTable>,
}

/// How closely to look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Every stable's subtables are listed and counted.
    Always,
    /// Only where the task picks tables one by one.
    IfPicked,
}

/// Reads what the source has and picks what the task takes. A name the source does not have is an error.
pub(crate) async fn select(
    source: &dyn Source,
    filter: &mut Filter,
    listing: Listing,
) -> PortResult<Selection> {
    let all = source.stables().await?;
    let list = listing == Listing::Always || filter.picks_tables();
    let names: BTreeSet<String> = all.iter().map(|stable| stable.name.clone()).collect();
    let mut stables = Vec::new();
    for stable in all.into_iter().filter(|stable| filter.takes_stable(&stable.name)).collect::<Vec<_>>() {
        let tables = if list { Some(count(source, filter, &stable.name).await?) } else { None };
        // a stable of which tables were to be picked, and none was
        if !(filter.picks_tables() && tables == Some(0)) {
            stables.push(Taken { stable, tables });
        }
    }
    let mut normal_tables = source.normal_tables().await?;
    normal_tables.retain(|table| filter.takes_normal(&table.name));
    let unknown = filter.unknown(&names.iter().map(String::as_str).collect());
    match unknown.is_empty() {
        true => Ok(Selection { stables, normal_tables }),
        false => Err(PortError::Missing { side: Side::Source, message: in_words(&unknown) }),
    }
}

/// How many subtables of a stable are taken.
pub(crate) async fn count(source: &dyn Source, filter: &mut Filter, stable: &str) -> PortResult<u64> {
    let mut pages = source.subtables(stable, false);
    let mut taken = 0;
    while let Some(page) = pages.try_next().await? {
        let here = page.iter().filter(|subtable| filter.takes_subtable(stable, &subtable.name)).count();
        taken += u64::try_from(here).unwrap_or(u64::MAX);
    }
    Ok(taken)
}

fn in_words(unknown: &[(&str, String)]) -> String {
    /// More would not be read.
    const SHOWN: usize = 10;
    let shown: Vec<_> =
        unknown.iter().take(SHOWN).map(|(option, name)| format!("field `{option}`: no `{name}`")).collect();
    let more = unknown.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    format!("{}{more}", shown.join(", "))
}
