//! The widest there may be: 4,096 columns, 128 tags, rows of 48 KB, the longest texts.

use super::Made;
use super::types::timed;

/// Columns of a table, the timestamp among them.
const COLUMNS: usize = 4_096;
/// Tags of a stable.
const TAGS: usize = 128;
/// The longest BINARY.
const BINARY_BYTES: usize = 16_374;
/// The longest NCHAR that leaves a row of two such BINARYs within 49,151 bytes.
const NCHAR_CHARACTERS: usize = 4_090;

pub(super) fn make(made: &mut Made<'_>) {
    columns(made);
    tags(made);
    rows(made);
}

fn columns(made: &mut Made<'_>) {
    let declared = |count: usize| (1..count).map(|at| format!(",c{at} int")).collect::<String>();
    let numbers = |made: &mut Made<'_>, count: usize| {
        let one = |at: usize| if made.dice.one_in(10) { "null".to_owned() } else { at.to_string() };
        (1..count).map(one).collect::<Vec<_>>().join(",")
    };
    let stable = made.path("wide");
    made.say(format!("create table {stable} (ts timestamp{}) tags (t int)", declared(COLUMNS - 1)));
    made.subtables("wide", (0..2).map(|at| (format!("w{at}"), at.to_string())));
    for table in ["w0", "w1"] {
        let rows = (0..3).map(|_| numbers(made, COLUMNS - 1)).collect();
        timed(made, table, rows);
    }
    let table = made.path("wide_plain");
    made.say(format!("create table {table} (ts timestamp{})", declared(COLUMNS)));
    let rows = (0..2).map(|_| numbers(made, COLUMNS)).collect();
    timed(made, "wide_plain", rows);
}

fn tags(made: &mut Made<'_>) {
    let kinds = ["int", "float", "binary(8)", "nchar(4)"];
    let declared =
        (0..TAGS).map(|at| format!("t{at} {}", kinds[at % kinds.len()])).collect::<Vec<_>>().join(", ");
    let path = made.path("tags128");
    made.say(format!("create table {path} (ts timestamp, v int) tags ({declared})"));
    let values = |table: usize| {
        let one = |at: usize| match (at + table) % 5 {
            4 => "null".to_owned(),
            _ => ["7", "1.1", "'b''x'", "'值'"][at % kinds.len()].to_owned(),
        };
        (0..TAGS).map(one).collect::<Vec<_>>().join(", ")
    };
    made.subtables("tags128", (0..5).map(|at| (format!("g{at}"), values(at))));
    for at in 0..5 {
        timed(made, &format!("g{at}"), vec![at.to_string()]);
    }
}

fn rows(made: &mut Made<'_>) {
    let path = made.path("long");
    made.say(format!(
        "create table {path} (ts timestamp, a binary({BINARY_BYTES}), b binary({BINARY_BYTES}), n nchar({NCHAR_CHARACTERS})) \
         tags (t int)"
    ));
    made.subtables("long", (0..2).map(|at| (format!("l{at}"), at.to_string())));
    for table in ["l0", "l1"] {
        let mut all = Vec::new();
        for character in ["x", "值", "😀"] {
            let (a, n) =
                (made.dice.one_of(&["a", "ä", "\\\\"]).to_owned(), character.repeat(NCHAR_CHARACTERS));
            let width = a.replace("\\\\", "\\").len();
            all.push(format!("'{}', '', '{n}'", a.repeat(BINARY_BYTES / width)));
            all.push(format!("'', '{}', null", "b".repeat(BINARY_BYTES)));
        }
        all.push(format!("'{0}', '{0}', '{1}'", "y".repeat(BINARY_BYTES), "n".repeat(NCHAR_CHARACTERS)));
        timed(made, table, all);
    }
}
