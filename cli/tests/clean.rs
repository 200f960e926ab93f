//! No false alarm and no miss: databases made from seeds are copied and compared by digest, which must find nothing;
//! then one bit of one cell is changed in each, which must be found and nothing else.
//!
//! `TDFERRY_CLEAN=1000` runs so many databases; without it a few.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tdferry_cli::run::Cluster;
use tdferry_common::batch::Value;
use tdferry_common::options::OptionValue;
use tdferry_common::port::{Connector, PortResult, Sink, Source};
use tdferry_common::spec::{Spec, TaskKind};
use tdferry_common::testing::{MemConnector, MemDatabase, MemServer, Recipe};
use tdferry_common::time::Precision;
use tdferry_common::timing::Timing;
use tdferry_proto::v1::{self, admin_service_client::AdminServiceClient};
use tonic::transport::Channel;

/// Databases without further words.
const FEW: u64 = 40;
/// Tasks that run at the same time.
const TOGETHER: usize = 8;
/// Longer than any batch takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two servers for every name of a task, up to its dash.
#[derive(Default)]
struct Many(Mutex<BTreeMap<String, MemConnector>>);

impl Many {
    fn of(&self, name: &str) -> MemConnector {
        let place = name.split_once('-').map_or(name, |(_, place)| place);
        self.0.lock().unwrap()[place].clone()
    }
}

#[async_trait]
impl Connector for Many {
    async fn source(&self, spec: &Spec) -> PortResult<Arc<dyn Source>> {
        self.of(&spec.name.to_string()).source(spec).await
    }

    async fn sink(&self, spec: &Spec) -> PortResult<Arc<dyn Sink>> {
        self.of(&spec.name.to_string()).sink(spec).await
    }
}

fn recipe(seed: u64) -> Recipe {
    let mut rng = StdRng::seed_from_u64(seed);
    let precisions = [Precision::Milli, Precision::Micro, Precision::Nano];
    Recipe {
        precision: *precisions.choose(&mut rng).unwrap(),
        dense: (rng.random_range(0..5), rng.random_range(0..300)),
        sparse: (rng.random_range(0..80), rng.random_range(0..6)),
        normal: (rng.random_range(0..4), rng.random_range(1..40)),
        null_per_mille: rng.random_range(0..500),
        ..Recipe::small(seed)
    }
}

fn spec(name: &str, seed: u64, options: &[(&str, &str)]) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all: BTreeMap<String, OptionValue> =
        options.iter().map(|(key, value)| ((*key).to_owned(), OptionValue::text(*value))).collect();
    if let Some(how) = [None, Some("true"), Some("false")].choose(&mut rng).unwrap() {
        all.insert("select-from-stable".into(), OptionValue::text(*how));
    }
    let (from, to) = ("taos+ws://old:6041/source", "taos+ws://new:6041/target");
    Spec::build(name, TaskKind::TDengine2, from, to, &all).unwrap().to_json().unwrap()
}

/// Runs tasks together to their ends.
async fn ended(admin: &mut AdminServiceClient<Channel>, specs: Vec<(String, String)>) -> Vec<v1::TaskView> {
    for (_, spec) in &specs {
        let request = v1::CreateTaskRequest { spec: spec.clone(), allow_memory_secrets: false };
        admin.create_task(request).await.unwrap();
    }
    let mut tasks = Vec::new();
    for (name, _) in specs {
        let request = v1::WatchTaskRequest { name: name.clone() };
        let mut updates = admin.watch_task(request).await.unwrap().into_inner();
        let last = tokio::time::timeout(PATIENCE, async {
            let mut last = None;
            while let Some(update) = updates.message().await.unwrap() {
                last = update.task;
            }
            last.unwrap()
        });
        tasks.push(last.await.expect("it ends in time"));
        admin.delete_task(v1::DeleteTaskRequest { name }).await.unwrap();
    }
    tasks
}

