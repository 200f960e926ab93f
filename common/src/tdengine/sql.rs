//! The statements that the adapter sends, as text: names quoted, periods as whole numbers, lists within bounds.

use std::ops::Range;

use crate::batch::literal::{push_ident, push_quoted};
use crate::schema::Column;
use crate::time::Period;

/// Bytes of one statement that every 2.x server takes (its smallest limit is 65,480).
pub(super) const SHORT_SQL: usize = 60_000;

/// How names stand in statements: backticks keep a name as it is, and are not known everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// All in backticks, as 3.x takes them.
    Quoted,
    /// All but databases in backticks: 2.7 calls a quoted one an invalid name.
    QuotedTables,
    /// All bare: servers before 2.3.0.1 know no backticks.
    Bare,
}

impl Names {
    /// What a server of this version understands. What cannot be read as a version is taken for a late 2.x.
    pub(super) fn of(version: &str) -> Self {
        let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).take(4).collect();
        match numbers.as_slice() {
            [major, ..] if *major >= 3 => Self::Quoted,
            two @ [_, _, ..] if two < &[2, 3, 0, 1] => Self::Bare,
            _ => Self::QuotedTables,
        }
    }

    /// A database. Bare, 2.x reads it as lower case, in which it keeps it.
    pub(super) fn database(self, name: &str) -> String {
        match self {
            Self::Quoted => self.ident(name),
            Self::QuotedTables | Self::Bare => Self::Bare.ident(&name.to_ascii_lowercase()),
        }
    }

    /// A name as an identifier. A name that cannot be one becomes the empty identifier, which every server
    /// refuses: no name read from a source can end the quotes around it, or turn into another table's.
    pub(super) fn ident(self, name: &str) -> String {
        let mut text = String::with_capacity(name.len() + 2);
        match self {
            Self::Bare if is_plain(name) => text.push_str(name),
            Self::Quoted | Self::QuotedTables if push_ident(&mut text, name).is_ok() => {}
            _ => text.push_str("``"),
        }
        text
    }

    /// A table of a database.
    pub(super) fn path(self, database: &str, table: &str) -> String {
        format!("{}.{}", self.database(database), self.ident(table))
    }

    /// Columns, separated by commas.
    pub(super) fn list(self, columns: &[Column]) -> String {
        columns.iter().map(|column| self.ident(&column.name)).collect::<Vec<_>>().join(",")
    }

    /// The conditions of a period on a column, joined by `and`; empty for all of time.
    pub(super) fn within(self, column: &str, period: Period) -> String {
        within(&self.ident(column), period)
    }
}

/// Names that a server without backticks reads as they are; all others it cannot hold, or would read as lower case.
fn is_plain(name: &str) -> bool {
    let first = |c: u8| c.is_ascii_lowercase() || c == b'_';
    name.bytes().next().is_some_and(first) && name.bytes().all(|c| first(c) || c.is_ascii_digit())
}

/// A text in quotes. One that cannot be quoted becomes the empty text, which is no table's name.
pub(super) fn quoted(text: &str) -> String {
    let mut sql = String::with_capacity(text.len() + 2);
    if push_quoted(&mut sql, text).is_err() {
        return "''".into();
    }
    sql
}

/// The conditions of a period on what an expression says, joined by `and`; empty for all of time.
pub(super) fn within(column: &str, period: Period) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("d{i}")).collect()
    }

    #[test]
    fn a_period_says_only_what_it_bounds() {
        assert_eq!(within("_c0", Period::ALL), "");
        assert_eq!(Names::Quoted.within("ts", Period { from: 5, to: i64::MAX }), "`ts` >= 5");
        assert_eq!(Names::Bare.within("ts", Period { from: 5, to: 9 }), "ts >= 5 and ts < 9");
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

    #[test]
    fn backticks_are_known_from_2_3_0_1_on() {
        for version in ["2.0.22.0", "2.2.2.10", "2.3.0.0"] {
            assert_eq!(Names::of(version), Names::Bare, "{version}");
        }
        for version in ["2.3.0.1", "2.4.0.0", "2.6.0.34", "2.7.0.0", "2.x", ""] {
            assert_eq!(Names::of(version), Names::QuotedTables, "{version}");
        }
        assert_eq!(Names::of("3.3.1.0.alpha"), Names::Quoted);
    }

    #[test]
    fn databases_of_2_x_stand_bare() {
        assert_eq!(Names::Quoted.path("Db", "T"), "`Db`.`T`");
        assert_eq!(Names::QuotedTables.path("Db", "T"), "db.`T`");
        assert_eq!(Names::QuotedTables.path("a b", "T"), "``.`T`");
    }

    #[test]
    fn no_name_turns_into_another_ones() {
        assert_eq!(Names::Bare.path("db", "d_1"), "db.d_1");
        for name in ["Upper", "1st", "a b", "a;drop", "", "涛思"] {
            assert_eq!(Names::Bare.ident(name), "``", "{name}");
        }
        assert_eq!(Names::Quoted.ident("Up Per"), "`Up Per`");
        assert_eq!(Names::Quoted.ident("a`b"), "``");
    }
}
