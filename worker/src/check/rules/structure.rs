//! What a stable or table may be in 3.x: columns, tags, bytes. And what of it reads otherwise.

use tdferry_common::schema::{Column, DataType};

use super::super::facts::{Facts, StableFacts};
use super::super::finding::{Finding, Place};
use super::super::kinds;
use super::numbers;

/// Columns and tags of a table, on either version.
const MOST_COLUMNS: usize = 4_096;
/// Tags of a stable, on either version.
const MOST_TAGS: usize = 128;
/// Bytes of all tags of a stable, on either version.
const TAG_BYTES: u64 = 16 * 1024;

/// Lengths that 3.0.5 raised.
struct Lengths {
    row: u64,
    column: u64,
    tag: u64,
}

const SINCE_3_0_5: Lengths = Lengths { row: 65_531, column: 65_517, tag: 16_382 };
const BEFORE_3_0_5: Lengths = Lengths { row: 49_151, column: 16_374, tag: 16_374 };

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let lengths =
        if numbers(&facts.target.version).as_slice() >= &[3, 0, 5][..] { SINCE_3_0_5 } else { BEFORE_3_0_5 };
    let mut found = Vec::new();
    for one in &facts.source.stables {
        let place = super::source(facts).stable(&one.stable.name);
        let target = facts.asked.mapping.target_stable(&one.stable);
        found.extend(columns(&place, &target.columns, target.tags.len(), &lengths));
        found.extend(tags(&place, &target.tags, one, &lengths));
        if one.tables == 0 {
            found.push(Finding::new(&kinds::STABLE_EMPTY, place, "it has no subtables"));
        }
    }
    for one in &facts.source.normal_tables {
        let place = super::source(facts).table(&one.table.name);
        found.extend(columns(&place, &one.table.columns, 0, &lengths));
    }
    found
}

fn columns(place: &Place, columns: &[Column], tags: usize, lengths: &Lengths) -> Vec<Finding> {
    let mut found: Vec<_> = long(place, columns, lengths.column);
    let row: u64 = columns.iter().map(bytes).sum();
    if row > lengths.row {
        let what = format!("a row has up to {row} bytes, the target takes {}", lengths.row);
        found.push(Finding::new(&kinds::ROW_TOO_LONG, place.clone(), what));
    }
    if columns.len() + tags > MOST_COLUMNS {
        let what = format!("{} columns and {tags} tags, 3.x takes {MOST_COLUMNS}", columns.len());
        found.push(Finding::new(&kinds::TOO_MANY_COLUMNS, place.clone(), what));
    }
    found
}

fn tags(place: &Place, tags: &[Column], one: &StableFacts, lengths: &Lengths) -> Vec<Finding> {
    let json = tags.iter().any(|tag| tag.data_type == DataType::Json);
    let mut found = long(place, tags, lengths.tag);
    let all: u64 = tags.iter().map(bytes).sum();
    if tags.len() > MOST_TAGS {
        let what = format!("{} tags, 3.x takes {MOST_TAGS}", tags.len());
        found.push(Finding::new(&kinds::TOO_MANY_TAGS, place.clone(), what));
    }
    if all > TAG_BYTES && !json {
        let what = format!("its tags have up to {all} bytes, 3.x takes {TAG_BYTES}");
        found.push(Finding::new(&kinds::TAGS_TOO_LONG, place.clone(), what));
    }
    for tag in tags.iter().filter(|tag| tag.data_type == DataType::Json) {
        found.push(Finding::new(&kinds::JSON_TAG, place.clone().column(&tag.name), "a JSON tag"));
    }
    if let Some((count, name)) = &one.json_numbers {
        let tag = tags.iter().find(|tag| tag.data_type == DataType::Json).map_or("", |tag| &tag.name);
        let what = format!(
            "its JSON has a number of 2e19 or more; subtables of this stable with such a tag: {count}"
        );
        found.push(Finding::new(&kinds::JSON_NUMBER, place.clone().table(name).column(tag), what));
    }
    if let Some((count, name, why)) = &one.not_sql {
        let what = format!("{why}; subtables of this stable with such a tag: {count}");
        found.push(Finding::new(&kinds::TAG_NOT_SQL, place.clone().table(name), what));
    }
    found
}

fn long(place: &Place, columns: &[Column], most: u64) -> Vec<Finding> {
    let text = |column: &&Column| matches!(column.data_type, DataType::Binary | DataType::Nchar);
    let long = columns.iter().filter(text).filter(|column| declared(column) > most);
    long.map(|column| {
        let what = format!("{} has {} bytes, the target takes {most}", column.sql_type(), declared(column));
        Finding::new(&kinds::COLUMN_TOO_LONG, place.clone().column(&column.name), what)
    })
    .collect()
}

/// Bytes of the longest value: an NCHAR has four a character.
fn declared(column: &Column) -> u64 {
    u64::from(column.length) * if column.data_type == DataType::Nchar { 4 } else { 1 }
}

/// Bytes that a value takes in a row: text has its length in front.
fn bytes(column: &Column) -> u64 {
    match column.data_type.width() {
        Some(width) => u64::try_from(width).unwrap_or(u64::MAX),
        None => declared(column) + 2,
    }
}
