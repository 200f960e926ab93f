//! What is remarkable about names, counted while they stream by: a million of them must not be held. Pure.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

use super::words;

/// Bytes of a table's name on either version.
const LONGEST_TABLE: usize = 192;
/// Bytes of a column's or tag's name on either version.
const LONGEST_COLUMN: usize = 64;
/// Names whose folded form is remembered, at some 40 bytes each.
const MOST_FOLDED: usize = 1_000_000;

/// What a name may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Oddity {
    Dot,
    NotSql,
    TooLong,
    Folds,
    Reserved,
    Backticks,
    Asterisk,
}

/// Names that share an oddity: how many, and the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) count: u64,
    pub(crate) first: String,
}

/// The oddities of names of tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Census {
    seen: BTreeMap<Oddity, Seen>,
    folded: BTreeSet<u64>,
}

impl Census {
    /// Looks at what a table is to be called, which must come once; it is told by its own name.
    pub(crate) fn see(&mut self, name: &str, target: &str) {
        let folded = target.to_lowercase();
        let fresh = self.folded.len() >= MOST_FOLDED || self.folded.insert(xxh3_64(folded.as_bytes()));
        let folds = if fresh { None } else { Some(Oddity::Folds) };
        for oddity in table(target).into_iter().chain(folds) {
            let seen = self.seen.entry(oddity).or_insert_with(|| Seen { count: 0, first: name.to_owned() });
            seen.count += 1;
        }
    }

    /// What was seen.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (Oddity, &Seen)> {
        self.seen.iter().map(|(oddity, seen)| (*oddity, seen))
    }
}

/// The oddities of a table's name by itself.
fn table(name: &str) -> Vec<Oddity> {
    let dot = name.contains('.').then_some(Oddity::Dot);
    dot.into_iter().chain(any(name, LONGEST_TABLE)).collect()
}

/// The oddities of a column's or tag's name by itself. A dot does no harm there.
pub(crate) fn column(name: &str) -> Vec<Oddity> {
    any(name, LONGEST_COLUMN)
}

fn any(name: &str, longest: usize) -> Vec<Oddity> {
    let not_sql = name.is_empty() || name.contains(['`', '\0']);
    let reserved = words::is_reserved(name);
    [
        (not_sql, Oddity::NotSql),
        (name.len() > longest, Oddity::TooLong),
        (reserved, Oddity::Reserved),
        (!reserved && !not_sql && !is_plain(name), Oddity::Backticks),
        (name.contains('*'), Oddity::Asterisk),
    ]
    .into_iter()
    .filter_map(|(is, oddity)| is.then_some(oddity))
    .collect()
}

/// What 3.x reads the same with and without backticks.
fn is_plain(name: &str) -> bool {
    let first = |c: u8| c.is_ascii_lowercase() || c == b'_';
    name.bytes().next().is_some_and(first) && name.bytes().all(|c| first(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_oddity_of_a_name_is_seen() {
        let long = "x".repeat(LONGEST_TABLE + 1);
        let cases: [(&str, &[Oddity]); 9] = [
            ("a*", &[Oddity::Backticks, Oddity::Asterisk]),
            ("meters_1", &[]),
            ("a.b", &[Oddity::Dot, Oddity::Backticks]),
            ("a`b", &[Oddity::NotSql]),
            (&long, &[Oddity::TooLong]),
            ("Value", &[Oddity::Reserved]),
            ("Mixed", &[Oddity::Backticks]),
            ("表", &[Oddity::Backticks]),
            ("1st", &[Oddity::Backticks]),
        ];
        for (name, wanted) in cases {
            assert_eq!(table(name), wanted, "{name}");
        }
        assert_eq!(column("a.b"), [Oddity::Backticks]);
        assert_eq!(column(&"x".repeat(65)), [Oddity::TooLong]);
    }

    #[test]
    fn names_that_differ_in_case_alone_are_counted() {
        let mut census = Census::default();
        ["d1", "D1", "d2", "D1x"].into_iter().for_each(|name| census.see(name, name));
        let folds = census.seen().find(|(oddity, _)| *oddity == Oddity::Folds);
        assert_eq!(folds.map(|(_, seen)| seen.clone()), Some(Seen { count: 1, first: "D1".into() }));
    }
}
