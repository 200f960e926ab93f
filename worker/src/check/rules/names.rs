//! Names that the target does not take, or takes in backticks only.

use tdferry_common::port::Side;

use super::super::census::{self, Oddity, Seen};
use super::super::facts::Facts;
use super::super::finding::{Finding, Place};
use super::super::kinds::{self, Kind};
use super::numbers;

/// Before it, the client library of a target may crash over a name with an asterisk (its release notes).
const TAKES_ASTERISKS: [u32; 3] = [3, 3, 6];

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let names = facts.source.names.seen();
    let mut found: Vec<_> = names.map(|(oddity, seen)| of_table(facts, kind(oddity), oddity, seen)).collect();
    let rejected = facts.source.rejected.seen().filter(|(oddity, _)| kind(*oddity).severity.is_hazard());
    found.extend(rejected.map(|(oddity, seen)| of_table(facts, &kinds::TABLE_REJECTED, oddity, seen)));
    let mapping = &facts.asked.mapping;
    for one in &facts.source.stables {
        let place = super::source(facts).stable(&one.stable.name);
        let target = mapping.target_stable(&one.stable);
        let columns = target.columns.iter().chain(&target.tags);
        columns.for_each(|column| found.extend(of_column(&place, &column.name)));
    }
    for one in &facts.source.normal_tables {
        let place = super::source(facts).table(&one.table.name);
        let target = mapping.target_table(&one.table);
        target.columns.iter().for_each(|column| found.extend(of_column(&place, &column.name)));
    }
    let clash = facts.source.clash.as_ref();
    found.extend(clash.map(|what| Finding::new(&kinds::NAMES_CLASH, super::target(facts), what)));
    found.extend(
        facts
            .source
            .missing
            .as_ref()
            .map(|what| Finding::new(&kinds::SELECTED_NAME_MISSING, Place::server(Side::Source), what)),
    );
    if numbers(&facts.target.version).as_slice() >= &TAKES_ASTERISKS[..] {
        found.retain(|finding| finding.kind != &kinds::ASTERISK_IN_NAME);
    }
    found
}

fn of_table(facts: &Facts, kind: &'static Kind, oddity: Oddity, seen: &Seen) -> Finding {
    let place = super::source(facts).table(&seen.first);
    let words = match oddity {
        Oddity::Dot => "3.x takes no dot in the name of a table",
        Oddity::Folds => "another name differs from this one in case alone",
        other => about(other),
    };
    let more = match seen.count - 1 {
        0 => String::new(),
        more => format!(", and {more} more like it"),
    };
    Finding::new(kind, place, format!("{words}{more}"))
}

fn of_column(place: &Place, name: &str) -> Vec<Finding> {
    let finding = |oddity| Finding::new(kind(oddity), place.clone().column(name), about(oddity));
    census::column(name).into_iter().map(finding).collect()
}

const fn kind(oddity: Oddity) -> &'static Kind {
    match oddity {
        Oddity::Dot => &kinds::DOT_IN_NAME,
        Oddity::NotSql => &kinds::NAME_NOT_SQL,
        Oddity::TooLong => &kinds::NAME_TOO_LONG,
        Oddity::Folds => &kinds::NAMES_FOLD_TOGETHER,
        Oddity::Reserved => &kinds::RESERVED_WORD,
        Oddity::Backticks => &kinds::NEEDS_BACKTICKS,
        Oddity::Asterisk => &kinds::ASTERISK_IN_NAME,
    }
}

const fn about(oddity: Oddity) -> &'static str {
    match oddity {
        Oddity::Dot => "a dot",
        Oddity::NotSql => "no quotes can hold this name",
        Oddity::TooLong => "the name is longer than 3.x takes",
        Oddity::Folds => "names that differ in case alone",
        Oddity::Reserved => "a word that 3.x reserves",
        Oddity::Backticks => "other than lower-case letters, digits and underscores",
        Oddity::Asterisk => "an asterisk",
    }
}
