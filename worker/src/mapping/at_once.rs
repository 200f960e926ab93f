//! All subtables at once through the mapping: what they are told as is what each alone is told as.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use futures_util::stream::{self, StreamExt};
use tdferry_common::batch::{Block, BlockBuilder, Run, TableRuns};
use tdferry_common::options::OptionValue;
use tdferry_common::port::{PortError, Rows, Source, Tables};
use tdferry_common::spec::TaskKind;
use tdferry_common::testing::{MemConnector, MemDatabase, MemServer};
use tdferry_common::time::{Period, Precision};

use super::*;

/// In microseconds, on the start of an hour.
const AT: i64 = 1_600_000_000 / 3_600 * 3_600_000_000;

type Told = BTreeMap<String, Vec<Vec<Value>>>;

fn spec(options: &[(&str, &[&str])]) -> Spec {
    let value = |texts: &[&str]| match texts {
        [one] => OptionValue::text(*one),
        many => OptionValue::List(many.iter().map(|text| (*text).to_owned()).collect()),
    };
    let options = options.iter().map(|(name, texts)| ((*name).to_owned(), value(texts))).collect();
    Spec::build("t", TaskKind::TDengine2, "taos+ws://a:1/power", "taos+ws://b:1", &options).unwrap()
}

fn column(name: &str, data_type: DataType) -> Column {
    Column { name: name.into(), data_type, length: 8 }
}

fn columns() -> Vec<Column> {
    vec![column("ts", DataType::Timestamp), column("v", DataType::BigInt), column("w", DataType::Int)]
}

/// Three subtables, with rows a third of a millisecond apart over an hour's border; one of them has none.
fn held() -> MemDatabase {
    let mut held = MemDatabase::new("power", Precision::Micro);
    let tags = vec![column("g", DataType::Int)];
    held.add_stable(Stable { name: "st".into(), columns: columns(), tags });
    for name in ["a", "b", "empty"] {
        held.add_subtable("st", name, vec![Value::Int(1)]);
    }
    for n in 0..40 {
        let row = |shift: i64| {
            let value = if n % 3 == 0 { Value::Null } else { Value::Int(n + shift) };
            vec![Value::Timestamp(AT - 6_000 + n * 333 + shift), Value::Int(n), value]
        };
        held.put_row("a", row(0));
        held.put_row("b", row(500));
    }
    held
}

fn connector() -> MemConnector {
    let from = MemServer::source(held());
    from.limit(|limits| limits.block_rows = 3);
    MemConnector::new(from, MemServer::sink())
}

async fn opened(options: &[(&str, &[&str])]) -> (Arc<dyn Source>, Stable) {
    let source = source(&connector(), &spec(options), "st").await.unwrap();
    let stable = source.stables().await.unwrap().remove(0);
    (source, stable)
}

fn values(block: &Block) -> Vec<Vec<Value>> {
    let row = |row| (0..block.columns().len()).map(|column| block.cell(row, column).to_value()).collect();
    (0..block.rows()).map(row).collect()
}

fn told(parts: Vec<TableRuns>) -> Told {
    let mut told = Told::new();
    for TableRuns { block, runs } in parts {
        assert!(block.rows() > 0, "no part is empty");
        assert_eq!(
            runs.iter().map(|run| run.rows.len()).sum::<usize>(),
            block.rows(),
            "runs tile their block"
        );
        for run in runs {
            told.entry(run.table).or_default().extend(values(&block.slice(run.rows)));
        }
    }
    told
}

async fn at_once(rows: &dyn Rows, stable: &Stable, period: Period) -> Told {
    told(rows.read_all(stable, period).try_collect().await.unwrap())
}

async fn each_alone(rows: &dyn Rows, stable: &Stable, names: &[&str], period: Period) -> Told {
    let mut told = Told::new();
    for name in names {
        let columns: Arc<[Column]> = stable.columns.as_slice().into();
        let blocks: Vec<_> = rows.read(name, columns, period).try_collect().await.unwrap();
        told.insert((*name).to_owned(), blocks.iter().flat_map(values).collect());
    }
    told.retain(|_, rows: &mut Vec<_>| !rows.is_empty());
    told
}

