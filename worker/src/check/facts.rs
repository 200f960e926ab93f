//! Everything a check knows of both sides before it judges: plain data, gathered once.

use std::collections::{BTreeMap, BTreeSet};

use tdferry_common::batch::TagRow;
use tdferry_common::options::{DatabaseOptions, Options};
use tdferry_common::schema::{Database, Extent, NormalTable, Stable};
use tdferry_common::server::Server;
use tdferry_common::time::Period;

use super::census::Census;
use crate::mapping::Mapping;
use crate::rules::{self, Load, Translated};

/// Both sides, and what is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) asked: Asked,
    pub(crate) source: SourceFacts,
    pub(crate) target: TargetFacts,
}

/// What the task asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) target_database: String,
    /// A missing target database is created.
    pub(crate) creates_database: bool,
    /// What it is created like, as far as the task says.
    pub(crate) database: DatabaseOptions,
    /// Writes in flight of all workers, about.
    pub(crate) writers: u32,
    /// Missing stables and tables are created.
    pub(crate) creates_tables: bool,
    /// Rows are copied.
    pub(crate) copies: bool,
    /// The period asked for, in the source's units.
    pub(crate) period: Option<Period>,
    /// Whether the target is reached through a gateway.
    pub(crate) gateway: bool,
    /// What else the task says.
    pub(crate) options: Options,
    /// What the target is to call what the source has.
    pub(crate) mapping: Mapping,
}

/// The source.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceFacts {
    pub(crate) version: String,
    pub(crate) server: Server,
    /// This machine's clock when the server told its own, in milliseconds since 1970.
    pub(crate) here_millis: i64,
    pub(crate) database: Database,
    pub(crate) stables: Vec<StableFacts>,
    pub(crate) normal_tables: Vec<TableFacts>,
    /// Names of all tables, stables and subtables that the target is to have.
    pub(crate) names: Census,
    /// The same of those whose rows are all to be rejected for their names.
    pub(crate) rejected: Census,
    /// What the selection names and the source does not have.
    pub(crate) missing: Option<String>,
    /// The first two that would be one at the target.
    pub(crate) clash: Option<String>,
}

/// A stable that is taken.
#[derive(Debug, Clone)]
pub(crate) struct StableFacts {
    pub(crate) stable: Stable,
    pub(crate) tables: u64,
    pub(crate) extent: Extent,
    /// One of its subtables, for the statement that is shown.
    pub(crate) example: Option<TagRow>,
    /// Subtables with a tag that SQL cannot carry: how many, and the first with the reason.
    pub(crate) not_sql: Option<(u64, String, String)>,
    /// Subtables with a JSON tag that holds too large a number: how many, and the first.
    pub(crate) json_numbers: Option<(u64, String)>,
}

/// A normal table that is taken.
#[derive(Debug, Clone)]
pub(crate) struct TableFacts {
    pub(crate) table: NormalTable,
    pub(crate) extent: Extent,
}

/// The target.
#[derive(Debug, Clone)]
pub(crate) struct TargetFacts {
    pub(crate) version: String,
    pub(crate) server: Server,
    /// This machine's clock when the server told its own, in milliseconds since 1970.
    pub(crate) here_millis: i64,
    /// Why it would refuse to create and write, where it told.
    pub(crate) refuses: Option<String>,
    pub(crate) database: Option<Database>,
    /// What it keeps, in the source's units.
    pub(crate) keeps: Period,
    pub(crate) stables: BTreeMap<String, Stable>,
    /// Tables by the names that stables and normal tables are to have, as far as they are no stables.
    pub(crate) tables: BTreeMap<String, NormalTable>,
    /// Stables and normal tables that hold rows.
    pub(crate) with_rows: BTreeSet<String>,
}

impl Default for TargetFacts {
    fn default() -> Self {
        Self {
            version: String::new(),
            server: Server::default(),
            here_millis: 0,
            refuses: None,
            database: None,
            keeps: Period::ALL,
            stables: BTreeMap::new(),
            tables: BTreeMap::new(),
            with_rows: BTreeSet::new(),
        }
    }
}

impl Facts {
    /// The source's clock if it is known, else this machine's: where history ends, in the source's units.
    pub(crate) fn cutoff(&self) -> i64 {
        let millis = self.source.server.clock_millis.unwrap_or(self.source.here_millis);
        self.source.database.precision.from_unix_millis(millis)
    }

    /// The options of the target database, if it is to be created.
    pub(crate) fn translated(&self) -> Translated {
        let subtables: u64 = self.source.stables.iter().map(|one| one.tables).sum();
        let tables = subtables + u64::try_from(self.source.normal_tables.len()).unwrap_or(u64::MAX);
        let load = Load::new(tables, self.asked.writers, &self.target.server);
        rules::translate(&self.source.database, &self.asked.database, &load)
    }

    /// The normal tables that the target is to have.
    pub(crate) fn tables_to_be(&self) -> impl Iterator<Item = &TableFacts> {
        let mapping = &self.asked.mapping;
        self.source.normal_tables.iter().filter(|one| mapping.rejects("", &one.table.name).is_none())
    }

    /// Every stable and normal table with how much it holds.
    pub(crate) fn extents(&self) -> impl Iterator<Item = (&str, bool, Extent)> {
        let stables = self.source.stables.iter().map(|one| (one.stable.name.as_str(), true, one.extent));
        let tables = self.source.normal_tables.iter().map(|one| (one.table.name.as_str(), false, one.extent));
        stables.chain(tables)
    }
}
