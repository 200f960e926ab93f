//! `tdferry standin`: an in-memory TDengine server to try tdferry against.

use std::net::SocketAddr;

use clap::Args;
use tdferry_common::shutdown::{stop_on_signals, stop_pair};
use tdferry_common::telemetry::LogConfig;
use tdferry_standin::{Flavor, RunOptions, Server, SinkMode, run_until};

use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Serves until it is stopped; its rows live in memory or are computed, nothing is stored.
///
/// Example: tdferry standin --flavor 2.6 --listen 127.0.0.1:6041 --seed meters:1000x10000
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct StandinArgs {
    /// Which line of servers it behaves like: 2.6 or 3
    #[arg(long, value_parser = flavor)]
    flavor: Flavor,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:6041")]
    listen: SocketAddr,
    /// Smart meters to begin with: meters:SUBTABLESxROWS, one row a second; /100 behind it for one every 100 ms
    #[arg(long)]
    seed: Option<String>,
    /// What is kept of written rows: keep (all) or digest (counts and sums, for any size; they cannot be read back)
    #[arg(long, value_parser = sink, default_value = "keep")]
    sink: SinkMode,
}

fn flavor(text: &str) -> Result<Flavor, String> {
    match text {
        "2.6" | "2" => Ok(Flavor::V26),
        "3" | "3.x" => Ok(Flavor::V3),
        _ => Err("write 2.6 or 3".into()),
    }
}

fn sink(text: &str) -> Result<SinkMode, String> {
    match text {
        "keep" => Ok(SinkMode::Keep),
        "digest" => Ok(SinkMode::Digest),
        _ => Err("write keep or digest".into()),
    }
}

pub(crate) async fn standin(args: StandinArgs, log: &LogConfig) -> Outcome {
    log.install().map_err(|error| Failure::new(Exit::Usage, error))?;
    let (stopper, token) = stop_pair();
    tokio::spawn(stop_on_signals(stopper));
    let StandinArgs { flavor, listen, seed, sink } = args;
    let options = RunOptions { flavor, listen, seed, sink };
    let ready =
        |server: &Server| output::say(&format!("listening on ws://{}; stop it with ctrl-c", server.addr()));
    run_until(options, ready, async move { token.stopping().await })
        .await
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(Exit::Complete)
}
