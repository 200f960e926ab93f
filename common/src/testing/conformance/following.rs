//! What every adapter must do alike for who follows a source: all subtables of a stable at once, counts by buckets of
//! time, the newest row, a census.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::writing::{create, runs_of};
use super::{Rig, Rows as Collected, collect_all};
use crate::batch::Value;
use crate::port::{PortError, PortResult, Rows, Source, Tables};
use crate::schema::{Census, DataType, Stable};
use crate::testing::{MemDatabase, MemTable, Recipe, column};
use crate::time::{Period, Precision};

const PRECISIONS: [Precision; 3] = [Precision::Milli, Precision::Micro, Precision::Nano];

/// A second, a minute, an hour, a day and a week. Days and weeks are where a server's time zone would show.
const BUCKETS: [i64; 5] = [1, 60, 3_600, 86_400, 604_800];

/// The start of a week since 1970, in seconds: of a day, an hour and a minute as well.
const BORDER: i64 = 2_646 * 604_800;

/// Two subtables with rows on the borders of every bucket, beside them and between; one without rows; a normal table
/// with the same rows. Values are NULL every other time.
fn bordering(precision: Precision, around: &[i64]) -> MemDatabase {
    let mut held = MemDatabase::new("borders", precision);
    let columns = vec![column("ts", DataType::Timestamp), column("v", DataType::Int)];
    let tags = vec![column("g", DataType::Int)];
    held.add_stable(Stable { name: "st".into(), columns: columns.clone(), tags });
    for name in ["on 'borders'", "Beside", "no rows"] {
        held.add_subtable("st", name, vec![Value::Int(1)]);
    }
    held.add_normal_table("plain", columns);
    let second = precision.per_second();
    for (border, bucket) in around.iter().flat_map(|border| BUCKETS.map(|bucket| (*border, bucket))) {
        for (n, at) in [border - bucket, border, border + bucket].into_iter().enumerate() {
            let value = if n % 2 == 0 { Value::Null } else { Value::Int(1) };
            let at = at * second;
            held.put_row("on 'borders'", vec![Value::Timestamp(at), value.clone()]);
            held.put_row("Beside", vec![Value::Timestamp(at - 1), value.clone()]);
            held.put_row("Beside", vec![Value::Timestamp(at + 1), value.clone()]);
            held.put_row("plain", vec![Value::Timestamp(at), value]);
        }
    }
    held
}

fn tables_of<'a>(held: &'a MemDatabase, tables: Tables<'a>) -> Vec<(&'a String, &'a MemTable)> {
    match tables {
        Tables::All { stable } => held.subtables_of(stable).collect(),
        Tables::Of { stable, names } => {
            held.subtables_of(stable).filter(|(name, _)| names.contains(name)).collect()
        }
        Tables::One { name } => held.tables.get_key_value(name).into_iter().collect(),
    }
}

fn buckets_of(held: &MemDatabase, tables: Tables<'_>, period: Period, bucket: i64) -> BTreeMap<i64, u64> {
    let mut counts = BTreeMap::new();
    for (ts, _) in tables_of(held, tables).into_iter().flat_map(|(_, table)| table.rows_in(period)) {
        *counts.entry(ts.div_euclid(bucket) * bucket).or_default() += 1;
    }
    counts
}

/// All of time, and periods that start and end on a border, beside one, and within.
fn periods(precision: Precision, border: i64) -> Vec<Period> {
    let (second, at) = (precision.per_second(), border * precision.per_second());
    let period = |from, to| Period { from, to };
    vec![
        Period::ALL,
        period(at, at + 60 * second),
        period(at - 1, at + 1),
        period(at - 30 * second, at + 86_400 * second),
        period(i64::MIN, at),
        period(at, i64::MAX),
        period(at, at),
    ]
}

