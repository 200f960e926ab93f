//! Connections to one server: bounded, reused while they are good, thrown away after any doubt.
//!
//! A connection counts as open until the last call that uses it has ended, even one that nobody waits for any
//! more: calls of the native client cannot be cancelled, so those that hang must count against the bound.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use taos::AsyncTBuilder;
use tokio::sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::conn::{Conn, ResultRows};
use super::errors::Failure;
use super::nodelay;
use super::rows::{table, text};
use crate::port::{PortResult, Side};
use crate::secret::Secret;

/// Connections per server and database. Gateways have been seen to crash under many busy clients.
const MOST_CONNECTIONS: usize = 32;

/// How long connecting may take: an old gateway that does not answer `version` costs the client eight seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long one answer to a query, or one block of it, may take. A scan of a large table starts slowly.
pub(super) const QUERY_TIMEOUT: Duration = Duration::from_secs(120);

/// Connections to one server, with one database selected or none.
pub(super) struct Pool {
    side: Side,
    address: String,
    dsn: Secret,
    native: bool,
    permits: Arc<Semaphore>,
    /// The one that rested longest in front: where [`nodelay`] can do nothing, the next small request on a connection
    /// waits some 40 ms.
    idle: Mutex<VecDeque<taos::Taos>>,
    /// Told when a connection comes to lie idle.
    back: Notify,
    version: OnceCell<String>,
}

/// An open connection. Shared with the calls that use it, which may outlive whoever made them.
pub(super) struct Link {
    taos: Option<taos::Taos>,
    native: bool,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(side: Side, address: String, dsn: Secret, native: bool) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        Arc::new(Self {
            side,
            address,
            dsn,
            native,
            permits,
            idle: Mutex::default(),
            back: Notify::new(),
            version: OnceCell::new(),
        })
    }

    pub(super) const fn side(&self) -> Side {
        self.side
    }

    pub(super) const fn is_native(&self) -> bool {
        self.native
    }

    /// The server's version, asked once.
    pub(super) async fn version(self: &Arc<Self>) -> PortResult<&str> {
        let ask = async || -> PortResult<String> {
            let answer = table(self.query("select server_version()").await?).await?;
            Ok(answer.single().and_then(text).unwrap_or_default())
        };
        self.version.get_or_try_init(ask).await.map(String::as_str)
    }

    /// A good connection, an idle one before a new one.
    pub(super) async fn get(self: &Arc<Self>) -> PortResult<Conn> {
        let waiting = Arc::clone(&self.permits).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(QUERY_TIMEOUT, waiting).await else {
            let busy = format!("{}: all {MOST_CONNECTIONS} connections are busy", self.address);
            return Err(self.away(busy).error);
        };
        let idle = self.idle().pop_front();
        if let Some(taos) = idle {
            return Ok(self.conn(taos, permit));
        }
        let began = Instant::now();
        // a gateway lets wait whom it has no connection for, for as long as others keep theirs
        let connected = tokio::select! {
            biased;
            connected = self.connect(permit) => connected,
            conn = self.returned() => return Ok(conn),
        };
        match connected {
            Err(error) if began.elapsed() >= CONNECT_TIMEOUT && self.has_others() => {
                tracing::warn!(address = self.address, %error, "no further connection; going on with fewer");
                tokio::time::timeout(QUERY_TIMEOUT, self.returned()).await.map_err(|_| error)
            }
            connected => connected,
        }
    }

    /// A connection that somebody has done with.
    async fn returned(self: &Arc<Self>) -> Conn {
        loop {
            self.back.notified().await;
            // never closed
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { continue };
            let idle = self.idle().pop_front();
            if let Some(taos) = idle {
                return self.conn(taos, permit);
            }
        }
    }

    /// Whether any connection is in use.
    fn has_others(&self) -> bool {
        self.permits.available_permits() < MOST_CONNECTIONS
    }

    /// Runs a statement that answers no rows.
    pub(super) async fn exec(self: &Arc<Self>, sql: String, limit: Duration) -> PortResult<()> {
        Ok(self.get().await?.exec(sql, limit).await?)
    }

    /// Runs a query.
    pub(super) async fn query(self: &Arc<Self>, sql: &str) -> PortResult<ResultRows> {
        Ok(self.get().await?.query(sql).await?)
    }

    /// Takes a connection back.
    pub(super) fn put(&self, link: Link) {
        if let Some(taos) = link.into_taos() {
            self.idle().push_back(taos);
            self.back.notify_one();
        }
    }

    /// Throws away what lies idle: when one connection is found broken, the others mostly are too.
    pub(super) fn forget_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for taos in idle {
            close(taos, self.native);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<taos::Taos>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn conn(self: &Arc<Self>, taos: taos::Taos, permit: OwnedSemaphorePermit) -> Conn {
        let link = Link { taos: Some(taos), native: self.native, _permit: permit };
        Conn::new(Arc::clone(self), link)
    }

    async fn connect(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> PortResult<Conn> {
        let what = format!("connecting to {}", self.address);
        let conn = if self.native {
            let pool = Arc::clone(self);
            let connecting = tokio::task::spawn_blocking(move || pool.connect_blocking(permit));
            self.timed(&what, async { connecting.await.unwrap_or_else(stopped) }).await?
        } else {
            let opening = async { self.builder()?.build().await };
            let taos = self.timed(&what, opening).await?;
            self.conn(taos, permit)
        };
        // a WebSocket connection is opened by its first query
        let conn = conn.probe(&what, CONNECT_TIMEOUT).await?;
        if !self.native {
            nodelay::set_everywhere();
        }
        Ok(conn)
    }

    /// The permit is held for as long as this hangs.
    fn connect_blocking(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<Conn, taos::Error> {
        let taos = taos::sync::TBuilder::build(&self.builder()?)?;
        Ok(self.conn(taos, permit))
    }

    fn builder(&self) -> Result<taos::TaosBuilder, taos::Error> {
        taos::TaosBuilder::from_dsn(self.dsn.expose())
    }

    async fn timed<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, taos::Error>>,
    ) -> PortResult<T> {
        match tokio::time::timeout(CONNECT_TIMEOUT, call).await {
            Ok(answer) => answer.map_err(|error| Failure::new(self.side, what, &error).error),
            Err(_) => {
                Err(self.away(format!("{what}: no answer within {} s", CONNECT_TIMEOUT.as_secs())).error)
            }
        }
    }

    pub(super) fn away(&self, message: String) -> Failure {
        Failure::away(self.side, message)
    }
}

impl Link {
    pub(super) fn taos(&self) -> Result<&taos::Taos, taos::Error> {
        self.taos.as_ref().ok_or_else(|| taos::Error::from_string("the connection is closed"))
    }

    fn into_taos(mut self) -> Option<taos::Taos> {
        self.taos.take()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(taos) = self.taos.take() {
            close(taos, self.native);
        }
    }
}

/// Closing natively may wait for a server that is gone.
fn close(taos: taos::Taos, native: bool) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) if native => drop(runtime.spawn_blocking(move || drop(taos))),
        _ => drop(taos),
    }
}

/// What a task that panicked or was stopped with its runtime answers.
pub(super) fn stopped<T>(stopped: tokio::task::JoinError) -> Result<T, taos::Error> {
    Err(taos::Error::from_string(stopped.to_string()))
}
