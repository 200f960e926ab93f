//! Connections to one server: bounded, reused while they are good, thrown away after any doubt.
//!
//! Every call runs under a timeout, since the client has none. A connection is handed back only after a whole
//! answer: one that timed out, broke or was dropped in the middle of a call is never used again.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use taos::{AsyncFetchable, AsyncQueryable, AsyncTBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::errors::port_error;
use crate::batch::Block;
use crate::port::{PortError, PortResult, Side};
use crate::schema::{Column, DataType};
use crate::secret::Secret;
use crate::time::Precision;

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
    idle: Mutex<Vec<taos::Taos>>,
}

/// A connection while it is in use.
pub(super) struct Conn {
    pool: Arc<Pool>,
    taos: Option<Arc<taos::Taos>>,
    /// Set only between calls: whatever is dropped inside a call is thrown away.
    good: bool,
    _permit: OwnedSemaphorePermit,
}

/// A result set that is being read; holds its connection.
pub(super) struct ResultRows {
    conn: Conn,
    rows: taos::ResultSet,
    columns: Arc<[Column]>,
    precision: Precision,
    what: String,
}

impl Pool {
    pub(super) fn new(side: Side, address: String, dsn: Secret, native: bool) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        Arc::new(Self { side, address, dsn, native, permits, idle: Mutex::new(Vec::new()) })
    }

    /// A good connection, an idle one before a new one.
    pub(super) async fn get(self: &Arc<Self>) -> PortResult<Conn> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| self.away("closed"))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let taos = match idle {
            Some(taos) => taos,
            None => self.connect().await?,
        };
        Ok(Conn { pool: Arc::clone(self), taos: Some(Arc::new(taos)), good: true, _permit: permit })
    }

    /// Runs a statement that answers no rows.
    pub(super) async fn exec(self: &Arc<Self>, sql: &str, limit: Duration) -> PortResult<()> {
        self.get().await?.exec(sql, limit).await
    }

    /// Runs a query.
    pub(super) async fn query(self: &Arc<Self>, sql: &str) -> PortResult<ResultRows> {
        self.get().await?.query(sql).await
    }

    async fn connect(&self) -> PortResult<taos::Taos> {
        let what = format!("connecting to {}", self.address);
        let builder = taos::TaosBuilder::from_dsn(self.dsn.expose());
        let builder = builder.map_err(|error| port_error(self.side, &what, &error).0)?;
        let taos = self.timed(&what, CONNECT_TIMEOUT, self.build(builder)).await?;
        // a WebSocket connection is opened by its first query
        let probe = self.timed(&what, CONNECT_TIMEOUT, async { taos.exec("select server_status()").await });
        match probe.await {
            // servers before 2.0.20 do not know the question, but they did answer it
            Ok(_) | Err(PortError::Invalid { .. }) => Ok(taos),
            Err(error) => Err(error),
        }
    }

    /// Connecting natively blocks its thread.
    async fn build(&self, builder: taos::TaosBuilder) -> Result<taos::Taos, taos::Error> {
        if !self.native {
            return builder.build().await;
        }
        let runtime = tokio::runtime::Handle::current();
        let connecting = tokio::task::spawn_blocking(move || runtime.block_on(builder.build()));
        connecting.await.unwrap_or_else(|stopped| Err(taos::Error::from_string(stopped.to_string())))
    }

    async fn timed<T>(
        &self,
        what: &str,
        limit: Duration,
        call: impl Future<Output = Result<T, taos::Error>>,
    ) -> PortResult<T> {
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer.map_err(|error| port_error(self.side, what, &error).0),
            Err(_) => Err(self.away(&format!("{what}: no answer within {} s", limit.as_secs()))),
        }
    }

    fn away(&self, message: &str) -> PortError {
        PortError::Away { side: self.side, message: message.to_owned() }
    }
}

impl Conn {
    /// Runs a statement that answers no rows; the connection goes back when it did.
    pub(super) async fn exec(mut self, sql: &str, limit: Duration) -> PortResult<()> {
        let taos = self.taos()?;
        self.call(&shown(sql), limit, async move { taos.exec(sql).await.map(|_| ()) }).await
    }

    /// Runs a query; the connection stays with its rows.
    pub(super) async fn query(mut self, sql: &str) -> PortResult<ResultRows> {
        let taos = self.taos()?;
        let what = shown(sql);
        let rows = self.call(&what, QUERY_TIMEOUT, async move { taos.query(sql).await }).await?;
        let columns = columns(self.pool.side, &what, rows.fields())?;
        let precision = precision(rows.precision());
        Ok(ResultRows { conn: self, rows, columns, precision, what })
    }

