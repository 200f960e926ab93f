//! The structure of both databases as copying needs it: what columns to read, and that the target takes them.
//!
//! It is asked for once for all leases of a task that begin at about the same time, and kept for a short while.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tdferry_common::options::{Mode, OnMissingColumn, Options, SchemaMode};
use tdferry_common::port::{Side, Sink, Source};
use tdferry_common::schema::{Column, Database, NormalTable, Stable};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::lease::{Asker, Ended, Worked};
use crate::mapping::Mapping;
use crate::target::{self, Mismatch, NORMAL_TABLE, Of};

/// Long enough that a burst of small shards asks once, short enough that a change is seen by those that follow.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Normal tables asked for at once. Each is described by itself: so many fit well into the time of one question.
pub(crate) const TABLES: usize = 500;

/// What is known, by task as stored.
#[derive(Clone, Default)]
pub(crate) struct Structures(Arc<std::sync::Mutex<BTreeMap<String, Arc<Mutex<Known>>>>>);

/// Each with when it was answered.
#[derive(Default)]
struct Known {
    both: Option<(Instant, Arc<Both>)>,
    normal: Option<(Instant, Arc<NormalTables>)>,
}

/// The source's normal tables by name.
pub(crate) struct NormalTables {
    /// What came later is not in it.
    pub(crate) asked: Instant,
    pub(crate) tables: BTreeMap<String, NormalTable>,
}

/// Databases and stables of both sides, each by its own names.
pub(crate) struct Both {
    /// What came later is not in it.
    pub(crate) asked: Instant,
    mapping: Mapping,
    pub(crate) source: Database,
    pub(crate) target: Option<Database>,
    source_stables: BTreeMap<String, Stable>,
    target_stables: BTreeMap<String, Stable>,
}

/// The columns of a shard's tables.
pub(crate) enum Layout {
    /// All tables are of this stable.
    Stable { stable: Stable, columns: Arc<[Column]> },
    /// Each table has its own.
    Normal(BTreeMap<String, Arc<[Column]>>),
}

impl Layout {
    /// The columns of one table.
    pub(crate) fn columns(&self, table: &str) -> Option<Arc<[Column]>> {
        match self {
            Self::Stable { columns, .. } => Some(Arc::clone(columns)),
            Self::Normal(tables) => tables.get(table).cloned(),
        }
    }
}

impl Structures {
    /// Has what was answered longer ago asked anew next time.
    pub(crate) async fn refresh(&self, asker: &Asker, age: Duration) {
        let known = self.of(asker);
        let mut known = known.lock().await;
        known.both.take_if(|(at, _)| at.elapsed() >= age);
        known.normal.take_if(|(at, _)| at.elapsed() >= age);
    }

    /// Has what was asked up to a moment asked anew next time: those that begin at about the same time ask twice together.
    pub(crate) async fn renew(&self, asker: &Asker, moment: Instant) {
        let known = self.of(asker);
        let mut known = known.lock().await;
        known.both.take_if(|(_, both)| both.asked <= moment);
        known.normal.take_if(|(_, normal)| normal.asked <= moment);
    }

    /// Both sides' databases and stables.
    pub(crate) async fn both(
        &self,
        asker: &Asker,
        source: &dyn Source,
        sink: &dyn Sink,
    ) -> Worked<Arc<Both>> {
        let known = self.of(asker);
        let mut known = known.lock().await;
        if let Some((_, both)) = known.both.as_ref().filter(|(at, _)| at.elapsed() < kept_for(asker)) {
            return Ok(Arc::clone(both));
        }
        let both = Arc::new(ask_both(asker, source, sink).await?);
        known.both = Some((Instant::now(), Arc::clone(&both)));
        Ok(both)
    }

    /// The source's normal tables by name.
    pub(crate) async fn normal(&self, asker: &Asker, source: &dyn Source) -> Worked<Arc<NormalTables>> {
        let known = self.of(asker);
        let mut known = known.lock().await;
        if let Some((_, normal)) = known.normal.as_ref().filter(|(at, _)| at.elapsed() < kept_for(asker)) {
            return Ok(Arc::clone(normal));
        }
        let asked = Instant::now();
        let listed = asker.list("listing the normal tables", Side::Source, || source.normal_tables()).await?;
        let tables = listed.into_iter().map(|table| (table.name.clone(), table)).collect();
        let normal = Arc::new(NormalTables { asked, tables });
        known.normal = Some((Instant::now(), Arc::clone(&normal)));
        Ok(normal)
    }

