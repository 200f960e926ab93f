//! The in-memory sink: the port's methods over a [`MemServer`], as strict as the real ones should be.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::call::Call;
use super::database::MemDatabase;
use super::server::{MemServer, State};
use crate::batch::{Block, TableRuns, TagRow};
use crate::options::RowFilter;
use crate::port::{PortResult, Sink};
use crate::schema::{Column, Database, NormalTable, Stable};
use crate::time::{Period, Precision};

/// What it says it is.
const VERSION: &str = "3.3.1.0";
/// A sink has one database, so its name does not matter.
const NAME: &str = "target";

/// A sink in memory.
#[derive(Debug, Clone)]
pub struct MemSink {
    pub(super) server: Arc<MemServer>,
    /// Which rows are read and counted.
    pub(super) filter: RowFilter,
}

impl MemSink {
    /// A sink that writes to this server.
    pub fn new(server: Arc<MemServer>) -> Self {
        Self { server, filter: RowFilter::default() }
    }
}

#[async_trait]
impl Sink for MemSink {
    async fn version(&self) -> PortResult<String> {
        self.server.call(Call::Version, |_| Ok(VERSION.into())).await
    }

    async fn database(&self) -> PortResult<Option<Database>> {
        let database = |state: &mut State| Ok(state.database.as_ref().map(|held| held.database.clone()));
        self.server.call(Call::Database, database).await
    }

    async fn create_database(&self, options: &str) -> PortResult<()> {
        let create = |state: &mut State| {
            state.database.get_or_insert_with(|| database_with(options));
            Ok(())
        };
        self.server.call(Call::CreateDatabase, create).await
    }

    async fn stables(&self) -> PortResult<Vec<Stable>> {
        self.server.call(Call::Stables, |state| state.stables()).await
    }

    async fn tables(&self, names: &[String]) -> PortResult<Vec<NormalTable>> {
        let tables = |state: &mut State| {
            let normal = state.normal_tables()?;
            Ok(normal.into_iter().filter(|table| names.contains(&table.name)).collect())
        };
        self.server.call(Call::Tables, tables).await
    }

    async fn create_stable(&self, stable: &Stable) -> PortResult<()> {
        let create = |state: &mut State| {
            if state.database()?.tables.contains_key(&stable.name) {
                return Err(state.invalid(format!("{:?} is a table, not a stable", stable.name)));
            }
            state.database_mut()?.stables.entry(stable.name.clone()).or_insert_with(|| stable.clone());
            Ok(())
        };
        self.server.call(Call::CreateStable, create).await
    }

    async fn create_table(&self, table: &NormalTable) -> PortResult<()> {
        let create = |state: &mut State| {
            if state.database()?.stables.contains_key(&table.name) {
                return Err(state.invalid(format!("{:?} is a stable, not a table", table.name)));
            }
            let database = state.database_mut()?;
            if !database.tables.contains_key(&table.name) {
                database.add_normal_table(&table.name, table.columns.clone());
            }
            Ok(())
        };
        self.server.call(Call::CreateTable, create).await
    }

    async fn add_to_stable(&self, stable: &Stable) -> PortResult<()> {
        let add = |state: &mut State| {
            state.add_columns(&stable.name, &stable.columns)?;
            state.add_tags(&stable.name, &stable.tags)
        };
        self.server.call(Call::Widen, add).await
    }

    async fn add_to_table(&self, table: &NormalTable) -> PortResult<()> {
        let add = |state: &mut State| state.add_columns(&table.name, &table.columns);
        self.server.call(Call::Widen, add).await
    }

    async fn create_subtables(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        let create = |state: &mut State| {
            let tags = state.stable(&stable.name)?.tags.clone();
            if let Some(row) = rows.iter().find(|row| row.tags.len() != tags.len()) {
                return Err(state.invalid(format!("{:?} has {} tags", row.name, row.tags.len())));
            }
            let database = state.database_mut()?;
            for row in rows {
                if !database.tables.contains_key(&row.name) {
                    database.add_subtable(&stable.name, &row.name, row.tags.clone());
                }
            }
            Ok(())
        };
        self.server.call(Call::CreateSubtables, create).await
    }

    async fn missing_subtables(&self, stable: &str, names: &[String]) -> PortResult<Vec<String>> {
        let missing = |state: &mut State| {
            state.stable(stable)?;
            let tables = &state.database()?.tables;
            let there =
                |name: &&String| tables.get(*name).is_some_and(|one| one.stable.as_deref() == Some(stable));
            Ok(names.iter().filter(|name| !there(name)).cloned().collect())
        };
        self.server.call(Call::MissingSubtables, missing).await
    }

    async fn write(&self, table: &str, block: &Block) -> PortResult<()> {
        let write = |state: &mut State| state.write(block, &[(table, 0..block.rows())]);
        self.server.call(Call::Write, write).await
    }

    async fn write_many(&self, rows: &TableRuns) -> PortResult<()> {
        let write = |state: &mut State| {
            let runs: Vec<_> = rows.runs.iter().map(|run| (run.table.as_str(), run.rows.clone())).collect();
            state.write(&rows.block, &runs)
        };
        self.server.call(Call::WriteMany, write).await
    }

    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        self.server.all_tags(stable)
    }

    async fn widen_keep(&self, days: u64) -> PortResult<()> {
        let widen = |state: &mut State| {
            let precision = state.database()?.database.precision;
            let now = state.limits.clock.unwrap_or(0);
            let units =
                i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(86_400 * precision.per_second());
            state.limits.keep.from = state.limits.keep.from.min(now.saturating_sub(units));
            Ok(())
        };
        self.server.call(Call::Widen, widen).await
    }

    async fn widen_column(&self, table: &str, column: &Column) -> PortResult<()> {
        self.server.call(Call::Widen, |state| state.widen_column(table, column)).await
    }

    async fn set_tags(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        let set = |state: &mut State| {
            state.stable(&stable.name)?;
            for row in rows {
                state.table(&row.name)?;
                if let Some(table) = state.database_mut()?.tables.get_mut(&row.name) {
                    table.tags.clone_from(&row.tags);
                }
            }
            Ok(())
        };
        self.server.call(Call::SetTags, set).await
    }

    fn narrowed(&self, conditions: &RowFilter) -> Option<Arc<dyn Sink>> {
        Some(Arc::new(Self { filter: conditions.clone(), ..self.clone() }))
    }

    async fn delete(&self, table: &str, period: Period) -> PortResult<()> {
        let delete = |state: &mut State| {
            state.table(table)?;
            if let Some(table) = state.database_mut()?.tables.get_mut(table) {
                table.rows.retain(|ts, _| !period.contains(*ts));
            }
            Ok(())
        };
        self.server.call(Call::Delete, delete).await
    }

    async fn keeps(&self, _precision: Precision) -> PortResult<Period> {
        self.server.call(Call::Keeps, |state| Ok(state.limits.keep)).await
    }
}

/// A database by the options of its statement: words in pairs, a name and a value.
fn database_with(options: &str) -> MemDatabase {
    let words: Vec<&str> = options.split_whitespace().collect();
    let mut database = MemDatabase::new(NAME, Precision::default());
    for pair in words.chunks(2) {
        if let [name, value] = pair {
            let value = value.trim_matches('\'').to_owned();
            database.database.options.insert(name.to_lowercase(), value);
        }
    }
    let precision = database.database.options.get("precision").and_then(|word| Precision::from_word(word));
    database.database.precision = precision.unwrap_or_default();
    database
}
