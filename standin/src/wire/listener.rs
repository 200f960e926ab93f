//! Accepting connections, and letting only those paths through that the flavour has.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::quickack::QuickAck;
use super::session::Session;
use crate::config::Flavor;
use crate::exec::Engine;
use crate::fault::Faults;

/// The largest message taken: a raw block of wide rows stays far below.
const MAX_MESSAGE: usize = 256 << 20;

/// A listening server: its accepting task and all its sessions end with `stop`.
pub(crate) struct Listener {
    pub(crate) addr: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listener {
    pub(crate) async fn open(addr: SocketAddr, engine: Arc<Engine>, faults: Faults) -> std::io::Result<Self> {
        let socket = TcpListener::bind(addr).await?;
        let addr = socket.local_addr()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(accept(socket, engine, faults, stop.clone(), tasks.clone()));
        Ok(Self { addr, stop, tasks })
    }

    /// Closes the port and cuts every connection; answers are not waited for.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(
    socket: TcpListener,
    engine: Arc<Engine>,
    faults: Faults,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let serving = serve(stream, engine.clone(), faults.clone());
                let stop = stop.clone();
                tasks.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        served = serving => if let Err(error) = served {
                            tracing::debug!(%peer, %error, "connection ended");
                        }
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "accepting a connection failed"),
        }
    }
}

async fn serve(
    stream: TcpStream,
    engine: Arc<Engine>,
    faults: Faults,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let flavor = engine.flavor();
    let config = WebSocketConfig {
        max_message_size: Some(MAX_MESSAGE),
        max_frame_size: Some(MAX_MESSAGE),
        ..Default::default()
    };
    let stream = QuickAck::new(stream)?;
    #[expect(clippy::result_large_err, reason = "the shape of this callback is tungstenite's")]
    let gate = |request: &Request, response: Response| open_path(flavor, request.uri().path(), response);
    let socket = accept_hdr_async_with_config(stream, gate, Some(config)).await?;
    engine.counters.connection();
    Session::new(engine, faults).run(socket).await
}

/// 2.6 has `/rest/ws` alone, 3.x also `/ws`.
#[expect(clippy::result_large_err, reason = "the shape of this callback is tungstenite's")]
fn open_path(flavor: Flavor, path: &str, response: Response) -> Result<Response, ErrorResponse> {
    let open = path == "/rest/ws" || (path == "/ws" && flavor == Flavor::V3);
    if open {
        return Ok(response);
    }
    let mut refused = ErrorResponse::new(Some("404 page not found".to_owned()));
    *refused.status_mut() = StatusCode::NOT_FOUND;
    Err(refused)
}
