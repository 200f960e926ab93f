//! Fills a 2.x database through plain SQL, so that stand-ins and real servers get the same: dense and sparse
//! stables, normal tables, every type with its extremes and NULLs, odd names, empty tables, NULL tags.

use std::fmt::Write;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tdferry_common::tdengine::Reader;

/// The first row's time: well inside what a database keeps that was told to keep ten years and more.
pub(crate) const FIRST: i64 = 1_600_000_000_000;

/// Below the shortest statement every 2.x server takes.
const STATEMENT: usize = 60_000;

/// How much to load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Subtables with many rows.
    pub(crate) dense: usize,
    /// Rows of each.
    pub(crate) dense_rows: usize,
    /// Subtables with few rows.
    pub(crate) sparse: usize,
    /// Rows of each.
    pub(crate) sparse_rows: usize,
}

/// Enough for every path, small enough for a test.
pub(crate) const SMALL: Size = Size { dense: 6, dense_rows: 9_000, sparse: 700, sparse_rows: 5 };

/// Creates and fills a database; the same seed gives the same cells.
pub(crate) async fn load(to: &Reader, database: &str, size: Size, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    run(to, &format!("create database {database} precision 'ms' keep 36500 days 30")).await;
    dense(to, database, size, &mut rng).await;
    sparse(to, database, size, &mut rng).await;
    normal(to, database, &mut rng).await;
    types(to, database).await;
    names(to, database).await;
}

/// Runs a statement that must succeed.
pub(crate) async fn run(to: &Reader, sql: &str) {
    if let Err(error) = to.exec(sql).await {
        panic!("{error}\n{}", &sql[..sql.len().min(300)]);
    }
}

async fn dense(to: &Reader, db: &str, size: Size, rng: &mut SmallRng) {
    let columns = "ts timestamp, current float, voltage int, phase double, note binary(16)";
    run(to, &format!("create table {db}.meters ({columns}) tags (groupid int, location nchar(24))")).await;
    for table in 0..size.dense {
        run(to, &format!("create table {db}.d{table} using {db}.meters tags ({table}, '厂区 {table}')"))
            .await;
        let rows = (0..size.dense_rows).map(|row| {
            let ts = FIRST + i64::try_from(row).unwrap() * 10_000;
            let voltage =
                if rng.random_ratio(1, 20) { "null".into() } else { rng.random_range(180..250).to_string() };
            let (current, phase): (f32, f64) = (rng.random_range(0.0..50.0), rng.random());
            format!("({ts},{current:?},{voltage},{phase:?},'n{}')", row % 7)
        });
        insert(to, &format!("{db}.d{table}"), rows).await;
    }
}

async fn sparse(to: &Reader, db: &str, size: Size, rng: &mut SmallRng) {
    run(to, &format!("create table {db}.swarm (ts timestamp, v bigint, w nchar(8)) tags (site binary(12), slot smallint)"))
        .await;
    let mut sql = String::from("create table");
    for table in 0..size.sparse {
        let _ = write!(sql, " {db}.s{table} using {db}.swarm tags ('site{}', {})", table % 50, table % 9);
        if sql.len() > STATEMENT {
            run(to, &std::mem::replace(&mut sql, "create table".into())).await;
        }
    }
    run(to, &sql).await;
    let mut sql = String::from("insert into");
    // every tenth subtable stays empty
    for table in (0..size.sparse).filter(|table| table % 10 != 3) {
        let _ = write!(sql, " {db}.s{table} values");
        for row in 0..size.sparse_rows {
            let ts = FIRST + i64::try_from(row).unwrap() * 86_400_000 + i64::try_from(table).unwrap();
            let text = if rng.random_ratio(1, 5) {
                "null".into()
            } else {
                format!("'值{}'", rng.random_range(0..100))
            };
            let _ = write!(sql, "({ts},{},{text})", rng.random_range(-1000_i64..1000));
        }
        if sql.len() > STATEMENT {
            run(to, &std::mem::replace(&mut sql, "insert into".into())).await;
        }
    }
    run(to, &sql).await;
}

async fn normal(to: &Reader, db: &str, rng: &mut SmallRng) {
    run(
        to,
        &format!(
            "create table {db}.plain (ts timestamp, `select` int, `value` nchar(10), `order` binary(8))"
        ),
    )
    .await;
    let rows = (0..3_000).map(|row| {
        let ts = FIRST + i64::from(row) * 60_000;
        format!("({ts},{},'v{row}','o{}')", rng.random_range(0..9), row % 10)
    });
    insert(to, &format!("{db}.plain"), rows).await;
    run(to, &format!("create table {db}.lonely (ts timestamp, v bool)")).await;
    run(to, &format!("insert into {db}.lonely values ({FIRST}, true) ({}, null)", FIRST + 1)).await;
    run(to, &format!("create table {db}.bare (ts timestamp, v int)")).await;
}

