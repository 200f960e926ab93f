//! The options of a 2.x database as a 3.x server takes them: a table of rules with clamps, and what differs. Pure.
//!
//! Bounds are those of the 3.x documentation and of its `tdef.h`.

use std::collections::BTreeMap;
use std::fmt;

use tdferry_common::schema::Database;

/// Rows at the source's edge of time are still to be taken while the copy runs.
const KEEP_MARGIN_DAYS: u64 = 10;
/// What a 3.x database takes at most.
const MAX_KEEP_DAYS: u64 = 365_000;
/// What 2.x gives a database unless told otherwise.
const DEFAULT_KEEP_DAYS: u64 = 3_650;
const DEFAULT_DURATION_DAYS: u64 = 10;
/// A 3.x server wants KEEP to be at least so many DURATIONs.
const DURATIONS_IN_KEEP: u64 = 3;
const MINUTES_A_DAY: u64 = 1_440;

/// Why an option is not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Room for the time that the copy takes.
    Widened,
    /// 3.x does not take the value.
    Clamped,
    /// 3.x has no such option.
    Gone,
    /// This version does not know the option.
    Unknown,
}

/// An option that is not the same on both sides, or that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) why: Why,
    pub(crate) option: String,
    pub(crate) source: String,
    pub(crate) target: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} becomes {}", self.option, self.source, self.target)
    }
}

/// The options of CREATE DATABASE, and what is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Translated {
    pub(crate) options: String,
    pub(crate) differences: Vec<Difference>,
}

