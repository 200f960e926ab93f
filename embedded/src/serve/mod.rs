//! The server's face: gRPC services over the engine, reached through a channel without a socket or
//! through any stream of connections.

mod cluster;
mod io;
mod kv;
mod lease;
mod maintenance;
mod router;
mod size;
mod watch;

use etcd_client::proto::{PbClusterServer, PbKvServer, PbLeaseServer, PbMaintenanceServer, PbWatchServer};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt};

use crate::engine::Engine;
use crate::error::Error;
use io::Connection;
use router::Router;
use size::DECODE_LIMIT;

/// The engine behind etcd's services.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    engine: Engine,
}

/// A channel that is a function call.
pub(crate) fn channel(engine: &Engine) -> etcd_client::Channel {
    let service = router(engine).map_err(BoxError::from);
    etcd_client::Channel::Custom(BoxCloneSyncService::new(service))
}

/// Serves connections until the stream of them ends.
pub(crate) async fn serve<I, C, E>(engine: &Engine, incoming: I) -> Result<(), Error>
where
    I: Stream<Item = Result<C, E>>,
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Into<BoxError>,
{
    tonic::transport::Server::builder()
        .serve_with_incoming(router(engine), incoming.map(|io| io.map(Connection)))
        .await
        .map_err(|error| Error::Serve { doing: "serve connections", cause: error.to_string() })
}

fn router(engine: &Engine) -> Router {
    let services = Services { engine: engine.clone() };
    let routes = Routes::new(PbKvServer::new(services.clone()).max_decoding_message_size(DECODE_LIMIT))
        .add_service(PbLeaseServer::new(services.clone()))
        .add_service(PbWatchServer::new(services.clone()))
        .add_service(PbMaintenanceServer::new(services.clone()))
        .add_service(PbClusterServer::new(services));
    Router::new(routes.prepare())
}