async fn types(to: &Reader, db: &str) {
    let columns = "b bool, ti tinyint, si smallint, i int, bi bigint, f float, d double, bin binary(32), \
         nc nchar(32), t2 timestamp, uti tinyint unsigned, usi smallint unsigned, ui int unsigned, ubi bigint unsigned";
    let tags = "tb bool, tti tinyint, tsi smallint, tint int, tbi bigint, tf float, td double, tbin binary(16), \
         tnc nchar(16), tts timestamp, tuti tinyint unsigned, tusi smallint unsigned, tui int unsigned, tubi bigint unsigned";
    run(to, &format!("create table {db}.alltypes (ts timestamp, {columns}) tags ({tags})")).await;
    let high = "127, 32767, 2147483647, 9223372036854775807";
    let low = "-127, -32767, -2147483647, -9223372036854775807";
    let unsigned = "254, 65534, 4294967294, 18446744073709551614";
    let text = r"'bin''tag', '中文 \\n'";
    let tag_rows = [
        ("a0", format!("true, {low}, 1.1, 1.23456789012345678, {text}, 1600000000000, {unsigned}")),
        (
            "a1",
            "null, null, null, null, null, null, null, null, null, null, null, null, null, null".to_owned(),
        ),
        ("a2", format!("false, {high}, -3.4e38, 1.7e308, '', '', 0, 0, 0, 0, 0")),
    ];
    for (name, tags) in &tag_rows {
        run(to, &format!("create table {db}.{name} using {db}.alltypes tags ({tags})")).await;
    }
    let rows = [
        format!("true, {low}, -3.4e38, -1.7e308, 'it''s', '你好 \\\\ \"q\"', 1600000000002, {unsigned}"),
        format!("false, {high}, 3.4e38, 1.7e308, '', '', 0, 0, 0, 0, 0"),
        "null, null, null, null, null, null, null, null, null, null, null, null, null, null".to_owned(),
        "true, 1, 2, 3, 4, 0.1, 0.1, 'x', '😀', 1, 1, 2, 3, 4".to_owned(),
    ];
    for (index, row) in rows.iter().enumerate() {
        let ts = FIRST + i64::try_from(index).unwrap();
        run(to, &format!("insert into {db}.a0 values ({ts}, {row})")).await;
        run(to, &format!("insert into {db}.a1 values ({}, {row})", ts + 7)).await;
    }
    // each column NULL by itself
    for column in columns.split(", ").filter_map(|declared| declared.split_whitespace().next()) {
        let ts = FIRST + 100 + i64::try_from(columns.find(column).unwrap()).unwrap();
        run(to, &format!("insert into {db}.a2 (ts, {column}) values ({ts}, null)")).await;
    }
}

async fn names(to: &Reader, db: &str) {
    run(
        to,
        &format!(
            "create table {db}.`Mixed Stable` (ts timestamp, `Value 值` int) tags (`Tag 签` binary(20))"
        ),
    )
    .await;
    for (index, name) in ["Mixed-Case 表", "ünïcode", "1digit", "with space", "quo'te"].iter().enumerate()
    {
        run(to, &format!("create table {db}.`{name}` using {db}.`Mixed Stable` tags ('t{index}')")).await;
        run(to, &format!("insert into {db}.`{name}` values ({}, {index})", FIRST + 5)).await;
    }
    run(to, &format!("create table {db}.docs (ts timestamp, v double) tags (j json)")).await;
    let json = [r#"'{"k1":1,"k2":"two","k3":1.5,"k4":true,"k6":"值"}'"#, "null", r#"'{"a":"O\\"q"}'"#];
    for (index, json) in json.iter().enumerate().take(2) {
        run(to, &format!("create table {db}.j{index} using {db}.docs tags ({json})")).await;
        run(to, &format!("insert into {db}.j{index} values ({FIRST}, 1.5)")).await;
    }
    run(to, &format!("create table {db}.nobody (ts timestamp, v int) tags (t int)")).await;
}

async fn insert(to: &Reader, table: &str, rows: impl Iterator<Item = String>) {
    let head = format!("insert into {table} values");
    let mut sql = head.clone();
    for row in rows {
        sql.push_str(&row);
        if sql.len() > STATEMENT {
            run(to, &std::mem::replace(&mut sql, head.clone())).await;
        }
    }
    if sql.len() > head.len() {
        run(to, &sql).await;
    }
}
