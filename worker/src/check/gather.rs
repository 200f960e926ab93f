//! The facts of both sides, asked through the ports. Only reads; a side that cannot be asked becomes a finding.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use tdferry_common::batch::TagRow;
use tdferry_common::clock::Clock;
use tdferry_common::ddl;
use tdferry_common::dsn::{Dsn, Transport};
use tdferry_common::options::SchemaMode;
use tdferry_common::port::{Connector, PortError, PortResult, Side, Sink, Source, Tables};
use tdferry_common::schema::Stable;
use tdferry_common::spec::Spec;
use tdferry_common::time::Period;

use super::census::Census;
use super::facts::{Asked, Facts, SourceFacts, StableFacts, TableFacts, TargetFacts};
use super::finding::{Finding, Place};
use super::kinds;
use crate::filter::Filter;
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
    let ask = async || source(connector.source(spec).await?.as_ref(), spec, clock).await;
    let source = twice(ask).await.map_err(|error| unusable(spec, &error));
    let nothing = SourceFacts::default();
    let held = source.as_ref().unwrap_or(&nothing);
    let ask = async || target(connector.sink(spec).await?.as_ref(), held, clock).await;
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
        creates_tables: schema != SchemaMode::None,
        copies: schema != SchemaMode::Only,
        period: Some(period::asked(&spec.options, source.database.precision)),
        gateway: spec.to.transport() != Transport::Native,
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
    let selection = match selection::select(source, spec, &mut filter, Listing::IfPicked).await {
        Ok(selection) => selection,
        Err(PortError::Missing { message, .. }) => {
            facts.missing = Some(message);
            return Ok(facts);
        }
        Err(error) => return Err(error),
    };
    tables(source, selection, &mut filter, &mut facts).await?;
    Ok(facts)
}

async fn tables(
    source: &dyn Source,
    selection: Selection,
    filter: &mut Filter,
    facts: &mut SourceFacts,
) -> PortResult<()> {
    for table in selection.normal_tables {
        facts.names.see(&table.name);
        let extent = source.table_extent(&table.name).await?;
        facts.normal_tables.push(TableFacts { table, extent });
    }
    for taken in selection.stables {
        facts.names.see(&taken.stable.name);
        facts.stables.push(stable(source, taken.stable, filter, &mut facts.names).await?);
    }
    Ok(())
}

/// One stable with all of its subtables' tags, a page in memory at a time.
async fn stable(
    source: &dyn Source,
    stable: Stable,
    filter: &mut Filter,
    names: &mut Census,
) -> PortResult<StableFacts> {
    let extent = source.stable_extent(&stable.name).await?;
    let (mut tables, mut example, mut not_sql) = (0, None, None);
    let mut pages = source.all_tags(&stable);
    while let Some(mut page) = pages.try_next().await? {
        page.retain(|row: &TagRow| filter.takes_subtable(&stable.name, &row.name));
        tables += u64::try_from(page.len()).unwrap_or(u64::MAX);
        for row in page {
            names.see(&row.name);
            if let Err(why) = ddl::create_subtables(&stable, std::slice::from_ref(&row), usize::MAX) {
                let (count, ..) = not_sql.get_or_insert_with(|| (0, row.name.clone(), why));
                *count += 1;
            } else if example.is_none() {
                example = Some(row);
            }
        }
    }
    drop(pages);
    Ok(StableFacts { stable, tables, extent, example, not_sql })
}

async fn target(sink: &dyn Sink, source: &SourceFacts, clock: &Clock) -> PortResult<TargetFacts> {
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
    let stables = source.stables.iter().map(|one| &one.stable.name);
    let tables = source.normal_tables.iter().map(|one| &one.table.name);
    let all: BTreeSet<&String> = stables.chain(tables).collect();
    let names: Vec<_> =
        all.iter().filter(|name| !facts.stables.contains_key(**name)).map(|&name| name.clone()).collect();
    let found = sink.tables(&names).await?;
    facts.tables = found.into_iter().map(|table| (table.name.clone(), table)).collect();
    for name in all {
        if (facts.stables.contains_key(name) || facts.tables.contains_key(name))
            && has_rows(sink, name).await?
        {
            facts.with_rows.insert(name.clone());
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
