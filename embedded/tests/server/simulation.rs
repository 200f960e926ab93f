//! The server in a simulated network: the ordinary client over simulated TCP, a host that crashes and
//! comes back on what it had stored, and the same run twice for the same seed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use etcd_client::{Client, Compare, CompareOp, Txn, TxnOp};
use hyper_util::rt::TokioIo;
use tdferry_embedded::{Embedded, MemoryStorage, Options};
use tonic::transport::{Endpoint, Uri};
use tower::service_fn;

const PORT: u16 = 2379;
const WRITES: i64 = 40;
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// A batch takes this long, so that the crash can fall between a change and its answer.
const DISK: Duration = Duration::from_millis(20);

type Trace = Arc<Mutex<Vec<String>>>;
type Failure = Box<dyn std::error::Error>;

async fn serve(storage: MemoryStorage) -> Result<(), Failure> {
    let store = Embedded::in_memory(storage, Options::seeded(5)).await?;
    let listener = turmoil::net::TcpListener::bind(("0.0.0.0", PORT)).await?;
    let incoming = futures_util::stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    store.serve(incoming).await?;
    Ok(())
}

async fn connect() -> Result<Client, Failure> {
    let connector = service_fn(|_: Uri| async {
        turmoil::net::TcpStream::connect(("store", PORT)).await.map(TokioIo::new)
    });
    let endpoint = Endpoint::from_static("http://store:2379").timeout(ANSWER_WITHIN);
    let channel = endpoint.connect_with_connector_lazy(connector);
    Ok(Client::from_channel(etcd_client::Channel::Tonic(channel), None).await?)
}

/// Counts up under a guard; an answer that got lost is found out by asking again.
async fn count_up(trace: Trace) -> Result<(), Failure> {
    let mut client = connect().await?;
    let mut value = 0;
    while value < WRITES {
        let next = value + 1;
        let guard = if value == 0 {
            Compare::version("n", CompareOp::Equal, 0)
        } else {
            Compare::value("n", CompareOp::Equal, value.to_string())
        };
        let txn = Txn::new()
            .when([guard])
            .and_then([TxnOp::put("n", next.to_string(), None)])
            .or_else([TxnOp::get("n", None)]);
        let answer = client.txn(txn).await;
        let line = match &answer {
            Ok(done) => {
                format!("{next}: {} at {}", done.succeeded(), done.header().map_or(0, |h| h.revision()))
            }
            Err(error) => format!("{next}: {error}"),
        };
        trace.lock().expect("lock").push(format!("{:?} {line}", turmoil::elapsed()));
        match answer {
            Ok(_) => value = next,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    let got = client.get("n", None).await?;
    assert_eq!(got.kvs()[0].version(), WRITES, "every write happened once, whatever was lost");
    Ok(())
}

fn run(seed: u64) -> Vec<String> {
    let storage = MemoryStorage::new().with_latency(DISK);
    let trace = Trace::default();
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(seed)
        .simulation_duration(Duration::from_secs(120))
        .tick_duration(Duration::from_millis(5));
    let mut sim = builder.build();
    sim.host("store", move || serve(storage.clone()));
    sim.client("writer", count_up(Arc::clone(&trace)));
    for step in 0..24_000 {
        if step % 100 == 57 && step < 1000 {
            sim.crash("store");
        }
        if step % 100 == 77 && step < 1000 {
            sim.bounce("store");
        }
        if sim.step().expect("the simulation goes on") {
            let trace = trace.lock().expect("lock").clone();
            return trace;
        }
    }
    panic!("the writer did not finish: {:?}", trace.lock().expect("lock"));
}

#[test]
fn crashes_lose_nothing_and_a_seed_repeats_itself() {
    let first = run(1);
    assert!(first.iter().any(|line| !line.contains("true")), "no crash was noticed: {first:?}");
    assert_eq!(first, run(1), "the same seed went another way");
    assert_ne!(first, run(2), "another seed has other latencies");
}
