//! What a task takes of its source: stables and normal tables by its filter, subtables counted where that matters.
//! The survey and the schema shard ask here, so that they agree.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use tdferry_common::options::Mode;
use tdferry_common::port::{PortError, PortResult, Side, Source, Tables};
use tdferry_common::schema::{Column, NormalTable, Stable};
use tdferry_common::spec::Spec;
use tdferry_common::time::Period;

use crate::filter::Filter;
use crate::mapping::{self, BadName, Mapping, Targets};

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
    /// The same, and no name is refused: for who tells of names himself.
    IfPickedAnyName,
}

/// Reads what the source has and picks what the task takes. A name that the source does not have is an error, and so is
/// one that the target cannot have.
pub(crate) async fn select(
    source: &dyn Source,
    spec: &Spec,
    filter: &mut Filter,
    listing: Listing,
) -> PortResult<Selection> {
    let targets = (listing != Listing::IfPickedAnyName).then(|| Targets::new(Mapping::of(spec)));
    let mut selecting = Selecting { source, spec, filter, targets };
    let all = source.stables().await?;
    let list = listing == Listing::Always || selecting.filter.picks_tables();
    let names: BTreeSet<String> = all.iter().map(|stable| stable.name.clone()).collect();
    let mut stables = Vec::new();
    for stable in all {
        if selecting.filter.takes_stable(&stable.name) {
            stables.extend(selecting.stable(stable, list).await?);
        }
    }
    let normal_tables = selecting.normal_tables().await?;
    let unknown = filter.unknown(&names.iter().map(String::as_str).collect());
    match unknown.is_empty() {
        true => Ok(Selection { stables, normal_tables }),
        false => Err(PortError::Missing { side: Side::Source, message: in_words(&unknown) }),
    }
}

struct Selecting<'a> {
    source: &'a dyn Source,
    spec: &'a Spec,
    filter: &'a mut Filter,
    /// `None` where no name is refused.
    targets: Option<Targets>,
}

impl Selecting<'_> {
    async fn stable(&mut self, stable: Stable, list: bool) -> PortResult<Option<Taken>> {
        let tables = if list { Some(self.subtables(&stable.name).await?) } else { None };
        // a stable of which tables were to be picked, and none was
        if self.filter.picks_tables() && tables == Some(0) {
            return Ok(None);
        }
        self.try_condition(&stable.name, stable.columns.iter().chain(&stable.tags)).await?;
        let taken = self.targets.as_mut().map_or(Ok(()), |targets| targets.take_stable(&stable));
        self.told(taken).await?;
        Ok(Some(Taken { stable, tables }))
    }

    async fn normal_tables(&mut self) -> PortResult<Vec<NormalTable>> {
        let mut tables = self.source.normal_tables().await?;
        tables.retain(|table| self.filter.takes_normal(&table.name));
        for table in &tables {
            self.try_condition(&table.name, table.columns.iter()).await?;
            let taken = self.targets.as_mut().map_or(Ok(()), |targets| targets.take_normal(table));
            self.told(taken).await?;
        }
        Ok(tables)
    }

    /// How many subtables are taken, each with a name that the target can have.
    async fn subtables(&mut self, stable: &str) -> PortResult<u64> {
        let mut pages = self.source.subtables(stable, false);
        let mut rows = 0_u64;
        while let Some(page) = pages.try_next().await? {
            for subtable in page {
                if self.filter.takes_subtable(stable, &subtable.name) {
                    rows = rows.saturating_add(1);
                    let taken = self
                        .targets
                        .as_mut()
                        .map_or(Ok(()), |targets| targets.take_subtable(stable, &subtable.name));
                    self.told(taken).await?;
                }
            }
        }
        Ok(rows)
    }

    /// Has the source read the condition for a table, over no time: what is wrong with it is known before the plan.
    async fn try_condition(
        &self,
        table: &str,
        columns: impl Iterator<Item = &Column> + Send,
    ) -> PortResult<()> {
        let options = &self.spec.options;
        let Some(condition) = options.row_filter.of(table) else { return Ok(()) };
        if options.verify.reads_back() || options.mode == Mode::Verify {
            let said = Mapping::of(self.spec).condition(table, columns);
            said.map_err(|why| PortError::Unfit {
                side: Side::Sink,
                message: format!(
                    "option `where`: the target cannot be compared under the condition {condition:?} of `{table}`: \
                     {why}; write another condition, or copy with `verify=count`"
                ),
            })?;
        }
        match self.source.count(Tables::One { name: table }, Period { from: 0, to: 0 }).await {
            Err(error) if error.is_away() => Err(error),
            Err(error) => Err(PortError::Unfit {
                side: Side::Source,
                message: format!(
                    "option `where`: `{table}` does not take the condition {condition:?}: {error}; write another for \
                     it, as `{table}: …`"
                ),
            }),
            Ok(_) => Ok(()),
        }
    }

    async fn told(&self, taken: Result<(), BadName>) -> PortResult<()> {
        let message = match taken {
            Ok(()) => return Ok(()),
            Err(BadName::Refused(words)) => words,
            Err(BadName::Taken { target, second, first_of }) => {
                let first = self.first_of(&first_of, &target, &second).await?;
                mapping::taken_twice(&first, &second, &target)
            }
        };
        Err(PortError::Unfit { side: Side::Sink, message })
    }

    /// The source's name of the table that was taken first with this name at the target: names are not kept.
    async fn first_of(&self, stable: &str, target: &str, second: &str) -> PortResult<String> {
        let mapping = Mapping::of(self.spec);
        if stable.is_empty() {
            let tables = self.source.normal_tables().await?;
            let found = tables.into_iter().find(|table| mapping.table("", &table.name) == target);
            return Ok(found.map_or_else(|| target.to_owned(), |table| table.name));
        }
        if mapping.stable(stable) == target && stable != second {
            return Ok(stable.to_owned());
        }
        let mut pages = self.source.subtables(stable, false);
        while let Some(page) = pages.try_next().await? {
            let first = |name: &String| name != second && mapping.table(stable, name) == target;
            if let Some(found) = page.into_iter().map(|subtable| subtable.name).find(first) {
                return Ok(found);
            }
        }
        Ok(target.to_owned())
    }
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
