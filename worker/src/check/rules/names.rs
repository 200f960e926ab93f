//! Names that the target does not take, or takes in backticks only.

use tdferry_common::port::Side;

use super::super::census::{self, Oddity, Seen};
use super::super::facts::Facts;
use super::super::finding::{Finding, Place};
use super::super::kinds::{self, Kind};

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<_> =
        facts.source.names.seen().map(|(oddity, seen)| of_table(facts, oddity, seen)).collect();
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
    found
}

fn of_table(facts: &Facts, oddity: Oddity, seen: &Seen) -> Finding {
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
    Finding::new(kind(oddity), place, format!("{words}{more}"))
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
    }
}
