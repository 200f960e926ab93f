//! Lengths of time as users write them: `500ms`, `5s`, `30m`, `6h`, `1d`, `1h30m`; a bare number is seconds.

use std::time::Duration;

/// The units, longest first, in microseconds; nothing here needs finer ones.
const UNITS: [(&str, u64); 7] = [
    ("w", 7 * 86_400_000_000),
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];
/// Longer than any database has data for; keeps sums of durations far from overflow.
const MAX: Duration = Duration::from_secs(1000 * 366 * 86_400);
const FORM: &str = "write a number with ms, s, m, h, d or w, such as `500ms`, `30m` or `1d`";

/// Reads a length of time.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no length of time; {FORM}");
    let mut rest = text.trim();
    let mut micros = 0u64;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let scale =
            if unit.is_empty() && digits == text.trim().len() { Some(1_000_000) } else { scale(unit) };
        let part = number.checked_mul(scale.ok_or_else(bad)?).ok_or_else(bad)?;
        micros = micros.checked_add(part).ok_or_else(bad)?;
        rest = after;
    }
    let duration = Duration::from_micros(micros);
    if duration > MAX { Err(format!("{text:?} is longer than 1000 years; {FORM}")) } else { Ok(duration) }
}

/// Writes a length of time the way it is read; what is finer than a microsecond is left out.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in UNITS.iter().filter(|(unit, _)| *unit != "w") {
        if rest >= *scale {
            text.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn scale(unit: &str) -> Option<u64> {
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale)
}