    /// Columns of the shard's tables, held against the target's. Where they do not fit the shard fails.
    pub(crate) async fn layout(&self, asker: &Asker, source: &dyn Source, sink: &dyn Sink) -> Worked<Layout> {
        let (layout, mismatches) = self.fitted(asker, source, sink).await?;
        self.settled(asker, mismatches)?;
        Ok(layout)
    }

    /// The same for what is followed, with what it goes on without where the target does not have it.
    pub(crate) async fn layout_to_follow(
        &self,
        asker: &Asker,
        source: &dyn Source,
        sink: &dyn Sink,
    ) -> Worked<(Layout, Vec<Mismatch>)> {
        let (layout, mismatches) = self.fitted(asker, source, sink).await?;
        let may_lack = |mismatch: &Mismatch| target::goes_without(mismatch, &asker.spec.options);
        let (lacking, others) = mismatches.into_iter().partition(may_lack);
        self.settled(asker, others)?;
        Ok((layout, lacking))
    }

    /// What was added to the source or made longer is so at the target first, where the task does that.
    async fn fitted(
        &self,
        asker: &Asker,
        source: &dyn Source,
        sink: &dyn Sink,
    ) -> Worked<(Layout, Vec<Mismatch>)> {
        let fits = Fits::of(&asker.spec.options);
        let mut before = Vec::new();
        loop {
            let (layout, mismatches) = self.held(asker, source, sink).await?;
            // what is still the same was not mended; what is not was altered meanwhile
            if mismatches.is_empty() || !(fits.adds || fits.alters) || mismatches == before {
                return Ok((layout, mismatches));
            }
            self.fit(asker, source, sink, fits).await?;
            self.forget(asker);
            before = mismatches;
        }
    }

    /// Gives the target's tables of a shard the columns and tags they lack, and the lengths.
    async fn fit(&self, asker: &Asker, source: &dyn Source, sink: &dyn Sink, fits: Fits) -> Worked<()> {
        let stable = &asker.looked_at.stable;
        if stable.is_empty() {
            let known = &self.normal(asker, source).await?.tables;
            let tables: Vec<_> = asker.looked_at.names().iter().filter_map(|name| known.get(name)).collect();
            return fit_normal(asker, sink, &tables, fits).await;
        }
        let both = self.both(asker, source, sink).await?;
        let Some(own) = both.source_stable(stable) else { return Ok(()) };
        let wanted = both.mapping.target_stable(own);
        let there = both.target_stables.get(&wanted.name);
        let has = |name: &str| there.is_none_or(|there| there.columns.iter().any(|one| one.name == name));
        let columns = own.columns.iter().zip(&wanted.columns);
        let kept = columns.clone().filter(|(_, wanted)| fits.adds || has(&wanted.name));
        let added = Stable { columns: kept.map(|(own, _)| own.clone()).collect(), ..own.clone() };
        asker.ask("adding columns and tags", Side::Sink, || sink.add_to_stable(&added)).await?;
        if !fits.alters {
            return Ok(());
        }
        let there = there.into_iter().flat_map(|there| there.columns.iter().chain(&there.tags)).collect();
        let columns = columns.chain(own.tags.iter().zip(&wanted.tags));
        widen(asker, sink, stable, columns, there).await
    }

    /// The same for who compares: normal tables that the target lacks are told by the source's names, and fail nothing.
    pub(crate) async fn layout_to_compare(
        &self,
        asker: &Asker,
        source: &dyn Source,
        sink: &dyn Sink,
    ) -> Worked<(Layout, BTreeSet<String>)> {
        let (layout, mismatches) = self.held(asker, source, sink).await?;
        let (lacking, others): (Vec<_>, Vec<_>) =
            mismatches.into_iter().partition(|mismatch| mismatch.lacking_normal_table().is_some());
        self.settled(asker, others)?;
        let mapping = asker.mapping();
        let lacks = |name: &&String| {
            let target = mapping.table("", name);
            lacking.iter().any(|one| one.lacking_normal_table() == Some(target.as_str()))
        };
        let names = asker.looked_at.names();
        Ok((
            layout,
            if lacking.is_empty() { BTreeSet::new() } else { names.iter().filter(lacks).cloned().collect() },
        ))
    }

    async fn held(
        &self,
        asker: &Asker,
        source: &dyn Source,
        sink: &dyn Sink,
    ) -> Worked<(Layout, Vec<Mismatch>)> {
        let begun = Instant::now();
        let mut both = self.both(asker, source, sink).await?;
        let stable = &asker.looked_at.stable;
        if !stable.is_empty() && both.source_stable(stable).is_none() {
            // it may be newer than what is known
            self.renew(asker, begun).await;
            both = self.both(asker, source, sink).await?;
        }
        let database = both.target.as_ref().ok_or_else(|| no_database(asker))?;
        let mut mismatches: Vec<_> = target::hold_precision(&both.source, database).into_iter().collect();
        let layout = if stable.is_empty() {
            self.normal_layout(asker, source, sink, &mut mismatches).await?
        } else {
            stable_layout(&both, stable, &mut mismatches)?
        };
        Ok((layout, mismatches))
    }

