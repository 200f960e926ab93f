//! Guarded transactions per second, in memory and in a file, with 1, 16 and 64 callers:
//! `cargo run --release -p tdferry-embedded --example throughput`

#![expect(clippy::print_stdout, reason = "a measurement is printed")]

use std::error::Error;
use std::time::Duration;

use etcd_client::{Client, Compare, CompareOp, Txn, TxnOp};
use tdferry_embedded::{Embedded, MemoryStorage, Options};
use tokio::time::Instant;

const CALLERS: [usize; 3] = [1, 16, 64];
const EACH: Duration = Duration::from_secs(2);
/// About the size of a shard's record.
const VALUE: usize = 200;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let memory = Embedded::in_memory(MemoryStorage::new(), Options::seeded(1)).await?;
    measure("memory", &memory).await?;
    let path = std::env::temp_dir().join(format!("throughput-{}.redb", std::process::id()));
    let file = Embedded::open(&path).await?;
    measure("file", &file).await?;
    file.close().await;
    std::fs::remove_file(path)?;
    Ok(())
}

async fn measure(name: &str, store: &Embedded) -> Result<(), Box<dyn Error>> {
    for callers in CALLERS {
        let until = Instant::now() + EACH;
        let mut running = Vec::new();
        for caller in 0..callers {
            running.push(tokio::spawn(commit_until(store.client().await?, format!("shard/{caller}"), until)));
        }
        let mut commits = 0.0;
        for caller in running {
            commits += caller.await??;
        }
        println!("{name}, {callers} callers: {:.0} guarded transactions/s", commits / EACH.as_secs_f64());
    }
    Ok(())
}

/// What a commit does: the record is replaced only if it still is as it was read.
async fn commit_until(mut client: Client, key: String, until: Instant) -> Result<f64, etcd_client::Error> {
    let mut seen =
        client.put(key.as_str(), vec![0; VALUE], None).await?.header().map_or(0, |header| header.revision());
    let mut commits = 0.0;
    while Instant::now() < until {
        let guard = Compare::mod_revision(key.as_str(), CompareOp::Equal, seen);
        let txn = Txn::new().when([guard]).and_then([TxnOp::put(key.as_str(), vec![1; VALUE], None)]);
        let done = client.txn(txn).await?;
        seen = done.header().map_or(seen, |header| header.revision());
        commits += f64::from(u8::from(done.succeeded()));
    }
    Ok(commits)
}
