//! Numbers as text, quickly, and such that reading the text gives the same bits again.
//!
//! The server reads every number with a point as a double and narrows it for FLOAT, so a single-precision value
//! must survive both steps.

use std::fmt::Write;

/// The scales of decimals that are tried before the general way; sensors mostly give a few digits.
const SCALES: [(f64, u64, usize); 7] = [
    (1.0, 1, 0),
    (10.0, 10, 1),
    (100.0, 100, 2),
    (1_000.0, 1_000, 3),
    (10_000.0, 10_000, 4),
    (100_000.0, 100_000, 5),
    (1_000_000.0, 1_000_000, 6),
];
/// Up to here every whole number is a double.
const WHOLE_DOUBLES: f64 = 9_007_199_254_740_992.0;
/// The two digits of every number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let (mut tens, mut at) = (b'0', 0);
    while tens <= b'9' {
        let mut ones = b'0';
        while ones <= b'9' {
            pairs[at] = [tens, ones];
            ones += 1;
            at += 1;
        }
        tens += 1;
    }
    pairs
};
/// The digits of `u64::MAX`.
const MOST_DIGITS: usize = 20;

pub(super) fn push_signed(out: &mut String, value: i64) {
    if value < 0 {
        out.push('-');
    }
    push_unsigned(out, value.unsigned_abs());
}

pub(super) fn push_unsigned(out: &mut String, value: u64) {
    push_padded(out, value, 1);
}

/// Appends a finite double.
pub(super) fn push_double(out: &mut String, value: f64) {
    if !push_decimal(out, value, |read| read.to_bits() == value.to_bits()) {
        push_general(out, value);
    }
}

/// Appends a finite single.
pub(super) fn push_single(out: &mut String, value: f32) {
    let same = |read: f64| narrow(read).to_bits() == value.to_bits();
    if push_decimal(out, f64::from(value), same) {
        return;
    }
    let before = out.len();
    push_general(out, value);
    // The shortest text of 7.038531e-26 narrows to its neighbour; the double's own text never does. That of the largest
    // single is a larger double, which 3.3.1 refuses.
    let good = |read: f64| same(read) && read.abs() <= f64::from(f32::MAX);
    if !out.get(before..).and_then(|text| text.parse().ok()).is_some_and(good) {
        out.truncate(before);
        push_general(out, f64::from(value));
    }
}

/// Appends `value` as a decimal of few digits if one reads back as the same.
fn push_decimal(out: &mut String, value: f64, same: impl Fn(f64) -> bool) -> bool {
    let size = value.abs();
    if size >= WHOLE_DOUBLES || (size == 0.0 && value.is_sign_negative()) {
        return false;
    }
    for (scale, divisor, digits) in SCALES {
        let whole = nearest_whole(size * scale);
        let scaled = to_double(whole);
        // A whole number below 2^53 and its scale are exact, so this division rounds just as reading the text does.
        if scaled < WHOLE_DOUBLES && same((scaled / scale).copysign(value)) {
            if value < 0.0 {
                out.push('-');
            }
            push_unsigned(out, whole / divisor);
            if digits > 0 {
                out.push('.');
                push_padded(out, whole % divisor, digits);
            }
            return true;
        }
    }
    false
}

/// Appends the shortest text, with an exponent where it is far from one.
fn push_general(out: &mut String, value: impl std::fmt::Debug) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value:?}");
}

fn push_padded(out: &mut String, mut value: u64, least_digits: usize) {
    let mut digits = [b'0'; MOST_DIGITS];
    let mut start = MOST_DIGITS;
    while value > 0 || MOST_DIGITS - start < least_digits {
        let pair = PAIRS.get(usize::try_from(value % 100).unwrap_or_default()).copied().unwrap_or_default();
        value /= 100;
        start -= 2;
        if let Some(place) = digits.get_mut(start..start + 2) {
            place.copy_from_slice(&pair);
        }
    }
    // Pairs may have put one zero too many in front.
    if MOST_DIGITS - start > least_digits && digits.get(start) == Some(&b'0') {
        start += 1;
    }
    let text = digits.get(start..).and_then(|digits| std::str::from_utf8(digits).ok());
    out.push_str(text.unwrap_or_default());
}

/// The nearest whole number, as near as candidates need it: what is chosen is checked.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and checked by its use"
)]
fn nearest_whole(value: f64) -> u64 {
    (value + 0.5) as i64 as u64
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "the caller checks that it is below 2^53"
)]
fn to_double(value: u64) -> f64 {
    value as i64 as f64
}

#[expect(clippy::cast_possible_truncation, reason = "this rounding is what the server does for FLOAT")]
fn narrow(value: f64) -> f32 {
    value as f32
}