/// What a side answers about all subtables of each stable is what is held.
async fn check_all(rows: &dyn Rows, held: &MemDatabase) -> PortResult<()> {
    for stable in held.stables.values() {
        let times = held.subtables_of(&stable.name).flat_map(|(_, table)| table.rows.keys().copied());
        let middle = times.max().unwrap_or_default();
        for period in [
            Period::ALL,
            Period { from: middle, to: middle + 1 },
            Period { from: i64::MIN, to: middle },
            Period { from: middle + 1, to: i64::MAX },
        ] {
            let what = format!("{:?} in {period}", stable.name);
            let wanted: Collected = held
                .subtables_of(&stable.name)
                .map(|(name, table)| {
                    (name.clone(), table.rows_in(period).map(|(ts, row)| (*ts, row.clone())).collect())
                })
                .filter(|(_, rows): &(String, BTreeMap<_, _>)| !rows.is_empty())
                .collect();
            assert_eq!(collect_all(rows.read_all(stable, period)).await?, wanted, "{what}");
            let all = Tables::All { stable: &stable.name };
            let count = |rows: &BTreeMap<i64, Vec<Value>>| u64::try_from(rows.len()).unwrap_or(u64::MAX);
            let wanted: BTreeMap<String, u64> =
                wanted.iter().map(|(name, rows)| (name.clone(), count(rows))).collect();
            assert_eq!(rows.count(all, period).await?, wanted.values().sum::<u64>(), "{what}");
            let mut each = rows.count_each(all, period).await?;
            each.retain(|_, rows| *rows > 0);
            assert_eq!(each, wanted, "{what}");
        }
    }
    Ok(())
}

async fn check_buckets(rows: &dyn Rows, held: &MemDatabase, border: i64) -> PortResult<()> {
    let precision = held.database.precision;
    let names = ["Beside".to_owned(), "no rows".to_owned()];
    // every period of all subtables; of other tables some, since a real server takes its time for each
    for (tables, most) in [
        (Tables::All { stable: "st" }, usize::MAX),
        (Tables::Of { stable: "st", names: &names }, 2),
        (Tables::One { name: "on 'borders'" }, 2),
        (Tables::One { name: "plain" }, 2),
        (Tables::One { name: "no rows" }, 1),
    ] {
        for bucket in BUCKETS.map(|seconds| seconds * precision.per_second()) {
            for period in periods(precision, border).into_iter().take(most) {
                let told = rows.count_buckets(tables, period, bucket).await?;
                let wanted = buckets_of(held, tables, period, bucket);
                assert_eq!(told, wanted, "{tables:?} in {period} by {bucket} {precision}");
            }
        }
    }
    Ok(())
}

/// Every type, NULL, odd names, tables with and without rows, over periods.
pub async fn all_subtables_are_read_and_counted_at_once(rig: &dyn Rig) -> PortResult<()> {
    for precision in PRECISIONS {
        let held = Recipe { precision, ..Recipe::small(19) }.make();
        let source = rig.source(&held).await;
        check_all(&*source, &held).await?;
    }
    Ok(())
}

/// In every precision, before 1970 too.
pub async fn buckets_start_at_multiples_of_their_length_since_1970(rig: &dyn Rig) -> PortResult<()> {
    for precision in PRECISIONS {
        let held = bordering(precision, &[0, BORDER]);
        let source = rig.source(&held).await;
        for border in [0, BORDER] {
            check_buckets(&*source, &held, border).await?;
        }
    }
    Ok(())
}

/// No server counts by them, and by nothing else can two sides be held against each other.
pub async fn a_bucket_that_is_no_whole_seconds_is_refused(rig: &dyn Rig) -> PortResult<()> {
    let held = bordering(Precision::Milli, &[BORDER]);
    let source = rig.source(&held).await;
    for bucket in [0, -60_000, 1, 1_500] {
        let answer = source.count_buckets(Tables::All { stable: "st" }, Period::ALL, bucket).await;
        assert!(matches!(answer, Err(PortError::Invalid { .. })), "{bucket}: {answer:?}");
    }
    Ok(())
}

