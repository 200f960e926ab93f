//! What the servers are: versions, nodes, rights, clocks, room.

use std::time::Duration;

use tdferry_common::port::Side;
use tdferry_common::schema::Column;
use tdferry_common::server::{ASKED_CONNECTIONS, Rights, Server};

use super::super::facts::Facts;
use super::super::finding::{Finding, Place};
use super::super::kinds::{self, Kind};
use super::numbers;
use crate::sizing;

/// What the answers took on their way, and what clocks that are kept by a time server differ at most.
const CLOCK_SLACK: Duration = Duration::from_secs(5);
/// More than ten times smaller than as they were read rows hardly get.
const BEST_COMPRESSION: u64 = 10;
/// The first version whose gateway takes blocks with the names of their columns.
const BLOCKS_WITH_NAMES: [u32; 3] = [3, 0, 2];

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = versions(facts);
    found.extend(dnodes(&kinds::SOURCE_DNODE_DOWN, Side::Source, &facts.source.server));
    found.extend(dnodes(&kinds::TARGET_DNODE_DOWN, Side::Sink, &facts.target.server));
    found.extend(rights(facts));
    found.extend(connections(Side::Source, &facts.source.server));
    found.extend(connections(Side::Sink, &facts.target.server));
    found.extend(clocks(facts));
    found.extend(disk(facts));
    found.extend(left_behind(facts));
    found
}

/// What the versions alone forbid or advise. Where they forbid, nothing else was looked at.
pub(super) fn versions(facts: &Facts) -> Vec<Finding> {
    let (source, target) = (numbers(&facts.source.version), numbers(&facts.target.version));
    let mut found = Vec::new();
    let mut tell = |kind, side, version: &str| {
        found.push(Finding::new(kind, Place::server(side), format!("TDengine {version}")));
    };
    match source.as_slice() {
        [2, minor, ..] if *minor >= 6 => {}
        [2, ..] => tell(&kinds::SOURCE_UNTRIED, Side::Source, &facts.source.version),
        _ => tell(&kinds::SOURCE_NOT_2X, Side::Source, &facts.source.version),
    }
    match target.as_slice() {
        [3, ..] if facts.asked.gateway && target.as_slice() < &BLOCKS_WITH_NAMES[..] => {
            tell(&kinds::TARGET_TOO_OLD, Side::Sink, &facts.target.version);
        }
        [3, minor, ..] if *minor >= 3 => {}
        [3, ..] => tell(&kinds::TARGET_UNTRIED, Side::Sink, &facts.target.version),
        _ => tell(&kinds::TARGET_NOT_3X, Side::Sink, &facts.target.version),
    }
    found
}

fn dnodes(kind: &'static Kind, side: Side, server: &Server) -> Vec<Finding> {
    let down = server.dnodes.iter().flatten().filter(|dnode| !dnode.ready);
    down.map(|dnode| {
        Finding::new(kind, Place::server(side), format!("dnode {} is not ready", dnode.endpoint))
    })
    .collect()
}

fn rights(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let target = super::target(facts);
    match (&facts.target.refuses, facts.target.server.rights) {
        (Some(words), _) => found.push(Finding::new(&kinds::TARGET_MAY_NOT_WRITE, target, words)),
        (None, Some(Rights::Read)) => {
            found.push(Finding::new(
                &kinds::TARGET_MAY_NOT_WRITE,
                target,
                "the user was granted read, not write",
            ));
        }
        (None, None) => {
            let what = "whether the user may create and write is not known without writing";
            found.push(Finding::new(&kinds::RIGHTS_UNKNOWN, target, what));
        }
        (None, Some(Rights::Write | Rights::All)) => {}
    }
    if facts.source.server.rights >= Some(Rights::Write) {
        found.push(Finding::new(
            &kinds::SOURCE_USER_WRITES,
            Place::server(Side::Source),
            "the user may write",
        ));
    }
    found
}

fn connections(side: Side, server: &Server) -> Option<Finding> {
    let granted = server.connections.filter(|granted| *granted < ASKED_CONNECTIONS)?;
    let what = format!("{granted} of {ASKED_CONNECTIONS} connections were granted at once");
    Some(Finding::new(&kinds::FEW_CONNECTIONS, Place::server(side), what))
}

fn clocks(facts: &Facts) -> Vec<Finding> {
    let sides = [
        (Side::Source, &facts.source.server, facts.source.here_millis),
        (Side::Sink, &facts.target.server, facts.target.here_millis),
    ];
    let mut found = Vec::new();
    for (side, server, here) in sides {
        match server.clock_millis {
            Some(clock) if u128::from(clock.abs_diff(here)) > CLOCK_SLACK.as_millis() => {
                let seconds = clock.abs_diff(here) / 1_000;
                let way = if clock > here { "ahead of" } else { "behind" };
                let what = format!("its clock is {seconds} s {way} this machine's");
                found.push(Finding::new(&kinds::CLOCKS_DIFFER, Place::server(side), what));
            }
            None if side == Side::Source => {
                let what = "its clock cannot be asked: before 2.6 there is no way, later it takes a table with a row";
                found.push(Finding::new(&kinds::CLOCK_UNKNOWN, Place::server(side), what));
            }
            _ => {}
        }
    }
    found
}

fn disk(facts: &Facts) -> Option<Finding> {
    let wanted = bytes(facts);
    let place = Place::server(Side::Sink);
    let Some(free) = facts.target.server.free_bytes else {
        let what = format!("free disk cannot be asked; the rows are {} as they are read", megabytes(wanted));
        return Some(Finding::new(&kinds::DISK_UNKNOWN, place, what));
    };
    let what = format!("{} are free, the rows are {} as they are read", megabytes(free), megabytes(wanted));
    match free {
        _ if !facts.asked.copies || free >= wanted => None,
        _ if free < wanted / BEST_COMPRESSION => Some(Finding::new(&kinds::DISK_SHORT, place, what)),
        _ => Some(Finding::new(&kinds::DISK_TIGHT, place, what)),
    }
}

fn megabytes(bytes: u64) -> String {
    match bytes.div_ceil(1_000_000) {
        0 | 1 => "less than 1 MB".to_owned(),
        more => format!("about {more} MB"),
    }
}

/// What the rows take as they are read, about.
pub(in crate::check) fn bytes(facts: &Facts) -> u64 {
    let of = |columns: &[Column], rows: u64| rows.saturating_mul(u64::from(sizing::row_bytes(columns)));
    let stables = facts.source.stables.iter().map(|one| of(&one.stable.columns, one.extent.rows));
    let tables = facts.source.normal_tables.iter().map(|one| of(&one.table.columns, one.extent.rows));
    stables.chain(tables).fold(0, u64::saturating_add)
}

fn left_behind(facts: &Facts) -> Vec<Finding> {
    let server = &facts.source.server;
    let kinds = [
        (&kinds::USERS_NOT_COPIED, server.users, "users"),
        (&kinds::STREAMS_NOT_COPIED, server.streams, "continuous queries"),
    ];
    let some = kinds
        .into_iter()
        .filter_map(|(kind, count, what)| Some((kind, count.filter(|count| *count > 0)?, what)));
    some.map(|(kind, count, what)| Finding::new(kind, Place::server(Side::Source), format!("{count} {what}")))
        .collect()
}
