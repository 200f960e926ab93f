//! The databases: names, options, precision, what a new one needs.

use tdferry_common::server::Dnode;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::kinds;
use crate::rules::Why;
use crate::target as held;

/// Bytes of a database's name in 3.x.
const LONGEST_NAME: usize = 64;

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    match &facts.target.database {
        Some(target) => {
            let what = "it is there already; its options are not changed";
            found.push(Finding::new(&kinds::TARGET_DATABASE_EXISTS, super::target(facts), what));
            let precision = held::hold_precision(&facts.source.database, target);
            found.extend(
                precision.map(|what| Finding::new(&kinds::PRECISION_DIFFERS, super::target(facts), what)),
            );
            found.extend(single_stable(facts, target));
        }
        None if facts.asked.creates_database => {
            found.extend(name(facts));
            found.extend(options(facts));
            found.extend(room(facts));
        }
        None => {
            let what = "there is no such database, and none is to be created";
            found.push(Finding::new(&kinds::TARGET_DATABASE_MISSING, super::target(facts), what));
        }
    }
    if facts.source.stables.is_empty()
        && facts.source.normal_tables.is_empty()
        && facts.source.missing.is_none()
    {
        found.push(Finding::new(
            &kinds::DATABASE_EMPTY,
            super::source(facts),
            "there is nothing in it to copy",
        ));
    }
    found
}

fn name(facts: &Facts) -> Option<Finding> {
    let name = &facts.asked.target_database;
    let what = match name {
        _ if name.len() > LONGEST_NAME => {
            format!("its name has {} bytes, 3.x takes {LONGEST_NAME}", name.len())
        }
        _ if name.contains(['.', '`', '\0']) => {
            "3.x takes no dot and no backtick in the name of a database".into()
        }
        _ => return None,
    };
    Some(Finding::new(&kinds::TARGET_DATABASE_NAME, super::target(facts), what))
}

fn options(facts: &Facts) -> Vec<Finding> {
    let kind = |why: Why| match why {
        Why::Widened => &kinds::KEEP_WIDENED,
        Why::Clamped => &kinds::OPTION_CLAMPED,
        Why::Gone => &kinds::OPTION_GONE,
        Why::Unknown => &kinds::OPTION_UNKNOWN,
        Why::Asked => &kinds::OPTION_ASKED,
        Why::Chosen => &kinds::VGROUPS_CHOSEN,
    };
    let differences = facts.translated().differences;
    differences.iter().map(|one| Finding::new(kind(one.why), super::target(facts), one)).collect()
}

/// What the new database's vnodes need.
fn room(facts: &Facts) -> Vec<Finding> {
    let Some(dnodes) = &facts.target.server.dnodes else { return Vec::new() };
    let ready: Vec<&Dnode> = dnodes.iter().filter(|dnode| dnode.ready).collect();
    let options = facts.translated().options;
    let (vgroups, replica) = (number(&options, "VGROUPS"), number(&options, "REPLICA"));
    let mut found = Vec::new();
    if replica > u64::try_from(ready.len()).unwrap_or(u64::MAX) {
        let what = format!("REPLICA {replica} on {} dnodes that are ready", ready.len());
        found.push(Finding::new(&kinds::REPLICA_SHORT, super::target(facts), what));
    }
    let free: Option<u64> = ready.iter().map(|dnode| dnode.free_vnodes).sum();
    if let Some(free) = free.filter(|free| *free < vgroups.saturating_mul(replica)) {
        let what = format!("VGROUPS {vgroups} of REPLICA {replica}, and room for {free} vnodes");
        found.push(Finding::new(&kinds::VNODES_SHORT, super::target(facts), what));
    }
    found
}

/// A number among translated options; one where the server has its default.
fn number(options: &str, word: &str) -> u64 {
    let mut words = options.split(' ').skip_while(|found| *found != word).skip(1);
    words.next().and_then(|number| number.parse().ok()).unwrap_or(1)
}

fn single_stable(facts: &Facts, target: &tdferry_common::schema::Database) -> Option<Finding> {
    let single = target.options.get("single_stable").is_some_and(|value| value == "true");
    let names = facts.source.stables.iter().map(|one| &one.stable.name);
    let all: std::collections::BTreeSet<_> = names.chain(facts.target.stables.keys()).collect();
    (single && all.len() > 1).then(|| {
        let what = format!("it takes a single stable, and there would be {}", all.len());
        Finding::new(&kinds::TARGET_SINGLE_STABLE, super::target(facts), what)
    })
}
