//! The options of a 2.x database as a 3.x server takes them: a table of rules with clamps, and what differs. Pure.
//!
//! What the task names goes before what the source has. Bounds are those of the 3.x documentation and of its `tdef.h`.

#[cfg(test)]
mod tests;
mod vgroups;

use std::collections::BTreeMap;
use std::fmt;

use tdferry_common::options::{DURATIONS_IN_KEEP, DatabaseOptions, Minutes};
use tdferry_common::schema::Database;

pub(crate) use self::vgroups::Load;
use self::vgroups::vgroups;

/// Rows at the source's edge of time are still to be taken while the copy runs.
const KEEP_MARGIN_DAYS: u64 = 10;
/// What a 3.x database takes at most.
const MAX_KEEP_DAYS: u64 = 365_000;
/// What 2.x gives a database unless told otherwise.
const DEFAULT_KEEP_DAYS: u64 = 3_650;
const DEFAULT_DURATION_DAYS: u64 = 10;
const MINUTES_A_DAY: u64 = 1_440;
/// What 3.x keeps on its own disks unless told otherwise, which must hold three durations as KEEP must (0x2619 of a 3.3.1).
const LOCAL_MINUTES: u64 = 365 * MINUTES_A_DAY;
/// What 3.x takes as DURATION.
const DURATION_MINUTES: std::ops::RangeInclusive<u64> = 60..=3_650 * MINUTES_A_DAY;

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
    /// The task says so.
    Asked,
    /// For the tables and writers that there are.
    Chosen,
}

impl Why {
    /// Its word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Widened => "widened",
            Self::Clamped => "clamped",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
            Self::Asked => "asked",
            Self::Chosen => "chosen",
        }
    }
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
    ("comp", Rule::Number("COMP", 0, 2)),
    ("minrows", Rule::Number("MINROWS", 10, 1_000)),
    ("maxrows", Rule::Number("MAXROWS", 200, 10_000)),
    ("wallevel", Rule::Number("WAL_LEVEL", 1, 2)),
    ("fsync", Rule::Number("WAL_FSYNC_PERIOD", 0, 180_000)),
    ("cachelast", Rule::Word("CACHEMODEL", &["none", "last_row", "last_value", "both"])),
    ("quorum", Rule::Gone("decided by REPLICA")),
    ("update", Rule::Gone("the last write of a timestamp always wins")),
    ("vgroups", Rule::Apart),
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

/// Says a 2.x database's options to a 3.x server, those that the task names in their stead, for what it is to hold.
pub(crate) fn translate(source: &Database, asked: &DatabaseOptions, load: &Load) -> Translated {
    let options: BTreeMap<_, _> =
        source.options.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
    let mut said = Said {
        parts: vec![format!("PRECISION '{}'", source.precision)],
        differences: Vec::new(),
        asked: named(asked),
    };
    said.retention(&options, source, asked);
    let replica = said.replica(&options);
    said.vgroups(&options, load, replica);
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
    said.what_the_source_does_not_name();
    Translated { options: said.parts.join(" "), differences: said.differences }
}

/// What the task asks for, each as 3.x is told; KEEP and DURATION depend on each other and stand apart.
fn named(asked: &DatabaseOptions) -> BTreeMap<&'static str, String> {
    let numbers = [
        ("VGROUPS", asked.vgroups),
        ("REPLICA", asked.replica),
        ("BUFFER", asked.buffer),
        ("WAL_LEVEL", asked.wal_level),
        ("WAL_FSYNC_PERIOD", asked.wal_fsync_period),
        ("COMP", asked.comp),
        ("MINROWS", asked.minrows),
        ("MAXROWS", asked.maxrows),
    ];
    let word = asked.cachemodel.map(|model| ("CACHEMODEL", format!("'{}'", model.as_str())));
    numbers.into_iter().filter_map(|(name, value)| Some((name, value?.to_string()))).chain(word).collect()
}

/// For how many days the source keeps a row; the longest where it has several storage levels.
pub(crate) fn keep_days(source: &Database) -> Option<u64> {
    let keep = source.options.iter().find(|(name, _)| name.to_ascii_lowercase().starts_with("keep"));
    let days = |text: &str| text.trim().trim_end_matches(['d', 'D']).parse::<u64>().ok();
    keep.and_then(|(_, levels)| levels.split(',').filter_map(days).max())
}

/// For how many days a database keeps a row that is created by the translated options.
pub(crate) fn translated_keep_days(source: &Database, asked: &DatabaseOptions) -> u64 {
    match &asked.keep {
        Some(keep) => keep.longest().0 / MINUTES_A_DAY,
        None => widened_days(source),
    }
}

fn widened_days(source: &Database) -> u64 {
    keep_days(source).unwrap_or(DEFAULT_KEEP_DAYS).saturating_add(KEEP_MARGIN_DAYS).min(MAX_KEEP_DAYS)
}

struct Said {
    parts: Vec<String>,
    differences: Vec<Difference>,
    /// By the name of the 3.x option; taken out as they are said.
    asked: BTreeMap<&'static str, String>,
}

impl Said {
    fn differs(&mut self, why: Why, option: &str, source: &str, target: &str) {
        let (option, source, target) = (option.to_owned(), source.to_owned(), target.to_owned());
        self.differences.push(Difference { why, option, source, target });
    }

    /// Says what the task asks for of this option, if it does; told where it is not what the source's would become.
    fn is_asked(&mut self, name: &str, value: &str, target: &'static str, translated: Option<&str>) -> bool {
        let Some(wanted) = self.asked.remove(target) else { return false };
        let part = format!("{target} {wanted}");
        if translated != Some(part.as_str()) {
            self.differs(Why::Asked, name, value, &part);
        }
        self.parts.push(part);
        true
    }