    fn settled(&self, asker: &Asker, mismatches: Vec<Mismatch>) -> Worked<()> {
        target::tell_left_out(&mismatches, &asker.spec.options);
        let mismatches = target::unsettled(mismatches, &asker.spec.options);
        if mismatches.is_empty() {
            return Ok(());
        }
        self.forget(asker);
        Err(Ended::Failed(target::in_words(&mismatches)))
    }

    async fn normal_layout(
        &self,
        asker: &Asker,
        source: &dyn Source,
        sink: &dyn Sink,
        mismatches: &mut Vec<Mismatch>,
    ) -> Worked<Layout> {
        let begun = Instant::now();
        let mut known = self.normal(asker, source).await?;
        let names = asker.looked_at.names();
        if names.iter().any(|name| !known.tables.contains_key(name)) {
            // it may be newer than what is known
            self.renew(asker, begun).await;
            known = self.normal(asker, source).await?;
        }
        let known = &known.tables;
        let tables: Vec<_> = names.iter().filter_map(|name| known.get(name)).collect();
        // what is followed and dropped is not followed any more; what is to be copied was promised
        let may_go = asker.looked_at.may_go;
        if let Some(gone) = names.iter().find(|name| !may_go && !known.contains_key(*name)) {
            self.forget(asker);
            return Err(Ended::Failed(format!(
                "the source has no normal table `{gone}` any more; create the task again without it"
            )));
        }
        let (found, mapping) = (hold_normal(asker, sink, &tables).await?, asker.mapping());
        let columns = |table: &&NormalTable| {
            let NormalTable { name, columns } = mapping.target_table(table);
            let columns = target::without_missing(&name, &table.columns, &columns, &found);
            (table.name.clone(), Arc::from(columns))
        };
        let layout = Layout::Normal(tables.iter().map(columns).collect());
        mismatches.extend(found);
        Ok(layout)
    }

    /// Asks anew next time: a person may have altered something.
    pub(crate) fn forget(&self, asker: &Asker) {
        self.lock().remove(&asker.looked_at.task);
    }