/// Of all, some and one; none where there are no rows.
pub async fn the_newest_row_is_told(rig: &dyn Rig) -> PortResult<()> {
    for precision in PRECISIONS {
        let mut held = bordering(precision, &[BORDER]);
        let bare = held.stables.get("st").map(|st| Stable { name: "bare".into(), ..st.clone() });
        bare.into_iter().for_each(|bare| held.add_stable(bare));
        let source = rig.source(&held).await;
        let names = ["on 'borders'".to_owned(), "no rows".to_owned(), "not there".to_owned()];
        for tables in [
            Tables::All { stable: "st" },
            Tables::All { stable: "bare" },
            Tables::Of { stable: "st", names: &names },
            Tables::Of { stable: "st", names: &names[1..] },
            Tables::One { name: "Beside" },
            Tables::One { name: "plain" },
            Tables::One { name: "no rows" },
        ] {
            let newest = |(_, table): (_, &MemTable)| table.rows.keys().next_back().copied();
            let wanted = tables_of(&held, tables).into_iter().filter_map(newest).max();
            assert_eq!(source.newest(tables).await?, wanted, "{tables:?} in {precision}");
        }
    }
    Ok(())
}

/// Subtables by stable, those without rows and stables without subtables too; tables without a stable.
pub async fn a_census_counts_every_table(rig: &dyn Rig) -> PortResult<()> {
    let mut held = Recipe::small(23).make();
    let bare = held.stables.get("meters").map(|meters| Stable { name: "bare".into(), ..meters.clone() });
    bare.into_iter().for_each(|bare| held.add_stable(bare));
    for normal in [true, false] {
        if !normal {
            held.tables.retain(|_, table| table.stable.is_some());
        }
        let source = rig.source(&held).await;
        assert_eq!(source.census().await?, census_of(&held));
    }
    Ok(())
}

fn census_of(held: &MemDatabase) -> Census {
    let of = |stable: &str| u64::try_from(held.subtables_of(stable).count()).unwrap_or(u64::MAX);
    let normal = held.tables.values().filter(|table| table.stable.is_none()).count();
    Census {
        stables: held.stables.keys().map(|stable| (stable.clone(), of(stable))).collect(),
        normal: u64::try_from(normal).unwrap_or(u64::MAX),
    }
}

/// Asking about all subtables of what does not exist is an error of its own.
pub async fn a_stable_that_is_not_there_is_missing(rig: &dyn Rig) -> PortResult<()> {
    let source: Arc<dyn Source> = rig.source(&Recipe::small(29).make()).await;
    let all = Tables::All { stable: "not there" };
    let columns = vec![column("ts", DataType::Timestamp)];
    let stable = Stable { name: "not there".into(), columns, tags: Vec::new() };
    let answers = [
        collect_all(source.read_all(&stable, Period::ALL)).await.err(),
        source.count(all, Period::ALL).await.err(),
        source.count_buckets(all, Period::ALL, 60_000).await.err(),
        source.newest(all).await.err(),
    ];
    for answer in answers {
        assert!(matches!(answer, Some(PortError::Missing { .. })), "{answer:?}");
    }
    Ok(())
}

/// What was written is told as the source would tell it.
pub async fn what_was_written_is_read_and_counted_at_once(rig: &dyn Rig) -> PortResult<()> {
    let held = Recipe::small(31).make();
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    for stable in held.stables.values() {
        sink.write_many(&runs_of(&held, stable)?).await?;
    }
    check_all(&*sink, &held).await
}

/// In nanoseconds, where every unit that is rounded away would show.
pub async fn what_was_written_is_counted_by_the_same_buckets(rig: &dyn Rig) -> PortResult<()> {
    let mut held = bordering(Precision::Nano, &[BORDER]);
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    if let Some(stable) = held.stables.get("st") {
        sink.write_many(&runs_of(&held, stable)?).await?;
    }
    held.tables.get_mut("plain").into_iter().for_each(|plain| plain.rows.clear());
    check_buckets(&*sink, &held, BORDER).await
}
