//! How far back realtime counts again what it has passed, and how it compares.

use std::time::Duration;

use super::duration::{parse_duration, show_duration};
use super::value::{Kind, OptionValue, one_of};

/// More horizons would ask the source more than they find.
const MOST: usize = 8;
/// Shorter ones are what `excursion` is for.
const LEAST: Duration = Duration::from_secs(10);

/// How far back, each looked over at its own pace: near ones often, far ones rarely. None: not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Horizons(Vec<Duration>);

/// How what was passed is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditBy {
    /// By counting: finds rows that came late.
    #[default]
    Count,
    /// By reading both sides: finds rows that were changed, too.
    Digest,
}

impl Horizons {
    /// The horizons, the nearest first.
    pub fn each(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().copied()
    }
}

impl Default for Horizons {
    fn default() -> Self {
        Self(vec![Duration::from_secs(900), Duration::from_secs(86_400)])
    }
}

impl Kind for Horizons {
    fn read(value: &OptionValue) -> Result<Self, String> {
        let text = value.one()?;
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self(Vec::new()));
        }
        let mut horizons = text.split(',').map(parse_duration).collect::<Result<Vec<_>, _>>()?;
        horizons.sort();
        horizons.dedup();
        match horizons.first() {
            Some(first) if *first < LEAST => Err(format!(
                "{} is too short; write {} or more, or `off`",
                show_duration(*first),
                show_duration(LEAST)
            )),
            _ if horizons.len() > MOST => {
                Err(format!("{} horizons are too many; write at most {MOST}", horizons.len()))
            }
            _ => Ok(Self(horizons)),
        }
    }

    fn write(&self) -> OptionValue {
        let texts: Vec<_> = self.each().map(show_duration).collect();
        OptionValue::text(if texts.is_empty() { "off".to_owned() } else { texts.join(",") })
    }
}

impl Kind for AuditBy {
    fn read(value: &OptionValue) -> Result<Self, String> {
        one_of(value, &[("count", Self::Count), ("digest", Self::Digest)])
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::Count => "count",
            Self::Digest => "digest",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn horizons_are_read_in_any_order_and_written_the_nearest_first() {
        let read = |text: &str| Horizons::read(&OptionValue::text(text));
        assert_eq!(read("1d,15m,15m").unwrap().write(), OptionValue::text("15m,1d"));
        assert_eq!(read("15m,1d").unwrap(), Horizons::default());
        assert_eq!(read("off").unwrap().each().count(), 0);
        assert_eq!(read("off").unwrap().write(), OptionValue::text("off"));
        assert!(read("5s").unwrap_err().contains("too short"));
        assert!(read("1d,x").is_err());
    }
}