    fn number(
        &mut self,
        name: &str,
        value: &str,
        target: &'static str,
        bounds: std::ops::RangeInclusive<u64>,
    ) {
        let number = value.parse::<u64>().ok();
        let within = number.map(|number| number.clamp(*bounds.start(), *bounds.end()));
        let part = within.map(|within| format!("{target} {within}"));
        if self.is_asked(name, value, target, part.as_deref()) {
            return;
        }
        match part {
            Some(part) => {
                if within != number {
                    self.differs(Why::Clamped, name, value, &part);
                }
                self.parts.push(part);
            }
            None => {
                let instead = format!("the default of {target}: it is no number");
                self.differs(Why::Clamped, name, value, &instead);
            }
        }
    }

    fn word(&mut self, name: &str, value: &str, target: &'static str, words: &[&str]) {
        let word = value.parse::<usize>().ok().and_then(|number| words.get(number));
        let part = word.map(|word| format!("{target} '{word}'"));
        if self.is_asked(name, value, target, part.as_deref()) {
            return;
        }
        match part {
            Some(part) => self.parts.push(part),
            None => self.differs(Why::Clamped, name, value, &format!("the default of {target}")),
        }
    }

    /// KEEP as asked, else with room for the time the copy takes; and a DURATION that fits into it three times.
    fn retention(&mut self, options: &BTreeMap<String, &str>, source: &Database, asked: &DatabaseOptions) {
        let source_keep = keep_days(source).unwrap_or(DEFAULT_KEEP_DAYS).to_string();
        let (told, first_level) = match &asked.keep {
            Some(keep) => {
                self.differs(Why::Asked, "keep", &source_keep, &format!("KEEP {keep}"));
                (keep.to_string(), keep.shortest().0)
            }
            None => self.widened(source, &source_keep, asked.duration),
        };
        self.parts.push(format!("KEEP {told}"));
        let days = options.get("days").and_then(|days| days.parse::<u64>().ok());
        self.duration(days.unwrap_or(DEFAULT_DURATION_DAYS), asked.duration, first_level);
    }

    /// The source's KEEP and a margin, or more where the DURATION that is asked for wants it.
    fn widened(&mut self, source: &Database, from: &str, duration: Option<Minutes>) -> (String, u64) {
        let days = widened_days(source);
        let least = duration.map_or(0, |duration| (duration.0 * DURATIONS_IN_KEEP).div_ceil(MINUTES_A_DAY));
        if least > days {
            self.differs(
                Why::Widened,
                "keep",
                from,
                &format!("KEEP {least}d, three times the DURATION asked for"),
            );
        } else {
            self.differs(
                Why::Widened,
                "keep",
                from,
                &format!("KEEP {days}d, so that no row expires on its way"),
            );
        }
        let days = days.max(least);
        (format!("{days}d"), days.saturating_mul(MINUTES_A_DAY))
    }

    fn duration(&mut self, days: u64, asked: Option<Minutes>, first_level: u64) {
        let wanted = days.max(1).saturating_mul(MINUTES_A_DAY).min(*DURATION_MINUTES.end());
        let minutes = match asked {
            Some(asked) => asked.0,
            None => {
                wanted.min(first_level.min(LOCAL_MINUTES) / DURATIONS_IN_KEEP).max(*DURATION_MINUTES.start())
            }
        };
        if asked.is_some() && minutes != wanted {
            self.differs(Why::Asked, "days", &days.to_string(), &format!("DURATION {minutes}m"));
        } else if minutes != wanted {
            self.differs(
                Why::Clamped,
                "days",
                &days.to_string(),
                &format!("DURATION {minutes}m, a third of KEEP or of what 3.x keeps locally"),
            );
        }
        self.parts.push(format!("DURATION {minutes}m"));
    }

    /// Community 3.x servers take 1 or 3.
    fn replica(&mut self, options: &BTreeMap<String, &str>) -> u64 {
        let source = options.get("replica").copied();
        let asked = self.asked.get("REPLICA").and_then(|replica| replica.parse().ok());
        let Some(replica) = source else { return asked.unwrap_or(1) };
        let part = if replica == "3" { "REPLICA 3" } else { "REPLICA 1" };
        if self.is_asked("replica", replica, "REPLICA", Some(part)) {
            return asked.unwrap_or(1);
        }
        if !part.ends_with(replica) {
            self.differs(Why::Clamped, "replica", replica, part);
        }
        self.parts.push(part.to_owned());
        if replica == "3" { 3 } else { 1 }
    }

    /// 2.x adds vgroups as tables come, 3.x takes their number once and for all.
    fn vgroups(&mut self, options: &BTreeMap<String, &str>, load: &Load, replica: u64) {
        let source = options.get("vgroups").copied().unwrap_or("?");
        if self.is_asked("vgroups", source, "VGROUPS", None) {
            return;
        }
        let chosen = vgroups(load, replica);
        let part = format!("VGROUPS {chosen}");
        self.differs(Why::Chosen, "vgroups", source, &format!("{part}, for {load}"));
        self.parts.push(part);
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

    /// Asked for, and of an option that this source does not show.
    fn what_the_source_does_not_name(&mut self) {
        for (target, value) in std::mem::take(&mut self.asked) {
            let part = format!("{target} {value}");
            self.differs(Why::Asked, &target.to_ascii_lowercase(), "unknown", &part);
            self.parts.push(part);
        }
    }
}
