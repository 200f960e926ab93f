//! The handle an owner holds.

use std::path::Path;

use futures_util::Stream;
use rand::TryRngCore;
use rand::rngs::OsRng;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::BoxError;

use crate::durable::{MemoryStorage, RedbStorage, Storage};
use crate::engine::Engine;
use crate::error::Error;
use crate::options::Options;
use crate::serve;

/// A running server. Clones are the same server; it ends when it is closed, or when its handles,
/// clients and connections are all gone.
#[derive(Debug, Clone)]
pub struct Embedded {
    engine: Engine,
}

impl Embedded {
    /// Opens the file, or creates it; ids of a new store come from the operating system's randomness.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let seed = OsRng.try_next_u64().map_err(|error| Error::storage("make its ids", error))?;
        Self::open_with(RedbStorage::open(path).await?, Options::seeded(seed)).await
    }

    /// A server on a storage in memory, deterministic for a seed; open it again on a clone of the
    /// storage to play a crash.
    pub async fn in_memory(storage: MemoryStorage, options: Options) -> Result<Self, Error> {
        Self::open_with(storage, options).await
    }

    /// A server on any storage.
    pub async fn open_with(storage: impl Storage, options: Options) -> Result<Self, Error> {
        Ok(Self { engine: Engine::start(Box::new(storage), options).await? })
    }

    /// A client that reaches the server by function calls.
    pub async fn client(&self) -> Result<etcd_client::Client, Error> {
        etcd_client::Client::from_channel(self.channel(), None)
            .await
            .map_err(|error| Error::Serve { doing: "make a client", cause: error.to_string() })
    }

    /// The channel of such a client, for clients with options of their own.
    #[must_use]
    pub fn channel(&self) -> etcd_client::Channel {
        serve::channel(&self.engine)
    }

    /// Serves connections, of whatever kind, until the stream of them ends.
    pub async fn serve<I, C, E>(&self, incoming: I) -> Result<(), Error>
    where
        I: Stream<Item = Result<C, E>>,
        C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        E: Into<BoxError>,
    {
        serve::serve(&self.engine, incoming).await
    }

    /// Returns when the server had to stop because its storage failed, and says why; never if it is closed in order.
    /// It does not start again by itself: whoever owns it ends, and says so.
    pub async fn failed(&self) -> String {
        self.engine.failed().await
    }

    /// Ends the server after what was asked before; when it returns, file and lock are free.
    /// Clients and watches that are left get `Unavailable`.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}