    /// Writes a whole block into a table of the connection's database.
    pub(super) async fn write(mut self, table: &str, block: &Block, limit: Duration) -> PortResult<()> {
        let taos = self.taos()?;
        let what = format!("writing {} rows to `{table}`", block.rows());
        let raw = raw_block(table, block);
        if !self.pool.native {
            return self.call(&what, limit, async move { taos.write_raw_block(&raw).await }).await;
        }
        // natively the call blocks its thread until the server answered
        let runtime = tokio::runtime::Handle::current();
        let writing = tokio::task::spawn_blocking(move || runtime.block_on(taos.write_raw_block(&raw)));
        let stopped = |stopped: tokio::task::JoinError| Err(taos::Error::from_string(stopped.to_string()));
        self.call(&what, limit, async move { writing.await.unwrap_or_else(stopped) }).await
    }

    fn taos(&self) -> PortResult<Arc<taos::Taos>> {
        self.taos.clone().ok_or_else(|| self.pool.away("the connection was closed"))
    }

    async fn call<T>(
        &mut self,
        what: &str,
        limit: Duration,
        call: impl Future<Output = Result<T, taos::Error>>,
    ) -> PortResult<T> {
        self.good = false;
        let Ok(answer) = tokio::time::timeout(limit, call).await else {
            return Err(self.pool.away(&format!("{what}: no answer within {} s", limit.as_secs())));
        };
        match answer {
            Ok(value) => {
                self.good = true;
                Ok(value)
            }
            Err(error) => {
                let (error, good) = port_error(self.pool.side, what, &error);
                self.good = good;
                Err(error)
            }
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let Some(taos) = self.taos.take().and_then(Arc::into_inner) else { return };
        if self.good {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(taos);
        } else if self.pool.native
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            // closing natively may wait for a server that is gone
            runtime.spawn_blocking(move || drop(taos));
        }
    }
}

impl ResultRows {
    /// The columns as the server named them.
    pub(super) fn columns(&self) -> &Arc<[Column]> {
        &self.columns
    }

    /// The next rows; `None` only after the server said that there are no more.
    pub(super) async fn next(&mut self) -> PortResult<Option<Block>> {
        use futures_util::TryStreamExt;
        loop {
            let rows = &mut self.rows;
            let fetched = self.conn.call(&self.what, QUERY_TIMEOUT, async { rows.blocks().try_next().await });
            match fetched.await? {
                None => return Ok(None),
                Some(raw) if raw.nrows() == 0 => {}
                Some(raw) => return self.block(&raw).map(Some),
            }
        }
    }

    fn block(&self, raw: &taos::RawBlock) -> PortResult<Block> {
        let bytes = Bytes::copy_from_slice(raw.as_raw_bytes());
        Block::from_raw(Arc::clone(&self.columns), self.precision, bytes).map_err(|bad| PortError::Invalid {
            side: self.conn.pool.side,
            message: format!("{}: a block that cannot be read: {bad}", self.what),
        })
    }
}

fn raw_block(table: &str, block: &Block) -> taos::RawBlock {
    let precision = match block.precision() {
        Precision::Milli => taos::Precision::Millisecond,
        Precision::Micro => taos::Precision::Microsecond,
        Precision::Nano => taos::Precision::Nanosecond,
    };
    let mut raw = taos::RawBlock::parse_from_raw_block(block.raw(), precision);
    raw.with_field_names(block.columns().iter().map(|column| &column.name));
    raw.with_table_name(table);
    raw
}

fn precision(precision: taos::Precision) -> Precision {
    match precision {
        taos::Precision::Millisecond => Precision::Milli,
        taos::Precision::Microsecond => Precision::Micro,
        taos::Precision::Nanosecond => Precision::Nano,
    }
}

fn columns(side: Side, what: &str, fields: &[taos::Field]) -> PortResult<Arc<[Column]>> {
    let column = |field: &taos::Field| {
        let code = field.ty() as u8;
        let data_type = DataType::from_code(code).ok_or_else(|| PortError::Invalid {
            side,
            message: format!("{what}: column `{}` has type {code}, which no 2.x database has", field.name()),
        })?;
        Ok(Column { name: field.name().to_owned(), data_type, length: field.bytes() })
    };
    fields.iter().map(column).collect()
}

/// Enough of a statement to recognise it. Statements hold no secrets, but they may hold a megabyte of rows.
fn shown(sql: &str) -> String {
    const LONGEST: usize = 160;
    match sql.char_indices().nth(LONGEST) {
        None => format!("`{sql}`"),
        Some((end, _)) => format!("`{}…`", &sql[..end]),
    }
}