    fn of(&self, asker: &Asker) -> Arc<Mutex<Known>> {
        Arc::clone(self.lock().entry(asker.looked_at.task.clone()).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Mutex<Known>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask_both(asker: &Asker, source: &dyn Source, sink: &dyn Sink) -> Worked<Both> {
    let asked = Instant::now();
    let by_name = |stables: Vec<Stable>| stables.into_iter().map(|one| (one.name.clone(), one)).collect();
    let target = asker.ask("reading the target database", Side::Sink, || sink.database()).await?;
    let target_stables = match target {
        Some(_) => asker.ask("listing the target's stables", Side::Sink, || sink.stables()).await?,
        None => Vec::new(),
    };
    let source_stables = asker.ask("listing the source's stables", Side::Source, || source.stables()).await?;
    Ok(Both {
        asked,
        mapping: asker.mapping(),
        source: asker.ask("reading the source database", Side::Source, || source.database()).await?,
        target,
        source_stables: by_name(source_stables),
        target_stables: by_name(target_stables),
    })
}

fn stable_layout(both: &Both, name: &str, mismatches: &mut Vec<Mismatch>) -> Worked<Layout> {
    let gone = || Ended::Failed(format!("the source has no stable `{name}` any more; create the task again"));
    let stable = both.source_stable(name).ok_or_else(gone)?.clone();
    let found = both.hold_stable(&stable);
    let mapped = both.mapping.target_stable(&stable);
    let columns = target::without_missing(&mapped.name, &stable.columns, &mapped.columns, &found);
    let tags = target::without_missing(&mapped.name, &stable.tags, &mapped.tags, &found);
    mismatches.extend(found);
    Ok(Layout::Stable { columns: Arc::from(columns.as_slice()), stable: Stable { columns, tags, ..stable } })
}

impl Both {
    /// A stable of the source.
    pub(crate) fn source_stable(&self, name: &str) -> Option<&Stable> {
        self.source_stables.get(name)
    }

    /// All stables of the source.
    pub(crate) fn source_stables(&self) -> impl Iterator<Item = &Stable> {
        self.source_stables.values()
    }

    /// A stable of the target, by its own name.
    pub(crate) fn target_stable(&self, name: &str) -> Option<&Stable> {
        self.target_stables.get(name)
    }

    /// A stable of the source held against what the target should have of it.
    pub(crate) fn hold_stable(&self, stable: &Stable) -> Vec<Mismatch> {
        let stable = self.mapping.target_stable(stable);
        let Some(found) = self.target_stables.get(&stable.name) else {
            return vec![Mismatch::NoTable { kind: "stable", table: stable.name }];
        };
        let mut mismatches = target::hold_columns(&stable.name, Of::Column, &stable.columns, &found.columns);
        mismatches.extend(target::hold_columns(&stable.name, Of::Tag, &stable.tags, &found.tags));
        mismatches
    }
}

/// How long what was asked counts: what is followed changes, and a lease may be on what came just now.
fn kept_for(asker: &Asker) -> Duration {
    match asker.spec.options.mode {
        Mode::Realtime | Mode::Both => KEPT_FOR.min(asker.spec.options.schema_polling_interval),
        Mode::History | Mode::Verify => KEPT_FOR,
    }
}

/// What of a change in the source's structure is to be so at the target, too.
#[derive(Clone, Copy)]
struct Fits {
    /// Columns that are added.
    adds: bool,
    /// Tags that are added, and lengths.
    alters: bool,
}

impl Fits {
    /// What the task says of columns counts before what it does about the structure.
    fn of(options: &Options) -> Self {
        let follows = matches!(options.mode, Mode::Realtime | Mode::Both);
        let alters = follows && options.schema == SchemaMode::Always;
        let adds = match options.on_missing_column {
            None => alters,
            Some(OnMissingColumn::Widen) => follows,
            Some(OnMissingColumn::Fail | OnMissingColumn::Null) => false,
        };
        Self { adds, alters }
    }
}

async fn fit_normal(asker: &Asker, sink: &dyn Sink, tables: &[&NormalTable], fits: Fits) -> Worked<()> {
    let mapping = asker.mapping();
    for some in tables.chunks(TABLES) {
        let names: Vec<_> = some.iter().map(|table| table.name.clone()).collect();
        let found =
            asker.ask("reading the target's normal tables", Side::Sink, || sink.tables(&names)).await?;
        for table in some {
            let wanted = mapping.target_table(table);
            let Some(there) = found.iter().find(|there| there.name == table.name) else { continue };
            if fits.adds {
                asker.ask("adding columns", Side::Sink, || sink.add_to_table(table)).await?;
            }
            if !fits.alters {
                continue;
            }
            let columns = table.columns.iter().zip(&wanted.columns);
            widen(asker, sink, &table.name, columns, there.columns.iter().collect()).await?;
        }
    }
    Ok(())
}

/// Makes those of a table's columns and tags longer that are shorter at the target: each by its own name, beside what it
/// is called there.
async fn widen<'a>(
    asker: &Asker,
    sink: &dyn Sink,
    table: &str,
    columns: impl Iterator<Item = (&'a Column, &'a Column)>,
    there: Vec<&Column>,
) -> Worked<()> {
    for (own, wanted) in columns {
        if there.iter().any(|there| there.name == wanted.name && there.length < wanted.length) {
            let widen = || sink.widen_column(table, own);
            asker.ask("making a column longer", Side::Sink, widen).await?;
        }
    }
    Ok(())
}

/// Normal tables held against the target's of their names.
pub(crate) async fn hold_normal(
    asker: &Asker,
    sink: &dyn Sink,
    tables: &[&NormalTable],
) -> Worked<Vec<Mismatch>> {
    let (mut mismatches, mapping) = (Vec::new(), asker.mapping());
    for some in tables.chunks(TABLES) {
        let names: Vec<_> = some.iter().map(|table| table.name.clone()).collect();
        let found =
            asker.ask("reading the target's normal tables", Side::Sink, || sink.tables(&names)).await?;
        let found: BTreeMap<_, _> = found.iter().map(|table| (table.name.as_str(), table)).collect();
        for table in some.iter().filter(|table| mapping.rejects("", &table.name).is_none()) {
            let NormalTable { name, columns } = mapping.target_table(table);
            mismatches.extend(match found.get(table.name.as_str()) {
                None => vec![Mismatch::NoTable { kind: NORMAL_TABLE, table: name }],
                Some(there) => target::hold_columns(&name, Of::Column, &columns, &there.columns),
            });
        }
    }
    Ok(mismatches)
}

/// The words for a target database that is not there.
pub(crate) fn no_database(asker: &Asker) -> Ended {
    let name = asker.spec.target_database();
    Ended::Failed(format!(
        "the target has no database `{name}`; create it, or let the task create it with `schema=always` and `assert=true`, then retry"
    ))
}
