//! Names that the target does not take, or takes in backticks only.

use tdferry_common::port::Side;

use super::super::census::{self, Oddity, Seen};
use super::super::facts::Facts;
use super::super::finding::{Finding, Place};
use super::super::kinds::{self, Kind};

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<_> =
        facts.source.names.seen().map(|(oddity, seen)| of_table(facts, oddity, seen)).collect();
    let stables = facts.source.stables.iter().map(|one| {
        let columns = one.stable.columns.iter().chain(&one.stable.tags);
        (super::source(facts).stable(&one.stable.name), columns)
    });
    for (place, columns) in stables {
        columns.for_each(|column| found.extend(of_column(&place, &column.name)));
    }
    for one in &facts.source.normal_tables {
        let place = super::source(facts).table(&one.table.name);
        one.table.columns.iter().for_each(|column| found.extend(of_column(&place, &column.name)));
    }
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
