//! Names: mixed case, every script, quotes, reserved words, the longest there may be; tags of JSON and of text.

use super::Made;
use super::types::{TEXTS, timed};

const ODD: [&str; 24] = [
    "Mixed-Case 表",
    "UPPER",
    "lower",
    "sp ace",
    " leading",
    "quo\"te",
    "it's",
    "back\\slash",
    "semi;colon",
    "per%cent",
    "_under_",
    "naïve",
    "1digit",
    "2026",
    "a-b",
    "a,b",
    "(a)",
    "a=b",
    "a/b",
    "#hash",
    "@at",
    "ümlaut",
    "😀",
    "tbname",
];
/// Words that 3.x reserves, as tables, columns and tags.
const RESERVED: [&str; 20] = [
    "select", "table", "value", "count", "first", "last", "range", "port", "index", "start", "position",
    "host", "level", "left", "right", "normal", "ttl", "primary", "language", "user",
];
/// The longest name of a table, in bytes.
const LONGEST: usize = 192;
/// The longest name of a column, in bytes; in backticks 2.7 takes two less.
const LONGEST_COLUMN: usize = 64;

pub(super) fn make(made: &mut Made<'_>) {
    odd(made);
    reserved(made);
    longest(made);
    json(made);
    texts(made);
}

fn odd(made: &mut Made<'_>) {
    let stable = made.path("Odd Names");
    made.say(format!(
        "create table {stable} (ts timestamp, `value` double, `Count` int, `表` nchar(8)) tags (`Group` int, `port` binary(8))"
    ));
    let tables = ODD.iter().enumerate().map(|(at, name)| ((*name).to_owned(), format!("{at}, 'p{at}'")));
    made.subtables("Odd Names", tables.chain([("Empty One".to_owned(), "null, null".to_owned())]));
    for (at, name) in ODD.iter().enumerate() {
        timed(made, name, vec![format!("{at}.5, {at}, '值{at}'"), "null, null, null".to_owned()]);
    }
}

fn reserved(made: &mut Made<'_>) {
    let stable = made.path("database");
    let declared =
        |kind: &str| RESERVED.iter().map(|word| format!("`{word}` {kind}")).collect::<Vec<_>>().join(", ");
    let tags: Vec<_> = RESERVED.iter().map(|word| format!("`t_{word}` int")).collect();
    made.say(format!("create table {stable} (ts timestamp, {}) tags ({})", declared("int"), tags.join(", ")));
    let numbers: Vec<_> = (0..RESERVED.len()).map(|at| at.to_string()).collect();
    let numbers = numbers.join(", ");
    made.subtables("database", RESERVED.iter().map(|word| ((*word).to_owned(), numbers.clone())));
    for word in RESERVED {
        timed(made, word, vec![numbers.clone()]);
    }
}

fn longest(made: &mut Made<'_>) {
    let long = |character: &str, bytes: usize| character.repeat(bytes / character.len());
    let stable = format!("S{}", long("s", LONGEST - 1));
    let (path, column) = (made.path(&stable), long("c", LONGEST_COLUMN));
    let tag = long("值", LONGEST_COLUMN - 2);
    made.say(format!("create table {path} (ts timestamp, {column} int) tags (`{tag}` int)"));
    let tables = [
        long("t", LONGEST),
        long("表", LONGEST),
        long("😀", LONGEST),
        format!("{}x", long("t", LONGEST - 1)),
    ];
    made.subtables(&stable, tables.iter().enumerate().map(|(at, name)| (name.clone(), at.to_string())));
    for name in &tables {
        timed(made, name, vec!["1".into(), "null".into()]);
    }
}

fn json(made: &mut Made<'_>) {
    let path = made.path("tagged");
    made.say(format!("create table {path} (ts timestamp, v double) tags (j json)"));
    let tags = [
        "'{\"k1\":1,\"k2\":\"two\",\"k3\":1.5,\"k4\":true,\"k5\":null,\"k6\":\"值\"}'",
        "null",
        "'{\"quote\":\"it''s\"}'",
        "'{\"empty\":\"\"}'",
        // no larger number: 1e300 in a JSON tag ends a 3.3.1 server
        "'{\"emoji\":\"😀\",\"big\":12345678901.5}'",
        "'{\"a b\":\"c d\",\"neg\":-0.5}'",
    ];
    let tables = tags.iter().enumerate().map(|(at, tag)| (format!("j{at}"), (*tag).to_owned()));
    made.subtables("tagged", tables);
    for at in 0..tags.len() {
        timed(made, &format!("j{at}"), vec![format!("{at}.25"), "null".into()]);
    }
}

/// Each awkward text as a tag and as a value, as BINARY and as NCHAR.
fn texts(made: &mut Made<'_>) {
    let path = made.path("texts");
    made.say(format!(
        "create table {path} (ts timestamp, b binary(64), n nchar(64)) tags (tb binary(64), tn nchar(64))"
    ));
    let quoted = |text: &str| format!("'{text}', '{text}'");
    made.subtables("texts", TEXTS.iter().enumerate().map(|(at, text)| (format!("x{at}"), quoted(text))));
    for at in 0..TEXTS.len() {
        timed(made, &format!("x{at}"), TEXTS.iter().skip(at).map(|text| quoted(text)).collect());
    }
}
