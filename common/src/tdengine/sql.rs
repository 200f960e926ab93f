//! The statements that the adapter sends, as text: names quoted, periods as whole numbers, lists within bounds.

use std::ops::Range;

use crate::batch::TagRow;
use crate::batch::literal::{push_ident, push_quoted, push_value};
use crate::schema::{Column, NormalTable, Stable};
use crate::time::Period;

/// Bytes of one statement that every 2.x server takes (its smallest limit is 65,480).
pub(super) const SHORT_SQL: usize = 60_000;

/// A name as an identifier. A name that cannot be one becomes the empty identifier, which every server refuses:
/// no name read from a source can end the quotes around it.
pub(super) fn ident(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    if push_ident(&mut text, name).is_err() {
        return "``".into();
    }
    text
}

/// A text in quotes. One that cannot be quoted becomes the empty text, which is no table's name.
pub(super) fn quoted(text: &str) -> String {
    let mut sql = String::with_capacity(text.len() + 2);
    if push_quoted(&mut sql, text).is_err() {
        return "''".into();
    }
    sql
}

/// A table of a database.
pub(super) fn path(database: &str, table: &str) -> String {
    format!("{}.{}", ident(database), ident(table))
}

/// Columns, separated by commas.
pub(super) fn list(columns: &[Column]) -> String {
    columns.iter().map(|column| ident(&column.name)).collect::<Vec<_>>().join(",")
}

/// The conditions of a period on a column, joined by `and`; empty for all of time.
pub(super) fn within(column: &str, period: Period) -> String {
    let column = ident(column);
    let from = (period.from != i64::MIN).then(|| format!("{column} >= {}", period.from));
    let to = (period.to != i64::MAX).then(|| format!("{column} < {}", period.to));
    [from, to].into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

/// ` where …` of the conditions that say something.
pub(super) fn filter(conditions: &[&str]) -> String {
    let said: Vec<_> = conditions.iter().copied().filter(|condition| !condition.is_empty()).collect();
    if said.is_empty() { String::new() } else { format!(" where {}", said.join(" and ")) }
}

/// `tbname in (…)`.
pub(super) fn named(names: &[String]) -> String {
    format!("tbname in ({})", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(","))
}

/// Cuts a list of names so that each piece fits into a statement of `limit` bytes besides `rest`.
pub(super) fn pieces(names: &[String], rest: usize, limit: usize) -> Vec<Range<usize>> {
    let room = limit.saturating_sub(rest).max(1);
    let mut pieces = Vec::new();
    let (mut from, mut size) = (0, 0);
    for (index, name) in names.iter().enumerate() {
        let more = quoted(name).len() + 1;
        if size + more > room && index > from {
            pieces.push(from..index);
            (from, size) = (index, 0);
        }
        size += more;
    }
    if from < names.len() {
        pieces.push(from..names.len());
    }
    pieces
}

/// The columns of a `create`, with their types.
fn declared(columns: &[Column]) -> String {
    let one = |column: &Column| format!("{} {}", ident(&column.name), column.sql_type());
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Creates a stable if it is missing.
pub(super) fn create_stable(database: &str, stable: &Stable) -> String {
    let path = path(database, &stable.name);
    let (columns, tags) = (declared(&stable.columns), declared(&stable.tags));
    format!("create stable if not exists {path} ({columns}) tags ({tags})")
}

/// Creates a normal table if it is missing.
pub(super) fn create_table(database: &str, table: &NormalTable) -> String {
    format!("create table if not exists {} ({})", path(database, &table.name), declared(&table.columns))
}

/// Creates subtables if they are missing: statements of at most `limit` bytes, all rows in order.
pub(super) fn create_subtables(
    database: &str,
    stable: &Stable,
    rows: &[TagRow],
    limit: usize,
) -> Result<Vec<String>, String> {
    let using = format!(" using {} ({}) tags (", path(database, &stable.name), list(&stable.tags));
    let mut statements = Vec::new();
    let mut sql = String::from("create table");
    for row in rows {
        let one = format!(" if not exists {}{using}{})", path(database, &row.name), values(row)?);
        if sql.len() + one.len() > limit && sql.len() > "create table".len() {
            statements.push(std::mem::replace(&mut sql, String::from("create table")));
        }
        sql.push_str(&one);
    }
    if !rows.is_empty() {
        statements.push(sql);
    }
    Ok(statements)
}

fn values(row: &TagRow) -> Result<String, String> {
    let mut text = String::new();
    for (index, tag) in row.tags.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_value(&mut text, tag)
            .map_err(|why| format!("subtable `{}`, tag {}: {why}", row.name, index + 1))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("d{i}")).collect()
    }

    #[test]
    fn a_period_says_only_what_it_bounds() {
        assert_eq!(within("ts", Period::ALL), "");
        assert_eq!(within("ts", Period { from: 5, to: i64::MAX }), "`ts` >= 5");
        assert_eq!(within("ts", Period { from: 5, to: 9 }), "`ts` >= 5 and `ts` < 9");
        assert_eq!(filter(&["", "a = 1", "", "b = 2"]), " where a = 1 and b = 2");
        assert_eq!(filter(&[""]), "");
    }

    #[test]
    fn pieces_hold_every_name_once_and_fit() {
        let names = names(1000);
        let pieces = pieces(&names, 50, 150);
        assert!(pieces.len() > 1);
        assert_eq!(pieces.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..1000).collect::<Vec<_>>());
        for piece in pieces {
            assert!(named(&names[piece]).len() <= 50 + 100);
        }
    }

    #[test]
    fn a_name_longer_than_the_room_goes_alone() {
        let names = vec!["x".repeat(100), "y".repeat(100)];
        assert_eq!(pieces(&names, 0, 50), [0..1, 1..2]);
    }
}
