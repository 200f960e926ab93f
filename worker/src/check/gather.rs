//! The facts of both sides, asked through the ports. Only reads; a side that cannot be asked becomes a finding.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use tdferry_common::batch::literal::json_number_is_too_large_in;
use tdferry_common::batch::{TagRow, Value};
use tdferry_common::clock::Clock;
use tdferry_common::ddl;
use tdferry_common::dsn::{Dsn, Transport};
use tdferry_common::options::SchemaMode;
use tdferry_common::port::{Connector, PortError, PortResult, Side, Sink, Source, Tables};
use tdferry_common::schema::Stable;
use tdferry_common::spec::Spec;
use tdferry_common::time::Period;

use super::facts::{Asked, Facts, SourceFacts, StableFacts, TableFacts, TargetFacts};
use super::finding::{Finding, Place};
use super::kinds;
use crate::filter::Filter;
use crate::mapping::{self, BadName, Mapping, Targets};
use crate::period;
use crate::selection::{self, Listing, Selection};

/// Asks both sides; where one cannot be asked, why.
pub(super) async fn gather(
    connector: &dyn Connector,
    spec: &Spec,
    clock: &Clock,
) -> Result<Facts, Vec<Finding>> {
    let encrypted: Vec<_> =
        [(Side::Source, &spec.from), (Side::Sink, &spec.to)].into_iter().filter_map(encrypted).collect();
    if !encrypted.is_empty() {
        return Err(encrypted);
    }
    let ask = async || source(mapping::source(connector, spec, "").await?.as_ref(), spec, clock).await;
    let source = twice(ask).await.map_err(|error| unusable(spec, &error));
    let nothing = SourceFacts::default();
    let held = source.as_ref().unwrap_or(&nothing);
    let names = Mapping::of(spec);
    let ask = async || target(connector.sink(spec).await?.as_ref(), held, &names, clock).await;
    let target = twice(ask).await.map_err(|error| unusable(spec, &error));
    match (source, target) {
        (Ok(source), Ok(target)) => {
            let asked = asked(spec, &source);
            Ok(Facts { asked, source, target })
        }
        (source, target) => Err(source.err().into_iter().chain(target.err()).collect()),
    }
}

/// A connection may break once, without that being a reason to call a server unreachable.
async fn twice<T>(ask: impl AsyncFn() -> PortResult<T>) -> PortResult<T> {
    match ask().await {
        Err(error) if error.is_away() => ask().await,
        answer => answer,
    }
}

fn encrypted((side, dsn): (Side, &Dsn)) -> Option<Finding> {
    (dsn.transport() == Transport::WebSocket { tls: true }).then(|| {
        Finding::new(
            &kinds::TLS_NOT_BUILT_IN,
            Place::server(side),
            format!("{} is encrypted", dsn.driver().as_str()),
        )
    })
}

pub(super) fn unusable(spec: &Spec, error: &PortError) -> Finding {
    let (source, server) = (error.side() == Side::Source, Place::server(error.side()));
    let database = |side, name| Place::database(side, name);
    let (kind, place) = match error {
        PortError::Denied { .. } => {
            (if source { &kinds::SOURCE_DENIED } else { &kinds::TARGET_DENIED }, server)
        }
        PortError::Missing { .. } if source => {
            (&kinds::SOURCE_DATABASE_MISSING, database(Side::Source, spec.source_database()))
        }
        PortError::Unfit { .. } => (&kinds::TASK_UNFIT, server),
        PortError::Invalid { message, .. } if message.contains("which no 2.x database has") => {
            (&kinds::TYPE_WITHOUT_EQUAL, server)
        }
        _ => (if source { &kinds::SOURCE_UNREACHABLE } else { &kinds::TARGET_UNREACHABLE }, server),
    };
    Finding::new(kind, place, error)
}

fn asked(spec: &Spec, source: &SourceFacts) -> Asked {
    let schema = spec.options.schema;
    Asked {
        target_database: spec.target_database().to_owned(),
        creates_database: spec.options.assert && schema != SchemaMode::None,
        database: spec.options.database.clone(),
        // as a cluster knows it by its workers; here by what the task says of one
        writers: spec.options.workers.unwrap_or(1),
        creates_tables: schema != SchemaMode::None,
        copies: schema != SchemaMode::Only,
        period: Some(period::asked(&spec.options, source.database.precision)),
        gateway: spec.to.transport() != Transport::Native,
        options: spec.options.clone(),
        mapping: Mapping::of(spec),
    }
}

async fn source(source: &dyn Source, spec: &Spec, clock: &Clock) -> PortResult<SourceFacts> {
    let mut facts = SourceFacts { version: source.version().await?, ..SourceFacts::default() };
    if !facts.version.starts_with('2') {
        return Ok(facts);
    }
    facts.database = source.database().await?;
    facts.server = source.server().await?;
    let own = source.clock().await?;
    facts.here_millis = clock.wall_millis();
    facts.server.clock_millis = own.map(|units| facts.database.precision.to_unix_millis(units));
    let mut filter = Filter::new(&spec.options);
    let selection = match selection::select(source, spec, &mut filter, Listing::IfPickedAnyName).await {
        Ok(selection) => selection,
        Err(PortError::Missing { message, .. }) => {
            facts.missing = Some(message);
            return Ok(facts);
        }
        Err(error) => return Err(error),
    };
    let mut seeing =
        Seeing { source, filter, mapping: Mapping::of(spec), targets: Targets::new(Mapping::of(spec)) };
    seeing.tables(selection, &mut facts).await?;
    Ok(facts)
}

