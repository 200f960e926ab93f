//! Everything that is awkward and still legal on 2.x: all types with NULLs and extremes, odd names, NULL tags,
//! JSON tags, empty subtables, words that are reserved on 3.x.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{SeedError, run};
use crate::exec::Engine;

const START_MS: i64 = 1_767_225_600_000;
const ALL_TYPES: &str = "b bool, ti tinyint, si smallint, i int, bi bigint, f float, d double, bin binary(32), \
                         nc nchar(32), t2 timestamp, uti tinyint unsigned, usi smallint unsigned, \
                         ui int unsigned, ubi bigint unsigned";
const ALL_TAGS: &str = "tb bool, tti tinyint, tsi smallint, tint int, tbi bigint, tf float, td double, \
                        tbin binary(16), tnc nchar(16), tts timestamp, tuti tinyint unsigned, \
                        tusi smallint unsigned, tui int unsigned, tubi bigint unsigned";
const LOWEST: &str =
    "false, -127, -32767, -2147483647, -9223372036854775807, -3.4e38, -1.7e308, '', '', 0, 0, 0, 0, 0";
const HIGHEST: &str = "true, 127, 32767, 2147483647, 9223372036854775807, 3.4e38, 1.7e308, \
                       '12345678901234567890123456789012', '一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二', \
                       1767225600001, 254, 65534, 4294967294, 18446744073709551614";
const COLUMNS: usize = 14;

pub(crate) fn torture(engine: &Arc<Engine>, database: &str) -> Result<(), SeedError> {
    let mut all = vec![format!("create database {database} keep 36500")];
    all.extend(every_type(database));
    all.extend(odd_names(database));
    all.extend(other_tags(database));
    all.extend(normal_tables(database));
    run(engine, all)
}

fn every_type(database: &str) -> Vec<String> {
    let nulls = vec!["null"; COLUMNS].join(", ");
    let mut rows =
        format!("insert into {database}.a0 values ({START_MS}, {LOWEST}) ({}, {HIGHEST})", START_MS + 1);
    let _ = write!(rows, " ({}, {nulls})", START_MS + 2);
    // one row per column with a NULL in that column alone
    let values: Vec<&str> = HIGHEST.split(", ").map(str::trim).collect();
    for at in 0..COLUMNS {
        let mut row = values.clone();
        row[at] = "null";
        let _ = write!(rows, " ({}, {})", START_MS + 10 + i64::try_from(at).unwrap_or(0), row.join(", "));
    }
    let high_tags = "true, 127, 32767, 2147483647, 9223372036854775807, 1.1, 1.23456789012345678, 'bin''tag', \
                     '中文 \"q\" \\\\n', 1600000000000, 254, 65534, 4294967294, 18446744073709551614";
    vec![
        format!("create table {database}.alltypes (ts timestamp, {ALL_TYPES}) tags ({ALL_TAGS})"),
        format!("create table {database}.a0 using {database}.alltypes tags ({high_tags})"),
        format!("create table {database}.a1 using {database}.alltypes tags ({nulls})"),
        format!("create table {database}.a_empty using {database}.alltypes tags ({nulls})"),
        rows,
        format!("insert into {database}.a1 values ({START_MS}, {HIGHEST})"),
    ]
}

fn odd_names(database: &str) -> Vec<String> {
    let stable = format!("{database}.`Odd Names`");
    let mut all = vec![format!(
        "create table {stable} (ts timestamp, `value` double, `Count` int, `表` nchar(8)) tags (`Group` int, `port` binary(8))"
    )];
    let names = [
        "Mixed-Case 表",
        "UPPER",
        "lower",
        "sp ace",
        "quo\"te",
        "semi;colon",
        "per%cent",
        "_under_",
        "naïve",
    ];
    for (at, name) in names.iter().enumerate() {
        all.push(format!("create table {database}.`{name}` using {stable} tags ({at}, 'p{at}')"));
        all.push(format!("insert into {database}.`{name}` values ({START_MS}, {at}.5, {at}, '值{at}')"));
    }
    all.push(format!("create table {database}.`Empty One` using {stable} tags (null, null)"));
    all
}

fn other_tags(database: &str) -> Vec<String> {
    let mut all = vec![format!("create table {database}.tagged (ts timestamp, v double) tags (j json)")];
    let tags = [
        "'{\"k1\":1,\"k2\":\"two\",\"k3\":1.5,\"k4\":true,\"k5\":null,\"k6\":\"值\"}'",
        "null",
        "'{}'",
        "'{\"quote\":\"it''s\"}'",
    ];
    for (at, tag) in tags.iter().enumerate() {
        all.push(format!("create table {database}.j{at} using {database}.tagged tags ({tag})"));
        all.push(format!(
            "insert into {database}.j{at} values ({START_MS}, {at}.25) ({}, null)",
            START_MS + 1
        ));
    }
    all
}

fn normal_tables(database: &str) -> Vec<String> {
    vec![
        format!(
            "create table {database}.plain (ts timestamp, `Select` int, `value` nchar(10), `order` binary(8))"
        ),
        format!(
            "insert into {database}.plain values ({START_MS}, 1, '汉字', 'x') ({}, null, null, null)",
            START_MS + 1
        ),
        format!("create table {database}.one_col (ts timestamp, v bool)"),
        format!("insert into {database}.one_col values ({START_MS}, true)"),
        format!("create table {database}.empty_plain (ts timestamp, v binary(1))"),
    ]
}
