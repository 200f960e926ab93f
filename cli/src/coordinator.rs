//! `tdferry coordinator`: one coordinator as a process.

use std::path::PathBuf;

use clap::Args;
use futures_util::{Stream, StreamExt};
use tdferry_common::clock::Clock;
use tdferry_common::config::{self, CoordinatorConfig, Layers, StoreLocation};
use tdferry_common::secret::{SecretValue, Secrets};
use tdferry_common::shutdown::{stop_on_signals, stop_pair};
use tdferry_common::telemetry::LogConfig;
use tdferry_common::timing::Timing;
use tdferry_coordinator::connect::{Endpoints, StoreClient, Tls, connect};
use tdferry_coordinator::{Coordinator, Deps};
use tdferry_embedded::Embedded;
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;

use crate::entropy::seed;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::run::store_file;

/// Plans tasks, hands out leases, keeps every offset. Run as many as you like: all are alike.
///
/// Examples:
///   tdferry coordinator --listen 0.0.0.0:7410 --store etcd://e1:2379,e2:2379,e3:2379
///   tdferry coordinator --store /var/lib/tdferry        (stands alone, keeps everything in this folder)
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CoordinatorArgs {
    /// Address and port to listen on [default: 127.0.0.1:7410]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where everything is kept: etcd://HOST:PORT[,…], or a folder [default: etcd://127.0.0.1:2379]
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// A configuration file (TOML); flags and TDFERRY_… variables go over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How often workers report, such as 5s; all other times follow from it
    #[arg(long, value_name = "LENGTH")]
    heartbeat: Option<String>,
}

fn configured(args: &CoordinatorArgs) -> Result<CoordinatorConfig, Failure> {
    let usage = |error| Failure::new(Exit::Usage, error);
    let file = args.config.as_deref().map(config::read_file).transpose().map_err(usage)?;
    let flags = [("listen", &args.listen), ("store", &args.store), ("heartbeat", &args.heartbeat)];
    let flags: Vec<_> = flags.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect();
    let env = |name: &str| std::env::var(name).ok();
    config::load(&Layers { file: file.as_ref(), env: &env, flags: &flags }).map_err(usage)
}

pub(crate) async fn coordinator(args: CoordinatorArgs, log: &LogConfig) -> Outcome {
    let config = configured(&args)?;
    log.install().map_err(|error| Failure::new(Exit::Usage, error))?;
    let cluster = |error: String| Failure::new(Exit::Cluster, error);
    let address = config.listen_address().map_err(|error| Failure::new(Exit::Usage, error))?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::new(Exit::Usage, format!("--listen {address}: {error}")))?;
    let timing = Timing::from_heartbeat(config.heartbeat);
    let (client, embedded) = open_store(&config, &timing).await?;
    let id = config.advertise.clone().unwrap_or_else(|| config.listen.clone());
    let deps = Deps { client, clock: Clock::system(), timing, seed: seed(), id };
    let coordinator = Coordinator::start(deps).await.map_err(|error| cluster(error.to_string()))?;
    let (stopper, token) = stop_pair();
    tokio::spawn(stop_on_signals(stopper));
    let bound = listener.local_addr().unwrap_or(address);
    output::say(&format!("coordinator listening on {bound}, store {}", config.store));
    let stop = async move { token.stopping().await };
    let served = tokio::select! {
        served = coordinator.serve(connections(listener), stop) => served,
        cause = store_failed(embedded.as_ref()) => {
            return Err(cluster(format!("{cause}; put it right, then start the coordinator again")));
        }
    };
    if let Some(embedded) = embedded {
        embedded.close().await;
    }
    served.map_err(|error| cluster(error.to_string()))?;
    Ok(Exit::Complete)
}

/// Why the store in this process had to stop; never, if there is none.
async fn store_failed(embedded: Option<&Embedded>) -> String {
    match embedded {
        Some(embedded) => embedded.failed().await,
        None => std::future::pending().await,
    }
}

/// Connections as they come. Answers leave at once: a large one would else wait for the acknowledgement of its own
/// beginning, some 40 ms.
fn connections(listener: TcpListener) -> impl Stream<Item = std::io::Result<TcpStream>> {
    TcpListenerStream::new(listener).map(|accepted| {
        let stream = accepted?;
        stream.set_nodelay(true)?;
        Ok(stream)
    })
}

/// A client of the store, and the store itself where it runs in this process.
async fn open_store(
    config: &CoordinatorConfig,
    timing: &Timing,
) -> Result<(StoreClient, Option<Embedded>), Failure> {
    let cluster = |error: String| Failure::new(Exit::Cluster, error);
    match config.store_location().map_err(|error| Failure::new(Exit::Usage, error))? {
        StoreLocation::Folder(folder) => {
            let file = store_file(&folder)?;
            let embedded = Embedded::open(&file).await.map_err(|error| cluster(error.to_string()))?;
            let client = embedded.client().await.map_err(|error| cluster(error.to_string()))?;
            Ok((client, Some(embedded)))
        }
        StoreLocation::Etcd(members) => {
            let endpoints = endpoints(config, members)?;
            let client = connect(&endpoints, timing).await;
            Ok((client.map_err(|error| cluster(error.to_string()))?, None))
        }
    }
}

fn endpoints(config: &CoordinatorConfig, members: Vec<String>) -> Result<Endpoints, Failure> {
    let identity = config.store_cert.clone().zip(config.store_key.clone());
    let tls = (config.store_ca.is_some() || identity.is_some())
        .then(|| Tls { ca: config.store_ca.clone(), identity });
    let scheme = if tls.is_some() { "https" } else { "http" };
    let password = config.store_password.clone().map(SecretValue::Ref);
    let password = password.map(|password| Secrets::from_process().resolve(&password)).transpose();
    let password = password.map_err(|error| Failure::new(Exit::Usage, format!("store-password: {error}")))?;
    Ok(Endpoints {
        urls: members.iter().map(|member| format!("{scheme}://{member}")).collect(),
        user: config.store_user.clone().zip(password),
        tls,
    })
}
