//! The services on connections of whatever kind: sockets, simulated ones, or pipes inside of the process.
//!
//! It knows nothing of what the services answer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::service::Routes;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Server};
use tower::service_fn;

/// A peer that does not answer a ping for this long is gone: its streams end and their work is free again.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Streams of one connection: a worker needs a handful, a page one for each task it watches.
const MAX_STREAMS: u32 = 1_024;
/// After it was asked to stop a server waits this long for streams that have no end of their own.
const GRACE: Duration = Duration::from_secs(2);
/// Bytes under way in a connection inside of the process.
const PIPE_BYTES: usize = 256 * 1024;

/// Serving ended before it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("the coordinator could not serve: {0}; leases and offsets are kept in the store, start it again")]
pub struct ServeError(#[from] tonic::transport::Error);

/// Serves connections until `stop` returns; requests under way are answered first, watchers are cut off.
pub async fn serve<C, E>(
    routes: Routes,
    incoming: impl Stream<Item = Result<C, E>>,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (asked, heard) = oneshot::channel();
    let stop = async {
        stop.await;
        let _ = asked.send(());
    };
    let grace = async {
        match heard.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_concurrent_streams(Some(MAX_STREAMS))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming.map(|connection| connection.map(Connection)), stop);
    tokio::select! {
        done = served => Ok(done?),
        () = grace => Ok(()),
    }
}

/// A channel to the services without a socket: the same bytes on a pipe. It ends with its last clone.
pub(crate) fn in_memory(routes: Routes) -> Channel {
    let (pipes, incoming) = mpsc::unbounded_channel::<Result<DuplexStream, Infallible>>();
    tokio::spawn(serve(routes, UnboundedReceiverStream::new(incoming), std::future::pending()));
    let connect = service_fn(move |_: tonic::codegen::http::Uri| {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let sent = pipes.send(Ok(theirs));
        async move {
            sent.map(|()| TokioIo::new(ours))
                .map_err(|_| std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
        }
    });
    Endpoint::from_static("http://coordinator.in-memory").connect_with_connector_lazy(connect)
}

/// A connection whose other end is of no interest.
struct Connection<C>(C);

impl<C> Connected for Connection<C> {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl<C: AsyncRead + Unpin> AsyncRead for Connection<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Connection<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