fn counted(told: &Told) -> BTreeMap<String, u64> {
    told.iter().map(|(name, rows)| (name.clone(), u64::try_from(rows.len()).unwrap())).collect()
}

fn buckets(told: &Told, bucket: i64) -> BTreeMap<i64, u64> {
    let mut counts = BTreeMap::new();
    for row in told.values().flatten() {
        let Value::Timestamp(ts) = row[0] else { panic!("{row:?}") };
        *counts.entry(ts.div_euclid(bucket) * bucket).or_default() += 1;
    }
    counts
}

/// Everything that is asked of all subtables, over whole and cut periods, against reading each alone.
async fn check(options: &[(&str, &[&str])], taken: &[&str]) {
    let (source, stable) = opened(options).await;
    let precision = source.database().await.unwrap().precision;
    let at = Precision::Micro.convert(AT, precision).unwrap();
    let all = Tables::All { stable: "st" };
    for period in [
        Period::ALL,
        Period { from: at - 2, to: at + 2 },
        Period { from: i64::MIN, to: at },
        Period { from: at, to: i64::MAX },
        Period { from: at + precision.per_second(), to: i64::MAX },
    ] {
        let what = format!("{options:?} in {period}");
        let wanted = each_alone(&*source, &stable, taken, period).await;
        assert_eq!(at_once(&*source, &stable, period).await, wanted, "{what}");
        assert_eq!(
            source.count(all, period).await.unwrap(),
            counted(&wanted).values().sum::<u64>(),
            "{what}"
        );
        let mut each = source.count_each(all, period).await.unwrap();
        each.retain(|_, rows| *rows > 0);
        assert_eq!(each, counted(&wanted), "{what}");
        let hour = 3_600 * precision.per_second();
        let by_time = source.count_buckets(all, period, hour).await.unwrap();
        assert_eq!(by_time, buckets(&wanted, hour), "{what}");
    }
    let wanted = each_alone(&*source, &stable, taken, Period::ALL).await;
    assert_eq!(buckets(&wanted, 3_600 * precision.per_second()).len(), 2, "rows on both sides of the border");
    let newest = wanted.values().filter_map(|rows| rows.last()?.first().cloned());
    let newest = newest.filter_map(|ts| if let Value::Timestamp(ts) = ts { Some(ts) } else { None }).max();
    assert_eq!(source.newest(all).await.unwrap(), newest, "{options:?}");
    assert_eq!(source.census().await.unwrap().stables["st"], 3);
}

#[tokio::test]
async fn all_subtables_are_told_as_each_alone_whatever_the_task_makes_of_them() {
    let both = &["a", "b", "empty"];
    check(&[], both).await;
    check(&[("columns", &["st.v"])], both).await;
    check(&[("tables", &["st.a", "empty"])], &["a"]).await;
    check(&[("tables", &["b"]), ("columns", &["st.w"])], &["b"]).await;
    check(&[("precision", &["ns"])], both).await;
    let truncated: &[(&str, &[&str])] = &[("precision", &["ms"]), ("precision-loss", &["truncate"])];
    check(truncated, both).await;
    check(&[truncated, &[("tables", &["a*"])]].concat(), &["a"]).await;
}

#[tokio::test]
async fn a_truncated_unit_leaves_fewer_rows_than_there_are() {
    let (source, stable) = opened(&[("precision", &["ms"]), ("precision-loss", &["truncate"])]).await;
    let rows: usize = at_once(&*source, &stable, Period::ALL).await.values().map(Vec::len).sum();
    assert!(rows > 20 && rows < 80, "{rows}");
    let day_and_a_half = source.count_buckets(Tables::All { stable: "st" }, Period::ALL, 1_500).await;
    assert!(matches!(day_and_a_half, Err(PortError::Unfit { .. })), "{day_and_a_half:?}");
}

