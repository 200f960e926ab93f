//! Reaches a coordinator: any of the list that answers.

use std::time::Duration;

use clap::Args;
use tdferry_proto::v1::admin_service_client::AdminServiceClient;
use tonic::transport::{Channel, Endpoint};

use crate::exit::{Exit, Failure};

/// Long enough for a coordinator across an ocean, short enough to try the next one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where the coordinators are.
#[derive(Debug, Clone, Args)]
pub(crate) struct RemoteArgs {
    /// Coordinators, any of which will do: URLs separated by commas
    #[arg(
        long = "coordinator",
        value_name = "URL[,URL…]",
        value_delimiter = ',',
        env = "TDFERRY_COORDINATORS",
        default_value = "http://127.0.0.1:7410"
    )]
    pub(crate) coordinators: Vec<String>,
}

/// A client of the first coordinator that answers.
pub(crate) async fn connect(args: &RemoteArgs) -> Result<AdminServiceClient<Channel>, Failure> {
    let mut tried = Vec::new();
    for url in &args.coordinators {
        let endpoint = Endpoint::from_shared(url.clone()).map_err(|_| {
            Failure::new(Exit::Usage, format!("--coordinator: {url:?} is no URL; write http://host:7410"))
        })?;
        match endpoint.connect_timeout(CONNECT_TIMEOUT).connect().await {
            Ok(channel) => return Ok(AdminServiceClient::new(channel)),
            Err(error) => tried.push(format!("{url} ({})", root_cause(&error))),
        }
    }
    let tried = tried.join(", ");
    Err(Failure::new(
        Exit::Cluster,
        format!(
            "no coordinator answers: {tried}; start one with `tdferry coordinator`, or name yours with --coordinator"
        ),
    ))
}

/// The innermost error says what happened; the outer ones say that something did.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