/// Changes one bit of one cell that is not NULL; where there is none, nothing.
fn damage(held: &mut MemDatabase, rng: &mut StdRng) -> bool {
    let cells: Vec<(String, i64, usize)> = held
        .tables
        .iter()
        .flat_map(|(name, table)| table.rows.iter().map(move |(ts, row)| (name, *ts, row)))
        .flat_map(|(name, ts, row)| {
            let whole = row.iter().enumerate().skip(1).filter(|(_, value)| **value != Value::Null);
            whole.map(move |(col, _)| (name.clone(), ts, col)).collect::<Vec<_>>()
        })
        .collect();
    let Some((table, ts, col)) = cells.choose(rng) else { return false };
    let row = held.tables.get_mut(table).unwrap().rows.get_mut(ts).unwrap();
    row[*col] = other(&row[*col]);
    true
}

fn other(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(value) => Value::Bool(!value),
        Value::Int(value) => Value::Int(value ^ 1),
        Value::UInt(value) => Value::UInt(value ^ 1),
        Value::Float(value) => Value::Float(f32::from_bits(value.to_bits() ^ 1)),
        Value::Double(value) => Value::Double(f64::from_bits(value.to_bits() ^ 1)),
        Value::Timestamp(value) => Value::Timestamp(value ^ 1),
        Value::Binary(bytes) if bytes.is_empty() => Value::Null,
        Value::Binary(bytes) => Value::Binary(bytes[..bytes.len() - 1].to_vec()),
        Value::Nchar(text) if text.is_empty() => Value::Null,
        Value::Nchar(text) => Value::Nchar(text.chars().skip(1).collect()),
        Value::Json(_) => Value::Null,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_copy_never_differs_and_one_changed_bit_always_does() {
    let databases = std::env::var("TDFERRY_CLEAN").map_or(FEW, |text| text.parse().unwrap());
    let many = Arc::new(Many::default());
    let folder = tempfile::tempdir().unwrap();
    let mut cluster =
        Cluster::open(folder.path(), Timing::from_heartbeat(Duration::from_millis(500))).await.unwrap();
    cluster.start_worker(Arc::clone(&many) as Arc<dyn Connector>, 8).await;
    let mut admin = cluster.admin().await;
    let (mut rows, mut damaged) = (0, 0);
    for seeds in (0..databases).collect::<Vec<_>>().chunks(TOGETHER) {
        for seed in seeds {
            let source = MemServer::source(recipe(*seed).make());
            let pair = MemConnector::new(source, MemServer::sink());
            many.0.lock().unwrap().insert(seed.to_string(), pair);
        }
        let named = |word: &str, options: &[(&str, &str)]| -> Vec<(String, String)> {
            let one = |seed: &u64| (format!("{word}-{seed}"), *seed);
            seeds.iter().map(one).map(|(name, seed)| (name.clone(), spec(&name, seed, options))).collect()
        };
        for task in ended(&mut admin, named("copy", &[("verify", "digest")])).await {
            let progress = task.progress.unwrap();
            assert_eq!(task.state, "completed", "a false alarm: {} {}", task.name, task.reason);
            assert_eq!(progress.rows_verified, progress.totals.unwrap().written, "{}", task.name);
            rows += progress.rows_verified;
        }
        for task in ended(&mut admin, named("clean", &[("mode", "verify")])).await {
            assert_eq!(task.state, "completed", "a false alarm: {} {}", task.name, task.reason);
        }
        let mut hurt = BTreeMap::new();
        for seed in seeds {
            let mut rng = StdRng::seed_from_u64(*seed);
            let sink = many.of(&format!("of-{seed}")).sink;
            hurt.insert(format!("hurt-{seed}"), sink.change(|held| damage(held, &mut rng)));
        }
        for task in ended(&mut admin, named("hurt", &[("mode", "verify")])).await {
            let found = task.progress.unwrap().totals.unwrap().differing.unwrap_or_default();
            let (state, wanted) = if hurt[&task.name] { ("differs", 1) } else { ("completed", 0) };
            assert_eq!(
                (task.state.as_str(), found.changed),
                (state, wanted),
                "{} {}",
                task.name,
                task.reason
            );
            assert_eq!((found.tables, found.missing, found.extra), (wanted, 0, 0), "{}", task.name);
            damaged += wanted;
        }
        let mut held = many.0.lock().unwrap();
        seeds.iter().for_each(|seed| drop(held.remove(&seed.to_string())));
    }
    cluster.close().await;
    println!(
        "{databases} databases, {rows} rows compared, no false alarm; {damaged} of {damaged} changed bits found"
    );
    assert!(damaged * 10 > databases * 9, "most databases have a cell to change");
}
