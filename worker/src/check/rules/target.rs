//! What stands at the target already, held against what is to come: the comparison that guards each copy, beforehand.

use tdferry_common::options::OnMissingColumn;
use tdferry_common::schema::Column;

use super::super::facts::Facts;
use super::super::finding::{Finding, Place};
use super::super::kinds::{self, Kind};
use crate::target::{Mismatch, Of, hold_columns};

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mapping = &facts.asked.mapping;
    for one in &facts.source.stables {
        let stable = mapping.target_stable(&one.stable);
        let (name, place) = (&stable.name, super::target(facts).stable(&stable.name));
        match facts.target.stables.get(name) {
            Some(there) => {
                found.extend(held(facts, &place, Of::Column, (&stable.columns, &there.columns)));
                found.extend(held(facts, &place, Of::Tag, (&stable.tags, &there.tags)));
            }
            None if facts.target.tables.contains_key(name) => {
                found.push(Finding::new(
                    &kinds::TARGET_NAME_TAKEN,
                    place,
                    "a table there that is no stable has its name",
                ));
            }
            None => found.extend(missing(facts, place, "stable")),
        }
    }
    for one in facts.tables_to_be() {
        let table = mapping.target_table(&one.table);
        let (name, place) = (&table.name, super::target(facts).table(&table.name));
        match facts.target.tables.get(name) {
            _ if facts.target.stables.contains_key(name) => {
                found.push(Finding::new(&kinds::TARGET_NAME_TAKEN, place, "a stable there has its name"));
            }
            Some(there) => found.extend(held(facts, &place, Of::Column, (&table.columns, &there.columns))),
            None => found.extend(missing(facts, place, "normal table")),
        }
    }
    for name in &facts.target.with_rows {
        let place = super::target(facts);
        let stable = facts.target.stables.contains_key(name);
        let place = if stable { place.stable(name) } else { place.table(name) };
        found.push(Finding::new(&kinds::TARGET_HAS_ROWS, place, "there are rows in it already"));
    }
    found
}

/// Without a database the finding about that says it all.
fn missing(facts: &Facts, place: Place, what: &str) -> Option<Finding> {
    let told = facts.asked.creates_tables || facts.target.database.is_none();
    (!told)
        .then(|| Finding::new(&kinds::TARGET_TABLE_MISSING, place, format!("the target has no such {what}")))
}

fn held(facts: &Facts, place: &Place, of: Of, (source, target): (&[Column], &[Column])) -> Vec<Finding> {
    let name = place.stable.as_ref().or(place.table.as_ref()).map_or("", String::as_str);
    let differs = |mismatch: Mismatch| {
        let place = match &mismatch {
            Mismatch::NoColumn { column, .. } => place.clone().column(&column.name),
            Mismatch::OtherType { source, .. } => place.clone().column(&source.name),
            Mismatch::NoTable { .. } | Mismatch::OtherPrecision { .. } => place.clone(),
        };
        Finding::new(kind(facts, &mismatch), place, &mismatch)
    };
    let extra = target.iter().filter(|there| !source.iter().any(|column| column.name == there.name));
    let extra = extra.map(|there| {
        let what = format!("a {of} {} that the source does not have", there.sql_type());
        Finding::new(&kinds::TARGET_COLUMN_EXTRA, place.clone().column(&there.name), what)
    });
    hold_columns(name, of, source, target).into_iter().map(differs).chain(extra).collect()
}

/// By what the task says of it.
fn kind(facts: &Facts, mismatch: &Mismatch) -> &'static Kind {
    let options = &facts.asked.options;
    match mismatch {
        Mismatch::NoColumn { of: Of::Tag, .. } => &kinds::TARGET_COLUMN_MISSING,
        Mismatch::NoColumn { of, .. } => match options.on_missing_column {
            Some(OnMissingColumn::Widen) => &kinds::TARGET_COLUMN_ADDED,
            Some(OnMissingColumn::Null) if *of == Of::Column => &kinds::TARGET_COLUMN_LEFT_OUT,
            None | Some(OnMissingColumn::Null | OnMissingColumn::Fail) => &kinds::TARGET_COLUMN_MISSING,
        },
        shorter if options.on_too_long.is_some() && shorter.is_shorter_column() => {
            &kinds::TARGET_COLUMN_SHORTER
        }
        _ => &kinds::TARGET_COLUMN_DIFFERS,
    }
}
