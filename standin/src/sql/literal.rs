//! What is written inside quotes and behind numbers: escapes, durations, points in time.

use std::borrow::Cow;

use crate::data::Precision;

/// Resolves doubled quotes and backslashes. An unknown escape drops its backslash; `\%` and `\_` keep it,
/// because LIKE wants them.
pub(crate) fn unescape(raw: &str, quote: char) -> Cow<'_, str> {
    if !raw.contains(['\\', quote]) {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(char) = chars.next() {
        if char == quote {
            chars.next();
            text.push(quote);
        } else if char == '\\' {
            match chars.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(kept @ ('%' | '_')) => text.extend(['\\', kept]),
                Some(other) => text.push(other),
                None => {}
            }
        } else {
            text.push(char);
        }
    }
    Cow::Owned(text)
}

/// `10d`, `1h`, `30m`, `5s`, `500a` (ms), `100u`, `7b` (ns) and `2w` as nanoseconds, without unit as `None`.
fn duration_nanos(text: &str) -> Option<i128> {
    let split = text.find(|char: char| !char.is_ascii_digit())?;
    let (digits, unit) = text.split_at(split);
    let nanos: i128 = match unit {
        "b" => 1,
        "u" => 1_000,
        "a" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        "w" => 604_800_000_000_000,
        _ => return None,
    };
    Some(digits.parse::<i128>().ok()? * nanos)
}

/// A duration in ticks of a precision.
pub(crate) fn duration_ticks(text: &str, precision: Precision) -> Option<i64> {
    let tick = 1_000_000 / i128::from(precision.per_milli());
    i64::try_from(duration_nanos(text)? / tick).ok()
}

/// A duration in milliseconds.
pub(crate) fn duration_millis(text: &str) -> Option<i64> {
    duration_ticks(text, Precision::Milli)
}

/// `2020-09-13 12:26:40.123`, with `T` or a blank, with or without a zone (none means UTC), in ticks.
pub(crate) fn timestamp_text(text: &str, precision: Precision) -> Option<i64> {
    let (date, rest) = text.trim().split_at_checked(10)?;
    let days = days_of(date)?;
    let rest = rest.strip_prefix(['T', 't', ' ']).unwrap_or(rest);
    let (clock, offset_seconds) = split_zone(rest)?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let seconds = i64::from(days) * 86_400 + seconds_of(whole)? - offset_seconds;
    let digits = fraction.get(..fraction.len().min(9))?;
    let nanos: i128 = if digits.is_empty() { 0 } else { format!("{digits:0<9}").parse().ok()? };
    let tick = 1_000_000 / i128::from(precision.per_milli());
    i64::try_from((i128::from(seconds) * 1_000_000_000 + nanos) / tick).ok()
}

fn seconds_of(clock: &str) -> Option<i64> {
    if clock.is_empty() {
        return Some(0);
    }
    let mut parts =
        clock.split(':').map(|part| part.parse::<i64>().ok().filter(|part| (0..=60).contains(part)));
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    (hours < 24 && minutes < 60 && parts.next().is_none()).then_some(hours * 3600 + minutes * 60 + seconds)
}

fn split_zone(rest: &str) -> Option<(&str, i64)> {
    if let Some(clock) = rest.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(sign) = rest.rfind(['+', '-']) else { return Some((rest, 0)) };
    let (clock, zone) = rest.split_at(sign);
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let value: i64 = digits.parse().ok()?;
    let seconds = if digits.len() > 2 { value / 100 * 3600 + value % 100 * 60 } else { value * 3600 };
    Some((clock, if zone.starts_with('-') { -seconds } else { seconds }))
}

/// Days since 1970-01-01 of a Gregorian date (Howard Hinnant's well-known civil-day arithmetic).
fn days_of(date: &str) -> Option<i32> {
    let mut parts = date.split('-').map(|part| part.parse::<i32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1000..=9999).contains(&year) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_resolve_as_the_servers_do() {
        let cases = [
            ("O''Brien \\\"q\\\" \\\\\\\\ back", "O'Brien \"q\" \\\\ back"),
            ("a\\nb\\t\\x", "a\nb\tx"),
            ("50\\%", "50\\%"),
            ("plain", "plain"),
        ];
        for (raw, want) in cases {
            assert_eq!(unescape(raw, '\''), want);
        }
    }

    #[test]
    fn points_in_time_are_read_in_every_precision() {
        let cases = [
            ("2020-09-13 12:26:40", Some(1_600_000_000_000)),
            ("2020-09-13T12:26:40.123Z", Some(1_600_000_000_123)),
            ("2020-09-13T14:26:40+02:00", Some(1_600_000_000_000)),
            ("2020-09-13T14:26:40.5+0200", Some(1_600_000_000_500)),
            ("1970-01-01", Some(0)),
            ("garbage", None),
            ("2020-13-01 00:00:00", None),
            ("2020-09-13 25:00:00", None),
        ];
        for (text, want) in cases {
            assert_eq!(timestamp_text(text, Precision::Milli), want, "{text}");
            let micro = want.map(|ms: i64| ms * 1000);
            assert_eq!(timestamp_text(text, Precision::Micro), micro, "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration_millis("1d"), Some(86_400_000));
        assert_eq!(duration_millis("500a"), Some(500));
        assert_eq!(duration_ticks("3u", Precision::Micro), Some(3));
        assert_eq!(duration_millis("12"), None);
        assert_eq!(duration_millis("12x"), None);
    }
}
