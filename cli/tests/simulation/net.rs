//! The simulated network as tonic sees it: channels that connect through it, connections that arrive from it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::Stream;
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;
use turmoil::net::{TcpListener, TcpStream};

/// One port does for all: each host serves one thing.
pub(crate) const PORT: u16 = 7410;

/// For how long a connection remembers a stream that it gave up. It measures that by the machine's clock, and the order
/// in which the others end follows from it: so longer than any simulation takes.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// A channel of the kind that production makes, over the simulated network.
pub(crate) fn channel(endpoint: Endpoint) -> Channel {
    endpoint.http2_reset_stream_duration(REMEMBERED).connect_with_connector_lazy(service_fn(
        |to: Uri| async move {
            let host = to.host().unwrap_or_default().to_owned();
            TcpStream::connect((host, PORT)).await.map(TokioIo::new)
        },
    ))
}

/// A peer that died without a word is found out within two requests' time, as the store's real client does it.
pub(crate) fn to_store(request: Duration) -> Channel {
    let endpoint = Endpoint::from_static("http://store:7410")
        .connect_timeout(request)
        .http2_keep_alive_interval(request)
        .keep_alive_timeout(request)
        .keep_alive_while_idle(true);
    channel(endpoint)
}

/// Connections that arrive at this host, and from which host each comes.
pub(crate) async fn listen() -> io::Result<impl Stream<Item = io::Result<(TcpStream, String)>>> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    Ok(futures_util::stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await;
        let named = |from: SocketAddr| turmoil::reverse_lookup(from.ip()).unwrap_or_default();
        Some((accepted.map(|(stream, from)| (stream, named(from))), listener))
    }))
}
