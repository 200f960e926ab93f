//! What a task changes on the way: names, tags, columns, the unit of time. Everything else arrives as it is.

use tdferry_common::batch::Value;
use tdferry_common::id::ShardId;
use tdferry_common::options::OptionValue;
use tdferry_common::schema::{Column, DataType, Stable};
use tdferry_common::shard::{Density, Shard, ShardKind, ShardState};
use tdferry_common::testing::{MemDatabase, MemTable, Recipe, assert_same, column};
use tdferry_common::time::Precision;

use crate::stage::Stage;

fn list(texts: &[&str]) -> OptionValue {
    OptionValue::List(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn staged(database: MemDatabase, options: &[(&str, OptionValue)]) -> Stage {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Stage::with_values(database, options.collect())
}

/// Schema, subtables and rows: every stable once by either way.
async fn copied(stage: &Stage) {
    stage.finish([stage.schema()]).await;
    let stables: Vec<String> = stage.source.held().stables.into_keys().collect();
    let places = |kind: fn(u32) -> ShardKind| {
        let place = |(group, stable): (u32, &String)| stage.place(stable, group, kind(group));
        (0_u32..).zip(&stables).map(place).collect::<Vec<_>>()
    };
    stage.finish(places(|_| ShardKind::Create)).await;
    let by_turns = |group| ShardKind::Copy(if group % 2 == 0 { Density::Dense } else { Density::Sparse });
    stage.finish(places(by_turns)).await;
    stage.finish([stage.place("", 99, ShardKind::Copy(Density::Dense))]).await;
    for (id, place) in &stage.coordinator.state().shards {
        assert_eq!(place.shard.state, ShardState::Done, "{id:?}: {}", stage.coordinator.failure(id));
    }
}

/// A database of which all is renamed by a rule of the test's own.
fn renamed(
    database: &MemDatabase,
    stable: impl Fn(&str) -> String,
    table: impl Fn(&MemTable, &str) -> String,
    column: impl Fn(&str) -> String,
) -> MemDatabase {
    let columns = |columns: &[Column]| {
        columns.iter().map(|one| Column { name: column(&one.name), ..one.clone() }).collect::<Vec<_>>()
    };
    let stables = database.stables.values().map(|one| Stable {
        name: stable(&one.name),
        columns: columns(&one.columns),
        tags: columns(&one.tags),
    });
    let tables = database.tables.iter().map(|(name, one)| {
        let mapped = MemTable {
            stable: one.stable.as_deref().map(&stable),
            columns: columns(&one.columns).into(),
            ..one.clone()
        };
        (table(one, name), mapped)
    });
    MemDatabase {
        database: database.database.clone(),
        stables: stables.map(|one| (one.name.clone(), one)).collect(),
        tables: tables.collect(),
    }
}

#[tokio::test(start_paused = true)]
async fn every_name_changes_and_every_cell_stays() {
    let transforms = list(&[
        "rename-table:prefix:n_",
        "rename-child-table:template:{stable} {name}",
        "rename-super-table:replace_with_regex:e::E",
        "rename-column:suffix:_c",
        "add-tag:from=here",
    ]);
    let stage = staged(Recipe::small(61).make(), &[("transforms", transforms)]);
    copied(&stage).await;
    let stable = |name: &str| format!("n_{name}").replace('e', "E");
    let table = |one: &MemTable, name: &str| match &one.stable {
        Some(stable) => format!("{stable} n_{name}"),
        None => format!("n_{name}"),
    };
    let mut wanted = renamed(&stage.source.held(), stable, table, |name| format!("{name}_c"));
    let tag = Column { name: "from".into(), data_type: DataType::Binary, length: 64 };
    wanted.stables.values_mut().for_each(|stable| stable.tags.push(tag.clone()));
    let subtables = wanted.tables.values_mut().filter(|table| table.stable.is_some());
    subtables.for_each(|table| table.tags.push(Value::Binary(b"here".to_vec())));
    assert_same(&wanted, &stage.sink.held());
}

#[tokio::test(start_paused = true)]
async fn columns_left_out_are_not_there_and_the_timestamp_always_is() {
    let columns = list(&["meters.current", "!sensors.*", "!n000.v*"]);
    let stage = staged(
        Recipe { every_type: false, odd_names: false, ..Recipe::small(62) }.make(),
        &[("columns", columns)],
    );
    copied(&stage).await;
    let (source, sink) = (stage.source.held(), stage.sink.held());
    let names = |columns: &[Column]| columns.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&sink.stables["meters"].columns), ["ts", "current"]);
    assert_eq!(names(&sink.stables["sensors"].columns), ["ts"]);
    assert_eq!(names(&sink.tables["n000"].columns), ["ts", "current", "phase"]);
    assert_eq!(sink.tables["n001"], source.tables["n001"]);
    let at = source.stables["meters"].columns.iter().position(|one| one.name == "current").unwrap();
    for (name, table) in source.subtables_of("meters") {
        let wanted: Vec<_> = table.rows.values().map(|row| vec![row[0].clone(), row[at].clone()]).collect();
        assert_eq!(sink.tables[name].rows.values().cloned().collect::<Vec<_>>(), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_column_that_the_source_does_not_have_is_named() {
    let stage = staged(Recipe::small(63).make(), &[("columns", list(&["meters.volts"]))]);
    stage.finish([stage.schema()]).await;
    let failure = stage.coordinator.failure(&ShardId::schema());
    assert!(failure.contains("option `columns`: `meters` has no column `volts`"), "{failure}");
}

/// A timestamp column beside the first, and moments of every kind.
fn moments(precision: Precision, units: &[i64]) -> MemDatabase {
    let mut database = MemDatabase::new("source", precision);
    let columns = vec![
        column("ts", DataType::Timestamp),
        column("n", DataType::BigInt),
        column("at", DataType::Timestamp),
    ];
    let tags = vec![column("made", DataType::Timestamp)];
    database.add_stable(Stable { name: "events".into(), columns: columns.clone(), tags });
    database.add_subtable("events", "e1", vec![Value::Timestamp(-7_001)]);
    database.add_subtable("events", "e2", vec![Value::Null]);
    database.add_normal_table("plain", columns);
    for (n, at) in (0_i64..).zip(units) {
        for (table, later) in [("e1", 0), ("e2", 1), ("plain", 2)] {
            let row = vec![Value::Timestamp(at + later), Value::Int(n), Value::Timestamp(at - 1)];
            database.put_row(table, row);
        }
    }
    database
}

fn told(precision: Precision) -> OptionValue {
    OptionValue::text(precision.as_str())
}

/// What a database holds in another unit; of rows that fall together the last.
fn in_precision(database: &MemDatabase, to: Precision) -> MemDatabase {
    let from = database.database.precision;
    let change = |value: &Value| match value {
        Value::Timestamp(units) => Value::Timestamp(from.convert(*units, to).unwrap()),
        other => other.clone(),
    };
    let mut changed = database.clone();
    changed.database.precision = to;
    for table in changed.tables.values_mut() {
        table.tags = table.tags.iter().map(change).collect();
        let rows = table.rows.values().map(|row| row.iter().map(change).collect::<Vec<_>>());
        table.rows = rows
            .filter_map(|row| match row[0] {
                Value::Timestamp(units) => Some((units, row)),
                _ => None,
            })
            .collect();
    }
    changed
}

#[tokio::test(start_paused = true)]
async fn a_finer_unit_of_time_loses_nothing() {
    for sparse in [false, true] {
        let source = moments(Precision::Milli, &[1_000, 1_001, 5_000_000, 1_600_000_000_000]);
        let stage = staged(source, &[("precision", told(Precision::Nano))]);
        stage.finish([stage.schema()]).await;
        stage.finish([stage.place("events", 5, ShardKind::Create)]).await;
        let mut place =
            stage.place("events", 0, ShardKind::Copy(if sparse { Density::Sparse } else { Density::Dense }));
        place.shard.period.to = i64::MAX;
        let mut normal = stage.place("", 1, ShardKind::Copy(Density::Dense));
        normal.shard.period.to = i64::MAX;
        stage.finish([place, normal]).await;
        assert_same(&in_precision(&stage.source.held(), Precision::Nano), &stage.sink.held());
    }
}

#[tokio::test(start_paused = true)]
async fn a_coarser_unit_is_refused_unless_it_is_declared_and_then_keeps_the_last_of_each_moment() {
    let units: Vec<i64> = (0..6_000).map(|n| 1_600_000_000_000 + n * 400).collect();
    for density in [Density::Dense, Density::Sparse] {
        let milli = ("precision", told(Precision::Milli));
        let stage = staged(moments(Precision::Micro, &units), std::slice::from_ref(&milli));
        stage.finish([stage.schema()]).await;
        let failure = stage.coordinator.failure(&ShardId::schema());
        assert!(failure.contains("precision-loss=truncate"), "{failure}");

        let text = OptionValue::text;
        let declared = [milli, ("precision-loss", text("truncate")), ("verify", text("digest"))];
        let stage = staged(moments(Precision::Micro, &units), &declared);
        stage.finish([stage.schema()]).await;
        stage.finish([stage.place("events", 5, ShardKind::Create)]).await;
        let copies = [
            stage.place("events", 0, ShardKind::Copy(density)),
            stage.place("", 1, ShardKind::Copy(Density::Dense)),
        ];
        let ids: Vec<_> = copies.iter().map(|place| place.shard.id.clone()).collect();
        stage.finish(copies).await;
        let wanted = in_precision(&stage.source.held(), Precision::Milli);
        assert_same(&wanted, &stage.sink.held());
        let totals = stage.coordinator.shard(&ids[0]).checkpoint.totals;
        let left: usize = wanted.subtables_of("events").map(|(_, table)| table.rows.len()).sum();
        assert_eq!((totals.read, totals.source_counted), (left as u64, left as u64), "{totals:?}");
        assert!(left < units.len(), "some fall together");
        let raw: usize = stage.source.held().subtables_of("events").map(|(_, table)| table.rows.len()).sum();
        assert_eq!(totals.merged, (raw - left) as u64, "none of them is hidden");
        // compared with the same rows in mind: neither by the sum nor row by row is there a false alarm
        for expected in [stage.coordinator.shard(&ids[0]).checkpoint.sum, None] {
            let mut verify = stage.place("events", 0, ShardKind::Verify(density));
            let round = u32::from(expected.is_none());
            verify.shard = Shard { expected, round, id: verify.shard.id.verify(round), ..verify.shard };
            let id = verify.shard.id.clone();
            stage.finish([verify]).await;
            assert_eq!(stage.coordinator.shard(&id).state, ShardState::Done, "{expected:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_tables_that_would_become_one_are_both_named_before_anything_is_planned() {
    let mut database = Recipe::meters(64, (2, 3), (0, 0)).make();
    database.add_normal_table("D0001", vec![column("ts", DataType::Timestamp), column("v", DataType::Int)]);
    let lower = list(&["rename-table:replace_with_regex:[dD]::x"]);
    let stage = staged(database, &[("transforms", lower)]);
    stage.finish([stage.survey()]).await;
    let failure = stage.coordinator.failure(&ShardId::survey());
    assert!(failure.contains("`d0001` and `D0001` would both be `x0001` at the target"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_dot_is_refused_at_the_survey_unless_the_task_says_what_stands_for_it() {
    let mut database = Recipe::meters(65, (2, 3), (0, 0)).make();
    database.add_subtable("meters", "a.b", vec![Value::Null; database.stables["meters"].tags.len()]);
    let stage = staged(database.clone(), &[]);
    stage.finish([stage.survey()]).await;
    let failure = stage.coordinator.failure(&ShardId::survey());
    assert!(failure.contains("table `a.b` has a dot") && failure.contains("dots=_"), "{failure}");
    let stage = staged(database, &[("dots", OptionValue::text("_"))]);
    stage.finish([stage.schema()]).await;
    stage.finish([stage.place("meters", 0, ShardKind::Create)]).await;
    assert!(stage.sink.held().tables.contains_key("a_b"));
}
