//! The rules, a family a file: facts in, findings out. Nothing here asks anybody.

mod database;
mod following;
mod names;
mod servers;
mod structure;
mod target;
mod time;

#[cfg(test)]
mod tests;

pub(super) use self::servers::bytes;
use tdferry_common::port::Side;

use super::facts::Facts;
use super::finding::{Finding, Place};

/// Everything that the facts give cause for, the gravest first.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let versions = servers::versions(facts);
    if versions.iter().any(|finding| finding.kind.severity.is_hazard()) {
        return versions;
    }
    let families = [
        servers::judge,
        database::judge,
        time::judge,
        names::judge,
        structure::judge,
        target::judge,
        following::judge,
    ];
    let mut found: Vec<_> = families.iter().flat_map(|family| family(facts)).collect();
    found.sort_by_key(|finding| finding.kind.severity);
    found
}

/// The database that is read.
fn source(facts: &Facts) -> Place {
    Place::database(Side::Source, &facts.source.database.name)
}

/// The database that is written.
fn target(facts: &Facts) -> Place {
    Place::database(Side::Sink, &facts.asked.target_database)
}

/// A version's numbers, as far as it has some.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}
