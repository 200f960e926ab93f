//! What `tdferry standin` runs: a server with its seed, until somebody says stop.

use std::future::Future;
use std::net::SocketAddr;

use crate::config::{Config, Flavor, SinkMode};
use crate::seed::{MetersSeed, SeedError, TortureSeed};
use crate::server::{Server, ServerError};

/// The options of the command.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Which generation to answer as.
    pub flavor: Flavor,
    /// Where to listen.
    pub listen: SocketAddr,
    /// `meters:SUBTABLESxROWS`, `demo` or `torture`, each with an optional `@database`.
    pub seed: Option<String>,
    /// What to keep of written rows.
    pub sink: SinkMode,
}

/// Why a stand-in could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Its seed could not be read or made.
    #[error(transparent)]
    Seed(#[from] SeedError),
}

/// Runs a server until the future ends; `ready` is told where it listens.
///
/// # Errors
/// If the seed is malformed or the address cannot be listened on.
pub async fn run_until(
    options: RunOptions,
    ready: impl FnOnce(&Server),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let RunOptions { flavor, listen, sink, .. } = options;
    let server = Server::start(Config { listen, sink, ..Config::new(flavor) }).await?;
    if let Some(seed) = &options.seed {
        plant(&server, seed)?;
    }
    ready(&server);
    shutdown.await;
    server.stop().await;
    Ok(())
}

fn plant(server: &Server, seed: &str) -> Result<(), SeedError> {
    let (what, database) = seed.split_once('@').map_or((seed, None), |(what, name)| (what, Some(name)));
    match what {
        "demo" => server.seed_demo(database.unwrap_or("power")),
        "torture" => server.seed_torture(&TortureSeed::new(database.unwrap_or("torture"))),
        _ => {
            let mut meters: MetersSeed = what.parse()?;
            if let Some(database) = database {
                database.clone_into(&mut meters.database);
            }
            server.seed_meters(&meters)
        }
    }
}
