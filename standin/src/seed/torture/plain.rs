//! What is awkward by number alone: a swarm of subtables with few rows, a few with many, normal tables, empty ones.

use super::Made;
use super::types::timed;

/// Subtables of the swarm; some have no row.
const SWARM: usize = 200;
/// Subtables that are copied block by block, and rows of each: more than one block has.
const DENSE: (usize, usize) = (2, 9_000);

pub(super) fn make(made: &mut Made<'_>) {
    swarm(made);
    dense(made);
    normal(made);
    let path = made.path("nobody");
    made.say(format!("create table {path} (ts timestamp, v int) tags (t int)"));
}

fn swarm(made: &mut Made<'_>) {
    let path = made.path("swarm");
    made.say(format!(
        "create table {path} (ts timestamp, v float, s binary(16)) tags (site int, note nchar(8))"
    ));
    let tags =
        |at: usize| if at.is_multiple_of(7) { "null, null".into() } else { format!("{at}, '值{at}'") };
    made.subtables("swarm", (0..SWARM).map(|at| (format!("s{at}"), tags(at))));
    for at in 0..SWARM {
        let count = made.dice.below(5);
        timed(made, &format!("s{at}"), (0..count).map(|row| format!("{row}.1, 'r{at}'")).collect());
    }
}

fn dense(made: &mut Made<'_>) {
    let path = made.path("dense");
    made.say(format!("create table {path} (ts timestamp, v double, n bigint) tags (t int)"));
    made.subtables("dense", (0..DENSE.0).map(|at| (format!("m{at}"), at.to_string())));
    for at in 0..DENSE.0 {
        let rows = (0..DENSE.1).map(|row| format!("{row}.{at}, {row}")).collect();
        timed(made, &format!("m{at}"), rows);
    }
}

fn normal(made: &mut Made<'_>) {
    let path = made.path("plain");
    made.say(format!(
        "create table {path} (ts timestamp, `Select` int, `value` nchar(10), `order` binary(8))"
    ));
    timed(made, "plain", vec!["1, '汉字', 'x'".into(), "null, null, null".into()]);
    let path = made.path("one_col");
    made.say(format!("create table {path} (ts timestamp, v bool)"));
    timed(made, "one_col", vec!["true".into(), "null".into()]);
    for at in 0..20 {
        let path = made.path(&format!("Normal {at}"));
        made.say(format!("create table {path} (ts timestamp, v binary({}), w int)", at + 1));
        timed(made, &format!("Normal {at}"), (0..at).map(|row| format!("'{row}', {row}")).collect());
    }
    let path = made.path("empty_plain");
    made.say(format!("create table {path} (ts timestamp, v binary(1))"));
}
