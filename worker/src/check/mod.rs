//! The pre-flight check: what would go wrong, known before anything is copied. Nothing is written anywhere.
//!
//! [`gather`] asks both sides through the ports; [`rules`] judges the facts and asks nobody; [`kinds`] is the table of all
//! findings.

mod census;
mod facts;
mod finding;
mod gather;
mod kinds;
mod rules;
mod statements;
mod words;

#[cfg(test)]
mod tests;

use tdferry_common::clock::Clock;
use tdferry_common::port::Connector;
use tdferry_common::spec::Spec;

use self::facts::Facts;
pub use self::finding::{Finding, Place};
pub use self::kinds::{KINDS, Kind, Severity};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The source's version; empty where it could not be asked.
    pub source_version: String,
    /// The target's version; empty where it could not be asked.
    pub target_version: String,
    /// Whether both sides answered, so that the rest means something.
    pub reached: bool,
    /// The findings, the gravest first.
    pub findings: Vec<Finding>,
    /// The statements that would be run, without those for subtables.
    pub statements: Vec<String>,
    /// The statement for one subtable, as an example.
    pub example: Option<String>,
    /// Stables to copy.
    pub stables: u64,
    /// Subtables to copy.
    pub subtables: u64,
    /// Normal tables to copy.
    pub normal_tables: u64,
    /// Rows that they hold, of all time.
    pub rows: u64,
    /// Bytes of these rows as they are read, about.
    pub bytes: u64,
}

impl Report {
    /// How many findings are this grave.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.kind.severity == severity).count()
    }

    /// Whether something would lose data or block.
    pub fn has_hazard(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind.severity.is_hazard())
    }
}

/// Looks at both sides as a task of this spec would.
pub async fn check(connector: &dyn Connector, spec: &Spec, clock: &Clock) -> Report {
    match gather::gather(connector, spec, clock).await {
        Ok(facts) => report(&facts),
        Err(findings) => Report { findings, ..Report::default() },
    }
}

fn report(facts: &Facts) -> Report {
    let (statements, example) = statements::of(facts);
    let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    Report {
        source_version: facts.source.version.clone(),
        target_version: facts.target.version.clone(),
        reached: true,
        findings: rules::judge(facts),
        statements,
        example,
        stables: length(facts.source.stables.len()),
        subtables: facts.source.stables.iter().map(|one| one.tables).sum(),
        normal_tables: length(facts.source.normal_tables.len()),
        rows: facts.extents().map(|(_, _, extent)| extent.rows).fold(0, u64::saturating_add),
        bytes: rules::bytes(facts),
    }
}