/// Runs of several tables in turn, as a server with many files answers them.
#[tokio::test]
async fn of_rows_of_one_moment_the_last_is_left_whatever_comes_between_them() {
    let part = |rows: &[(&str, i64, i64)]| {
        let mut builder = BlockBuilder::new(columns().into(), Precision::Milli);
        let mut runs: Vec<Run> = Vec::new();
        for (at, (table, ts, value)) in rows.iter().enumerate() {
            builder.push_row(&[Value::Timestamp(*ts), Value::Int(*value), Value::Null]).unwrap();
            match runs.last_mut() {
                Some(run) if run.table == *table => run.rows.end = at + 1,
                _ => runs.push(Run { table: (*table).into(), rows: at..at + 1 }),
            }
        }
        Ok(TableRuns { block: builder.finish().unwrap(), runs })
    };
    let parts = [
        part(&[("a", 1, 10), ("a", 1, 11), ("a", 2, 12), ("b", 1, 20)]),
        part(&[("b", 1, 21), ("a", 2, 13), ("b", 2, 22), ("a", 3, 14)]),
        part(&[("c", 1, 30), ("a", 3, 15)]),
    ];
    let left = moments::of_each_table(stream::iter(parts).boxed()).try_collect().await.unwrap();
    let shown: BTreeMap<_, Vec<_>> = told(left)
        .into_iter()
        .map(|(name, rows)| (name, rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()))
        .collect();
    let row = |ts, value| (Value::Timestamp(ts), Value::Int(value));
    let wanted = [
        ("a".to_owned(), vec![row(1, 11), row(2, 13), row(3, 15)]),
        ("b".to_owned(), vec![row(1, 21), row(2, 22)]),
        ("c".to_owned(), vec![row(1, 30)]),
    ];
    assert_eq!(shown, BTreeMap::from(wanted));
}

/// A sink under the source's names that holds what the source holds.
async fn copied(transforms: &[&str]) -> (Arc<dyn tdferry_common::port::Sink>, Arc<dyn Source>, Stable) {
    let (connector, asked) = (connector(), spec(&[("transforms", transforms)]));
    let from = source(&connector, &asked, "st").await.unwrap();
    let to = sink(&connector, &asked, "st").await.unwrap();
    let stable = from.stables().await.unwrap().remove(0);
    to.create_database("PRECISION 'us'").await.unwrap();
    to.create_stable(&stable).await.unwrap();
    to.create_subtables(&stable, &from.all_tags(&stable).try_concat().await.unwrap()).await.unwrap();
    let parts: Vec<_> = from.read_all(&stable, Period::ALL).try_collect().await.unwrap();
    for part in &parts {
        to.write_many(part).await.unwrap();
    }
    (to, from, stable)
}

#[tokio::test]
async fn a_sink_tells_all_subtables_where_their_names_are_the_source_s() {
    let (to, from, stable) =
        copied(&["rename-super-table:prefix:n_", "rename-column:suffix:_c", "add-tag:x=y"]).await;
    let wanted = at_once(&*from, &stable, Period::ALL).await;
    assert_eq!(at_once(&*to, &stable, Period::ALL).await, wanted);
    let all = Tables::All { stable: "st" };
    let each = to.count_each(all, Period::ALL).await.unwrap();
    assert_eq!((to.count(all, Period::ALL).await.unwrap(), each), (80, counted(&wanted)));
}

#[tokio::test]
async fn a_sink_whose_subtables_have_other_names_counts_them_all_and_tells_of_none() {
    for transform in ["rename-child-table:prefix:n_", "rename-table:suffix:_n"] {
        let (to, from, stable) = copied(&[transform]).await;
        let all = Tables::All { stable: "st" };
        let hour = 3_600_000_000;
        assert_eq!(to.count(all, Period::ALL).await.unwrap(), 80);
        let names = ["a".to_owned()];
        for tables in [all, Tables::Of { stable: "st", names: &names }, Tables::One { name: "b" }] {
            let wanted = from.count_buckets(tables, Period::ALL, hour).await.unwrap();
            assert_eq!(to.count_buckets(tables, Period::ALL, hour).await.unwrap(), wanted, "{tables:?}");
            assert!(wanted.len() == 2, "{wanted:?}");
        }
        let refused = [
            to.count_each(all, Period::ALL).await.map(|_| ()),
            to.read_all(&stable, Period::ALL).try_collect::<Vec<_>>().await.map(|_| ()),
        ];
        for answer in refused {
            assert!(
                matches!(&answer, Err(PortError::Invalid { message, .. }) if message.contains("ask for them by name")),
                "{answer:?}"
            );
        }
    }
}
