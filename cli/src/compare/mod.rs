//! The independent comparer: reads both databases and names every cell, tag, table and column that differs.
//!
//! It shares nothing with the worker: plain queries, ordered, row by row. Demo and tests trust it, so it trusts
//! nobody: a table that cannot be read is a difference, and every row that was compared is counted.

mod rows;
mod structure;

use tdferry_common::dsn::Dsn;
use tdferry_common::port::{PortError, Side};
use tdferry_common::secret::Secrets;
use tdferry_common::tdengine::{Answer, Reader};

/// Differences named in full; more are only counted.
const MOST_NAMED: usize = 100;

/// One of the two databases.
pub struct Place {
    reader: Reader,
    database: String,
    side: Side,
}

/// What the comparison found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Tables compared, normal ones among them.
    pub tables: u64,
    /// Rows compared, cell by cell.
    pub rows: u64,
    /// The first differences, in words.
    pub differences: Vec<String>,
    /// All differences.
    pub differing: u64,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.differing == 0
    }

    fn differs(&mut self, difference: String) {
        self.differing += 1;
        if self.differences.len() < MOST_NAMED {
            self.differences.push(difference);
        }
    }
}

/// Compares two databases whole. Only a server that fails to answer is an error.
pub async fn compare(source: &Place, target: &Place) -> Result<Comparison, PortError> {
    let mut found = Comparison::default();
    let tables = structure::compare(source, target, &mut found).await?;
    for table in tables {
        found.tables += 1;
        rows::compare(source, target, &table, &mut found).await?;
    }
    Ok(found)
}

impl Place {
    /// A database on a server of the source's line or the sink's.
    pub fn new(
        side: Side,
        dsn: Dsn,
        database: impl Into<String>,
        secrets: &Secrets,
    ) -> Result<Self, PortError> {
        Ok(Self { reader: Reader::new(&dsn.without_database(), secrets)?, database: database.into(), side })
    }

    async fn ask(&self, sql: &str) -> Result<Answer, PortError> {
        self.reader.query(sql).await
    }

    fn path(&self, table: &str) -> String {
        match self.side {
            // 2.7 does not find a table whose name has a space if its database is quoted, too
            Side::Source => format!("{}.`{table}`", self.database),
            Side::Sink => format!("`{}`.`{table}`", self.database),
        }
    }
}