/// Looks at everything that is taken, and at what the target is to call it.
struct Seeing<'a> {
    source: &'a dyn Source,
    filter: Filter,
    mapping: Mapping,
    targets: Targets,
}

impl Seeing<'_> {
    async fn tables(&mut self, selection: Selection, facts: &mut SourceFacts) -> PortResult<()> {
        for table in selection.normal_tables {
            self.see(facts, "", &table.name);
            note(facts, self.targets.take_normal(&table));
            let extent = self.source.table_extent(&table.name).await?;
            facts.normal_tables.push(TableFacts { table, extent });
        }
        for taken in selection.stables {
            facts.names.see(&taken.stable.name, &self.mapping.stable(&taken.stable.name));
            note(facts, self.targets.take_stable(&taken.stable));
            let stable = self.stable(taken.stable, facts).await?;
            facts.stables.push(stable);
        }
        Ok(())
    }

    /// One stable with all of its subtables' tags, a page in memory at a time.
    async fn stable(&mut self, stable: Stable, facts: &mut SourceFacts) -> PortResult<StableFacts> {
        let extent = self.source.stable_extent(&stable.name).await?;
        let mut found =
            StableFacts { extent, tables: 0, example: None, not_sql: None, json_numbers: None, stable };
        let stable = found.stable.clone();
        let mut pages = self.source.all_tags(&stable);
        while let Some(mut page) = pages.try_next().await? {
            page.retain(|row: &TagRow| self.filter.takes_subtable(&stable.name, &row.name));
            found.tables += u64::try_from(page.len()).unwrap_or(u64::MAX);
            for row in page {
                note(facts, self.targets.take_subtable(&stable.name, &row.name));
                if self.see(facts, &stable.name, &row.name) {
                    found.see_tags(row);
                }
            }
        }
        drop(pages);
        Ok(found)
    }
}

impl Seeing<'_> {
    /// Looks at what a subtable, or a normal table where the stable is empty, is to be called. Whether it is to be at all.
    fn see(&self, facts: &mut SourceFacts, stable: &str, table: &str) -> bool {
        let is_rejected = self.mapping.rejects(stable, table).is_some();
        let names = if is_rejected { &mut facts.rejected } else { &mut facts.names };
        names.see(table, &self.mapping.table(stable, table));
        !is_rejected
    }
}

impl StableFacts {
    /// Looks at what SQL makes of a subtable's tags.
    fn see_tags(&mut self, row: TagRow) {
        let heavy = |tag: &Value| matches!(tag, Value::Json(text) if json_number_is_too_large_in(text));
        if row.tags.iter().any(heavy) {
            self.json_numbers.get_or_insert_with(|| (0, row.name.clone())).0 += 1;
        } else if let Err(why) = ddl::create_subtables(&self.stable, std::slice::from_ref(&row), usize::MAX) {
            self.not_sql.get_or_insert_with(|| (0, row.name.clone(), why)).0 += 1;
        } else if self.example.is_none() {
            self.example = Some(row);
        }
    }
}

/// Remembers the first two that would be one; other names that cannot be are found one by one.
fn note(facts: &mut SourceFacts, taken: Result<(), BadName>) {
    if let (None, Err(BadName::Taken { target, second, first_of })) = (&facts.clash, taken) {
        let first =
            if first_of.is_empty() { "a normal table".to_owned() } else { format!("one of `{first_of}`") };
        facts.clash = Some(format!("`{second}` and {first} would both be `{target}`"));
    }
}

async fn target(
    sink: &dyn Sink,
    source: &SourceFacts,
    mapping: &Mapping,
    clock: &Clock,
) -> PortResult<TargetFacts> {
    let mut facts = TargetFacts { version: sink.version().await?, ..TargetFacts::default() };
    if !facts.version.starts_with('3') {
        return Ok(facts);
    }
    facts.server = sink.server().await?;
    facts.here_millis = clock.wall_millis();
    facts.refuses = match sink.may_write().await {
        Err(PortError::Denied { message, .. }) => Some(message),
        Ok(()) => None,
        Err(error) => return Err(error),
    };
    facts.database = sink.database().await?;
    if facts.database.is_none() {
        return Ok(facts);
    }
    facts.keeps = sink.keeps(source.database.precision).await?;
    let stables = sink.stables().await?;
    facts.stables = stables.into_iter().map(|stable| (stable.name.clone(), stable)).collect();
    let stables = source.stables.iter().map(|one| mapping.stable(&one.stable.name));
    let tables = source.normal_tables.iter().map(|one| mapping.table("", &one.table.name));
    let all: BTreeSet<String> = stables.chain(tables).collect();
    let names: Vec<_> = all.iter().filter(|name| !facts.stables.contains_key(*name)).cloned().collect();
    let found = sink.tables(&names).await?;
    facts.tables = found.into_iter().map(|table| (table.name.clone(), table)).collect();
    for name in all {
        let there = facts.stables.contains_key(&name) || facts.tables.contains_key(&name);
        if there && has_rows(sink, &name).await? {
            facts.with_rows.insert(name);
        }
    }
    Ok(facts)
}

/// A target that cannot count a stable as a whole is asked no further.
async fn has_rows(sink: &dyn Sink, name: &str) -> PortResult<bool> {
    match sink.count(Tables::One { name }, Period::ALL).await {
        Ok(rows) => Ok(rows > 0),
        Err(error) if error.is_away() => Err(error),
        Err(_) => Ok(false),
    }
}
