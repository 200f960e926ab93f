//! Every type as column and as tag: lowest, highest, NULL alone and with others, and random bits.

use super::Made;
use super::dice::Dice;

const COLUMNS: &str = "b bool, ti tinyint, si smallint, i int, bi bigint, f float, d double, bin binary(32), \
                       nc nchar(32), t2 timestamp, uti tinyint unsigned, usi smallint unsigned, \
                       ui int unsigned, ubi bigint unsigned";
const TAGS: &str = "tb bool, tti tinyint, tsi smallint, tint int, tbi bigint, tf float, td double, \
                    tbin binary(32), tnc nchar(32), tts timestamp, tuti tinyint unsigned, \
                    tusi smallint unsigned, tui int unsigned, tubi bigint unsigned";
const LOWEST: [&str; 14] = [
    "false",
    "-127",
    "-32767",
    "-2147483647",
    "-9223372036854775807",
    "-3.4028234e38",
    "-1.7976931348623157e308",
    "''",
    "''",
    "0",
    "0",
    "0",
    "0",
    "0",
];
const HIGHEST: [&str; 14] = [
    "true",
    "127",
    "32767",
    "2147483647",
    "9223372036854775807",
    "3.4028234e38",
    "1.7976931348623157e308",
    "'12345678901234567890123456789012'",
    "'一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二'",
    "1767225600001",
    "254",
    "65534",
    "4294967294",
    "18446744073709551614",
];
/// What quoting, escaping and coding are likely to break, each as it stands inside of quotes.
pub(super) const TEXTS: [&str; 14] = [
    "",
    " ",
    "it''s",
    "\"q\"",
    "\\\\",
    "\\\\\\\\n",
    "a\tb\nc\rd",
    "\u{1}\u{7f}",
    "😀🚢",
    "中文 ''x'' \"y\"",
    "null",
    "NULL",
    "%_;--",
    "ü\u{301}\u{200d}",
];
/// Floats whose text is easily another number.
const FLOATS: [&str; 8] =
    ["0.1", "-0.0", "1e-45", "1.1754944e-38", "16777217", "3.4028234e38", "-1.5", "123456.79"];
const DOUBLES: [&str; 8] = [
    "5e-324",
    "0.1",
    "-0.0",
    "2.2250738585072014e-308",
    "9007199254740993",
    "1.7976931348623157e308",
    "-1.5",
    "0.30000000000000004",
];
/// Subtables with random tags and rows.
const RANDOM: usize = 24;

pub(super) fn make(made: &mut Made<'_>) {
    let stable = made.path("alltypes");
    made.say(format!("create table {stable} (ts timestamp, {COLUMNS}) tags ({TAGS})"));
    let nulls = ["null"; 14].join(", ");
    let fixed = [
        ("a0", HIGHEST.join(", ")),
        ("a1", nulls.clone()),
        ("a_empty", nulls.clone()),
        ("a_low", LOWEST.join(", ")),
    ];
    let random: Vec<_> =
        (0..RANDOM).map(|at| (format!("r{at}"), values(&mut made.dice, Small::Normal))).collect();
    let fixed = fixed.into_iter().map(|(name, tags)| (name.to_owned(), tags));
    made.subtables("alltypes", fixed.chain(random));
    let mut rows = vec![LOWEST.join(", "), HIGHEST.join(", "), nulls];
    // one row per column with a NULL in that column alone, and one with that column alone
    for at in 0..HIGHEST.len() {
        let mut row = HIGHEST;
        row[at] = "null";
        rows.push(row.join(", "));
        let mut row = ["null"; 14];
        row[at] = HIGHEST[at];
        rows.push(row.join(", "));
    }
    timed(made, "a0", rows);
    timed(made, "a1", vec![HIGHEST.join(", ")]);
    for at in 0..RANDOM {
        let count = made.dice.below(40);
        let rows = (0..count).map(|_| values(&mut made.dice, Small::Any)).collect();
        timed(made, &format!("r{at}"), rows);
    }
}

/// Rows at moments that are no whole second.
pub(super) fn timed(made: &mut Made<'_>, table: &str, rows: Vec<String>) {
    let mut at = made.at(0);
    let mut all = Vec::new();
    for row in rows {
        at += 1 + i64::try_from(made.dice.below(100_000)).unwrap_or(0);
        all.push(format!("{at}, {row}"));
    }
    made.rows(table, all);
}

/// Which small doubles there may be: 3.x takes no subnormal one in SQL, and tags are told in SQL alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Small {
    Normal,
    Any,
}

/// A value of each type, some NULL.
fn values(dice: &mut Dice, small: Small) -> String {
    let signed = |dice: &mut Dice, bits: u32| {
        // 2.x keeps the lowest for NULL
        let value = dice.bits().cast_signed() >> (64 - bits);
        let lowest = i64::MIN >> (64 - bits);
        if value == lowest { "0".to_owned() } else { value.to_string() }
    };
    let unsigned = |dice: &mut Dice, bits: u32| {
        let value = dice.bits() >> (64 - bits);
        // 2.x keeps the highest for NULL
        if value == u64::MAX >> (64 - bits) { "0".to_owned() } else { value.to_string() }
    };
    let all = [
        (if dice.one_in(2) { "true" } else { "false" }).to_owned(),
        signed(dice, 8),
        signed(dice, 16),
        signed(dice, 32),
        signed(dice, 64),
        float(dice),
        double(dice, small),
        format!("'{}'", dice.one_of(&TEXTS)),
        format!("'{}'", dice.one_of(&TEXTS)),
        (1_600_000_000_000 + (dice.bits() >> 24).cast_signed()).to_string(),
        unsigned(dice, 8),
        unsigned(dice, 16),
        unsigned(dice, 32),
        unsigned(dice, 64),
    ];
    let some: Vec<_> =
        all.into_iter().map(|value| if dice.one_in(8) { "null".to_owned() } else { value }).collect();
    some.join(", ")
}

/// Any finite one by its bits, written so that it is read back as the same.
fn float(dice: &mut Dice) -> String {
    let bits = u32::try_from(dice.bits() >> 32).unwrap_or(0);
    match f32::from_bits(bits) {
        value if value.is_finite() && !dice.one_in(3) => format!("{value:e}"),
        _ => (*dice.one_of(&FLOATS)).to_owned(),
    }
}

fn double(dice: &mut Dice, small: Small) -> String {
    let value = f64::from_bits(dice.bits());
    let fits = small == Small::Any || value.is_normal();
    match value {
        value if value.is_finite() && fits && !dice.one_in(3) => format!("{value:e}"),
        _ if small == Small::Normal => (*dice.one_of(&DOUBLES[1..])).to_owned(),
        _ => (*dice.one_of(&DOUBLES)).to_owned(),
    }
}