/// How a 2.x option is said to 3.x.
enum Rule {
    /// The same number under this name, kept within bounds.
    Number(&'static str, u64, u64),
    /// One of these words by number.
    Word(&'static str, &'static [&'static str]),
    /// Of no meaning any more; the words say what holds instead.
    Gone(&'static str),
    /// Looked after elsewhere in this file, or no option at all.
    Apart,
}

/// Every column of `show databases` of any 2.x version.
const RULES: [(&str, Rule); 22] = [
    ("vgroups", Rule::Number("VGROUPS", 1, 1_024)),
    ("comp", Rule::Number("COMP", 0, 2)),
    ("minrows", Rule::Number("MINROWS", 10, 1_000)),
    ("maxrows", Rule::Number("MAXROWS", 200, 10_000)),
    ("wallevel", Rule::Number("WAL_LEVEL", 1, 2)),
    ("fsync", Rule::Number("WAL_FSYNC_PERIOD", 0, 180_000)),
    ("cachelast", Rule::Word("CACHEMODEL", &["none", "last_row", "last_value", "both"])),
    ("quorum", Rule::Gone("decided by REPLICA")),
    ("update", Rule::Gone("the last write of a timestamp always wins")),
    ("replica", Rule::Apart),
    ("cache(mb)", Rule::Apart),
    ("cache", Rule::Apart),
    ("blocks", Rule::Apart),
    ("keep", Rule::Apart),
    ("keep0,keep1,keep(d)", Rule::Apart),
    ("keep1,keep2,keep(d)", Rule::Apart),
    ("days", Rule::Apart),
    ("precision", Rule::Apart),
    ("name", Rule::Apart),
    ("created_time", Rule::Apart),
    ("ntables", Rule::Apart),
    ("status", Rule::Apart),
];

/// Says a 2.x database's options to a 3.x server.
pub(crate) fn translate(source: &Database) -> Translated {
    let options: BTreeMap<_, _> =
        source.options.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
    let mut said = Said { parts: vec![format!("PRECISION '{}'", source.precision)], differences: Vec::new() };
    said.retention(&options, source);
    said.replica(&options);
    said.buffer(&options);
    for (name, value) in &options {
        match RULES.iter().find(|(rule, _)| rule == name).map(|(_, rule)| rule) {
            Some(Rule::Number(target, least, most)) => said.number(name, value, target, *least..=*most),
            Some(Rule::Word(target, words)) => said.word(name, value, target, words),
            Some(Rule::Gone(instead)) => said.differs(Why::Gone, name, value, instead),
            Some(Rule::Apart) => {}
            None => said.differs(Why::Unknown, name, value, "nothing: unknown to this version"),
        }
    }
    Translated { options: said.parts.join(" "), differences: said.differences }
}

/// For how many days the source keeps a row; the longest where it has several storage levels.
pub(crate) fn keep_days(source: &Database) -> Option<u64> {
    let keep = source.options.iter().find(|(name, _)| name.to_ascii_lowercase().starts_with("keep"));
    let days = |text: &str| text.trim().trim_end_matches(['d', 'D']).parse::<u64>().ok();
    keep.and_then(|(_, levels)| levels.split(',').filter_map(days).max())
}

/// For how many days a database keeps a row that is created by the translated options.
pub(crate) fn translated_keep_days(source: &Database) -> u64 {
    keep_days(source).unwrap_or(DEFAULT_KEEP_DAYS).saturating_add(KEEP_MARGIN_DAYS).min(MAX_KEEP_DAYS)
}

struct Said {
    parts: Vec<String>,
    differences: Vec<Difference>,
}

impl Said {
    fn differs(&mut self, why: Why, option: &str, source: &str, target: &str) {
        let (option, source, target) = (option.to_owned(), source.to_owned(), target.to_owned());
        self.differences.push(Difference { why, option, source, target });
    }

    fn number(&mut self, name: &str, value: &str, target: &str, bounds: std::ops::RangeInclusive<u64>) {
        let Ok(number) = value.parse::<u64>() else {
            return self.differs(
                Why::Clamped,
                name,
                value,
                &format!("the default of {target}: it is no number"),
            );
        };
        let within = number.clamp(*bounds.start(), *bounds.end());
        let part = format!("{target} {within}");
        if within != number {
            self.differs(Why::Clamped, name, value, &part);
        }
        self.parts.push(part);
    }

    fn word(&mut self, name: &str, value: &str, target: &str, words: &[&str]) {
        match value.parse::<usize>().ok().and_then(|number| words.get(number)) {
            Some(word) => self.parts.push(format!("{target} '{word}'")),
            None => self.differs(Why::Clamped, name, value, &format!("the default of {target}")),
        }
    }

    /// KEEP with room for the time the copy takes, and a DURATION that fits into it three times.
    fn retention(&mut self, options: &BTreeMap<String, &str>, source: &Database) {
        let source_keep = keep_days(source).unwrap_or(DEFAULT_KEEP_DAYS);
        let keep = translated_keep_days(source);
        self.differs(
            Why::Widened,
            "keep",
            &source_keep.to_string(),
            &format!("KEEP {keep}d, so that no row expires on its way"),
        );
        self.parts.push(format!("KEEP {keep}d"));
        let days =
            options.get("days").and_then(|days| days.parse::<u64>().ok()).unwrap_or(DEFAULT_DURATION_DAYS);
        let wanted = days.max(1).saturating_mul(MINUTES_A_DAY);
        let minutes = wanted.min(keep.saturating_mul(MINUTES_A_DAY) / DURATIONS_IN_KEEP);
        if minutes != wanted {
            self.differs(
                Why::Clamped,
                "days",
                &days.to_string(),
                &format!("DURATION {minutes}m, a third of KEEP"),
            );
        }
        self.parts.push(format!("DURATION {minutes}m"));
    }

    /// Community 3.x servers take 1 or 3.
    fn replica(&mut self, options: &BTreeMap<String, &str>) {
        let Some(replica) = options.get("replica") else { return };
        let part = if *replica == "3" { "REPLICA 3" } else { "REPLICA 1" };
        if !part.ends_with(replica) {
            self.differs(Why::Clamped, "replica", replica, part);
        }
        self.parts.push(part.to_owned());
    }

    /// What 2.x gives a vnode in blocks, 3.x takes in one piece, in MB.
    fn buffer(&mut self, options: &BTreeMap<String, &str>) {
        let number = |name: &str| options.get(name).and_then(|value| value.parse::<u64>().ok());
        let cache = number("cache(mb)").or_else(|| number("cache"));
        if let Some((cache, blocks)) = cache.zip(number("blocks")) {
            let megabytes = cache.saturating_mul(blocks);
            self.number("cache x blocks", &megabytes.to_string(), "BUFFER", 3..=16_384);
        }
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::time::Precision;

    use super::*;

    fn translated(options: &[(&str, &str)]) -> Translated {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        translate(&Database { name: "d".into(), precision: Precision::Micro, options })
    }

    #[test]
    fn an_ordinary_database_is_said_whole() {
        let told = translated(&[
            ("name", "d"),
            ("replica", "1"),
            ("quorum", "1"),
            ("days", "30"),
            ("keep", "3650,3650,3650"),
            ("cache(MB)", "16"),
            ("blocks", "6"),
            ("minrows", "100"),
            ("maxrows", "4096"),
            ("wallevel", "1"),
            ("fsync", "3000"),
            ("comp", "2"),
            ("cachelast", "1"),
            ("vgroups", "2"),
            ("update", "1"),
        ]);
        for part in [
            "PRECISION 'us'",
            "KEEP 3660d",
            "DURATION 43200m",
            "REPLICA 1",
            "BUFFER 96",
            "MINROWS 100",
            "MAXROWS 4096",
            "WAL_LEVEL 1",
            "WAL_FSYNC_PERIOD 3000",
            "COMP 2",
            "CACHEMODEL 'last_row'",
            "VGROUPS 2",
        ] {
            assert!(told.options.contains(part), "{part}: {}", told.options);
        }
        let options: Vec<_> = told.differences.iter().map(|one| one.option.as_str()).collect();
        assert_eq!(options, ["keep", "quorum", "update"]);
    }

    #[test]
    fn what_3_x_does_not_take_is_moved_to_the_nearest_it_does_and_told() {
        let cases = [
            ("wallevel", "0", "WAL_LEVEL 1"),
            ("fsync", "999999", "WAL_FSYNC_PERIOD 180000"),
            ("replica", "2", "REPLICA 1"),
            ("maxrows", "100", "MAXROWS 200"),
        ];
        for (name, value, part) in cases {
            let told = translated(&[(name, value)]);
            assert!(told.options.ends_with(part), "{}", told.options);
            let expected = Difference {
                why: Why::Clamped,
                option: name.into(),
                source: value.into(),
                target: part.into(),
            };
            assert!(told.differences.contains(&expected), "{:?}", told.differences);
        }
    }

    #[test]
    fn keep_holds_three_durations_whatever_the_source_has() {
        for (keep, days) in [("1", "1"), ("30", "30"), ("36500", "3650"), ("365", "300")] {
            let told = translated(&[("keep", keep), ("days", days)]);
            let number = |word: &str| {
                let rest = told.options.split(&format!("{word} ")).nth(1).unwrap();
                rest.split(['d', 'm']).next().unwrap().parse::<u64>().unwrap()
            };
            assert!(number("KEEP") * MINUTES_A_DAY >= 3 * number("DURATION"), "{}", told.options);
            assert!(number("KEEP") > keep.parse().unwrap());
        }
    }

    #[test]
    fn an_option_nobody_knows_is_told_and_not_passed_on() {
        let told = translated(&[("walrus", "7")]);
        assert!(!told.options.contains("walrus"));
        assert!(told.differences.iter().any(|one| one.option == "walrus"));
    }

    #[test]
    fn the_longest_keep_of_all_storage_levels_counts() {
        let keeps = |name: &str, value: &str| {
            let options = [(name.to_owned(), value.to_owned())].into();
            keep_days(&Database { options, ..Database::default() })
        };
        assert_eq!(keeps("keep", "10,20,30"), Some(30));
        assert_eq!(keeps("keep0,keep1,keep(D)", "30,20,10"), Some(30));
        assert_eq!(keeps("keep", "3650d"), Some(3650));
        assert_eq!(keeps("blocks", "6"), None);
    }
}
