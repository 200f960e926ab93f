//! The in-memory ports: they pass the suite that the real ones pass, and their faults fire as planned.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;

use super::conformance::Rig;
use super::*;
use crate::batch::{BlockBuilder, Value};
use crate::port::{PortError, Rows, Sink, Source, Tables};
use crate::time::{Period, Precision};

struct InMemory {
    sink: Arc<MemServer>,
}

impl InMemory {
    fn new() -> Self {
        let sink = MemServer::sink();
        sink.limit(|limits| limits.keep = Period { from: 1_500_000_000_000, to: i64::MAX });
        Self { sink }
    }
}

#[async_trait]
impl Rig for InMemory {
    async fn source(&self, held: &MemDatabase) -> Arc<dyn Source> {
        Arc::new(MemSource::new(MemServer::source(held.clone())))
    }

    async fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(MemSink::new(Arc::clone(&self.sink)))
    }

    async fn sunk(&self) -> MemDatabase {
        self.sink.held()
    }
}

crate::ports_conform!(in_memory_ports_conform, InMemory::new());

fn meters() -> MemDatabase {
    Recipe::meters(1, (2, 200), (5, 3)).make()
}

/// Copies everything through the ports, each call tried until it succeeds.
async fn copy(source: &MemSource, sink: &MemSink) {
    macro_rules! insist {
        ($call:expr) => {
            loop {
                match $call {
                    Ok(done) => break done,
                    Err(PortError::Away { .. } | PortError::TooLarge { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        };
    }
    insist!(sink.create_database("PRECISION 'ms'").await);
    for stable in insist!(source.stables().await) {
        insist!(sink.create_stable(&stable).await);
        let pages: Vec<_> = insist!(source.subtables(&stable.name, false).try_collect().await);
        let names: Vec<String> = pages.concat().into_iter().map(|one| one.name).collect();
        let tags = insist!(source.tags(&stable, &names).await);
        insist!(sink.create_subtables(&stable, &tags).await);
        for name in &names {
            let columns: Arc<[_]> = stable.columns.clone().into();
            let blocks: Vec<_> =
                insist!(source.read(name, Arc::clone(&columns), Period::ALL).try_collect().await);
            for block in blocks {
                insist!(sink.write(name, &block).await);
            }
        }
    }
}

#[test]
fn the_same_recipe_makes_the_same_database_and_another_seed_another() {
    assert_eq!(Recipe::small(1).make(), Recipe::small(1).make());
    assert_ne!(Recipe::small(1).make(), Recipe::small(2).make());
    let made = Recipe::small(1).make();
    assert!(made.tables.values().any(|table| table.rows.is_empty()), "some subtables are empty");
    assert!(made.tables.values().any(|table| table.rows.len() > 64), "some fill several blocks");
}

#[tokio::test(start_paused = true)]
async fn planned_faults_fire_within_their_budget_and_a_patient_copy_is_whole() {
    for seed in 0..20 {
        let (from, to) = (MemServer::source(meters()), MemServer::sink());
        from.set_faults(Some(FaultPlan::new(seed, 12, 300)));
        to.set_faults(Some(FaultPlan::new(seed + 1_000, 12, 300)));
        copy(&MemSource::new(Arc::clone(&from)), &MemSink::new(Arc::clone(&to))).await;
        assert_same(&from.held(), &to.held());
        for server in [&from, &to] {
            let fired: u64 = server.fired().values().sum();
            assert!((1..=12).contains(&fired), "seed {seed}: {fired} faults");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_replays_the_same_history() {
    let mut histories = Vec::new();
    for _ in 0..2 {
        let history = Arc::new(Mutex::new(Vec::new()));
        let (from, to) = (MemServer::source(meters()), MemServer::sink());
        for server in [&from, &to] {
            server.set_faults(Some(FaultPlan::new(5, 30, 200)));
            let history = Arc::clone(&history);
            server.on_event(Arc::new(move |event| history.lock().unwrap().push(event.clone())));
        }
        copy(&MemSource::new(from), &MemSink::new(to)).await;
        histories.push(history.lock().unwrap().clone());
    }
    assert!(histories[0].iter().any(|event| matches!(event, Event::Failed { .. })));
    assert_eq!(histories[0], histories[1]);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_fault_does_what_it_says() {
    let applied_and_answer = [
        (Fault::Before, false, "away"),
        (Fault::After, true, "away"),
        (Fault::Delay, true, "ok"),
        (Fault::Stall, false, "away"),
        (Fault::TooLarge, false, "too large"),
    ];
    for (fault, applied, wanted) in applied_and_answer {
        let mut held = MemDatabase::new("d", Precision::Milli);
        held.add_normal_table("t", vec![column("ts", crate::schema::DataType::Timestamp)]);
        let server = MemServer::sink();
        server.change(|database| *database = held.clone());
        server.set_faults(Some(FaultPlan::new(1, 1, 1_000).only(&[fault]).within(&[Call::Write])));
        let mut builder = BlockBuilder::new(Arc::clone(&held.tables["t"].columns), Precision::Milli);
        builder.push_row(&[Value::Timestamp(7)]).unwrap();
        let block = builder.finish().unwrap();
        let sink = MemSink::new(Arc::clone(&server));
        let before = tokio::time::Instant::now();
        let answer = match sink.write("t", &block).await {
            Ok(()) => "ok",
            Err(PortError::Away { .. }) => "away",
            Err(PortError::TooLarge { .. }) => "too large",
            Err(_) => "other",
        };
        assert_eq!((answer, server.held().row_count() == 1), (wanted, applied), "{fault:?}");
        assert_eq!(before.elapsed() >= Duration::from_secs(10), fault == Fault::Stall, "{fault:?}");
        assert_eq!(server.fired().into_iter().collect::<Vec<_>>(), [(fault, 1)]);
        assert!(sink.write("t", &block).await.is_ok(), "the budget is spent");
    }
}

#[tokio::test]
async fn a_cut_read_fails_after_some_rows_and_a_stopped_server_fails_every_call() {
    let server = MemServer::source(meters());
    server.set_faults(Some(FaultPlan::new(1, 1, 1_000).only(&[Fault::Cut]).within(&[Call::Read])));
    let source = MemSource::new(Arc::clone(&server));
    let columns = Arc::clone(&server.held().tables["d0000"].columns);
    let mut blocks = source.read("d0000", Arc::clone(&columns), Period::ALL);
    assert_eq!(blocks.try_next().await.unwrap().map(|block| block.rows()), Some(64));
    assert!(blocks.try_next().await.is_err());
    server.set_away(true);
    assert!(
        source.count(Tables::One { name: "d0000" }, Period::ALL).await.is_err_and(|error| error.is_away())
    );
    server.set_away(false);
    let whole: Vec<_> = source.read("d0000", columns, Period::ALL).try_collect().await.unwrap();
    assert_eq!(whole.iter().map(crate::batch::Block::rows).sum::<usize>(), 200);
    assert_eq!(server.counters().calls(Call::Read), 2);
}

#[tokio::test]
async fn a_read_whose_end_got_lost_gives_all_rows_and_then_fails() {
    let server = MemServer::source(meters());
    server.set_faults(Some(FaultPlan::new(1, 1, 1_000).only(&[Fault::After]).within(&[Call::Read])));
    let source = MemSource::new(Arc::clone(&server));
    let columns = Arc::clone(&server.held().tables["d0000"].columns);
    let mut blocks = source.read("d0000", columns, Period::ALL);
    let mut rows = 0;
    let end = loop {
        match blocks.try_next().await {
            Ok(Some(block)) => rows += block.rows(),
            end => break end.map(|_| ()),
        }
    };
    assert_eq!((rows, end.is_err()), (200, true));
}

#[tokio::test]
async fn what_production_changes_while_somebody_reads_shows_in_what_is_read_next() {
    let server = MemServer::source(meters());
    let source = MemSource::new(Arc::clone(&server));
    let stable = source.stables().await.unwrap().into_iter().find(|one| one.name == "meters").unwrap();
    let mut first = source.read_all(&stable, Period::ALL);
    assert!(first.try_next().await.unwrap().is_some());
    let late = i64::MAX - 1;
    server.change(|held| {
        held.add_column("meters", column("extra", crate::schema::DataType::Int));
        held.add_tag("meters", column("site", crate::schema::DataType::Int));
        held.set_tag("d0000", "site", Value::Int(7));
        let row = [Value::Timestamp(late), Value::Null, Value::Null, Value::Null, Value::Int(9)];
        held.put_row("d0000", row.to_vec());
        held.tables.remove("d0001");
    });
    let rest: Vec<_> = first.try_collect().await.unwrap();
    assert!(rest.iter().all(|part| part.block.columns().len() == 4), "an answer keeps its columns");
    let changed = source.stables().await.unwrap().into_iter().find(|one| one.name == "meters").unwrap();
    let tags = source.tags(&changed, &["d0000".into()]).await.unwrap();
    assert_eq!(tags[0].tags.last(), Some(&Value::Int(7)));
    let end = Period { from: late, to: i64::MAX };
    let parts: Vec<_> = source.read_all(&changed, end).try_collect().await.unwrap();
    assert_eq!(parts[0].block.cell(0, 4).to_value(), Value::Int(9));
    let old: Vec<_> =
        source.read_all(&changed, Period { to: late, ..Period::ALL }).try_collect().await.unwrap();
    assert!(old.iter().all(|part| part.block.cell(0, 4).to_value() == Value::Null));
    assert_eq!(source.newest(Tables::All { stable: "meters" }).await.unwrap(), Some(late));
    assert_eq!(source.census().await.unwrap().stables["meters"], 1);
}

#[tokio::test]
async fn rows_written_again_are_counted_as_such() {
    let (from, to) = (MemServer::source(meters()), MemServer::sink());
    let (source, sink) = (MemSource::new(Arc::clone(&from)), MemSink::new(Arc::clone(&to)));
    copy(&source, &sink).await;
    copy(&source, &sink).await;
    let rows = u64::try_from(from.held().row_count()).unwrap();
    assert_eq!((to.counters().rows_written(), to.counters().rows_again()), (2 * rows, rows));
}

#[test]
fn every_difference_is_told_by_name() {
    let held = Recipe::small(3).make();
    type Spoil = fn(&mut MemDatabase);
    let spoilt: [(&str, Spoil); 7] = [
        ("precision", |held| held.database.precision = Precision::Nano),
        ("stable \"meters\" is missing", |held| drop(held.stables.remove("meters"))),
        ("table \"d0001\" is missing", |held| drop(held.tables.remove("d0001"))),
        ("table \"extra\" should not be there", |held| held.add_normal_table("extra", vec![])),
        ("table \"d0001\": tags", |held| held.tables.get_mut("d0001").unwrap().tags[0] = Value::Int(99)),
        ("table \"d0001\": row 1600", |held| drop(held.tables.get_mut("d0001").unwrap().rows.pop_first())),
        ("table \"d0001\": row 1600", |held| {
            held.tables.get_mut("d0001").unwrap().rows.values_mut().next().unwrap()[1] =
                Value::Float(f32::NAN);
        }),
    ];
    assert_eq!(differences(&held, &held, Period::ALL, 5), Vec::<String>::new());
    for (wanted, spoil) in spoilt {
        let mut sink = held.clone();
        spoil(&mut sink);
        let told = differences(&held, &sink, Period::ALL, 5);
        assert!(told.len() == 1 && told[0].starts_with(wanted), "{wanted}: {told:?}");
    }
}
