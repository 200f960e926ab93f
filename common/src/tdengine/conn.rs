//! One connection while it is in use, and the rows of a query that is being read on it.
//!
//! Every call runs under a timeout, since the client has none. A connection goes back only after a whole answer:
//! one that timed out, broke or was dropped in the middle of a call is never used again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use taos::{AsyncFetchable, AsyncQueryable};
use tokio::time::Instant;

use super::errors::Failure;
use super::pool::{Link, Pool, QUERY_TIMEOUT, stopped};
use crate::batch::Block;
use crate::port::{PortError, PortResult, Side};
use crate::schema::{Column, DataType};
use crate::time::Precision;

/// A connection while it is in use.
pub(super) struct Conn {
    pool: Arc<Pool>,
    link: Option<Arc<Link>>,
    /// Set only between calls: whatever is dropped inside a call is thrown away.
    good: bool,
}

/// A result set that is being read; holds its connection.
pub(super) struct ResultRows {
    /// Above its connection: it must be freed before that goes back or is closed.
    rows: Option<taos::ResultSet>,
    conn: Conn,
    columns: Arc<[Column]>,
    precision: Precision,
    what: String,
}

impl Conn {
    pub(super) fn new(pool: Arc<Pool>, link: Link) -> Self {
        Self { pool, link: Some(Arc::new(link)), good: true }
    }

    /// Asks something that every server answers.
    pub(super) async fn probe(mut self, what: &str, limit: Duration) -> PortResult<Self> {
        let link = self.link()?;
        let ask = async move { link.taos()?.exec("select server_version()").await };
        self.call(what, limit, ask).await?;
        Ok(self)
    }

    /// Runs a statement that answers no rows; the connection goes back when it did.
    pub(super) async fn exec(mut self, sql: String, limit: Duration) -> Result<(), Failure> {
        let link = self.link()?;
        let what = shown(&sql);
        self.call(&what, limit, async move { link.taos()?.exec(sql).await.map(|_| ()) }).await
    }

    /// Runs a query; the connection stays with its rows.
    pub(super) async fn query(mut self, sql: &str) -> Result<ResultRows, Failure> {
        let link = self.link()?;
        let (what, sql) = (shown(sql), sql.to_owned());
        let rows = self.call(&what, QUERY_TIMEOUT, async move { link.taos()?.query(sql).await }).await?;
        let columns = match columns(self.pool.side(), &what, rows.fields()) {
            Ok(columns) => columns,
            Err(error) => return Err(Failure { error, code: 0, good: true }),
        };
        let precision = precision(rows.precision());
        Ok(ResultRows { rows: Some(rows), conn: self, columns, precision, what })
    }

    /// Runs a query for what the client learns by it.
    pub(super) async fn ask(&mut self, sql: String, limit: Duration) -> Result<(), Failure> {
        let link = self.link()?;
        let what = shown(&sql);
        self.call(&what, limit, async move { link.taos()?.query(sql).await.map(drop) }).await
    }

    /// Writes a whole block into a table of the connection's database.
    pub(super) async fn write(&mut self, table: &str, block: &Block, limit: Duration) -> Result<(), Failure> {
        let link = self.link()?;
        let what = format!("writing {} rows to `{table}`", block.rows());
        let raw = raw_block(table, block);
        if !self.pool.is_native() {
            return self.call(&what, limit, async move { link.taos()?.write_raw_block(&raw).await }).await;
        }
        // natively the call blocks its thread until the server answered
        let write = move || taos::sync::Queryable::write_raw_block(link.taos()?, &raw);
        let writing = tokio::task::spawn_blocking(write);
        self.watched(&what, limit, async { writing.await.unwrap_or_else(stopped) }).await
    }

    fn link(&self) -> Result<Arc<Link>, Failure> {
        self.link.clone().ok_or_else(|| self.pool.away("the connection is closed".into()))
    }

    async fn call<T, C>(&mut self, what: &str, limit: Duration, call: C) -> Result<T, Failure>
    where
        T: Send + 'static,
        C: Future<Output = Result<T, taos::Error>> + Send + 'static,
    {
        if !self.pool.is_native() {
            return self.watched(what, limit, call).await;
        }
        // The native client answers from a thread of its own into memory that its future owns, and remembers the
        // first waker only: its futures must neither be dropped early nor be polled from changing places.
        let calling = tokio::spawn(call);
        self.watched(what, limit, async { calling.await.unwrap_or_else(stopped) }).await
    }

    async fn watched<T>(
        &mut self,
        what: &str,
        limit: Duration,
        call: impl Future<Output = Result<T, taos::Error>>,
    ) -> Result<T, Failure> {
        self.good = false;
        let began = Instant::now();
        let Ok(answer) = tokio::time::timeout(limit, call).await else {
            return Err(self.pool.away(format!("{what}: no answer within {} s", limit.as_secs())));
        };
        tracing::trace!(what, elapsed = ?began.elapsed(), "answered");
        let answer = answer.map_err(|error| Failure::new(self.pool.side(), what, &error));
        self.good = answer.as_ref().map_or_else(|failure| failure.good, |_| true);
        if !self.good {
            self.pool.forget_idle();
        }
        answer
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        // still shared: a call goes on that nobody waits for, and closes the connection when it ends
        let Some(link) = self.link.take().and_then(Arc::into_inner) else { return };
        if self.good {
            self.pool.put(link);
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
        match self.next_raw().await? {
            Some(raw) => self.block(raw).map(Some),
            None => Ok(None),
        }
    }

    /// The next rows as the client holds them.
    pub(super) async fn next_raw(&mut self) -> PortResult<Option<taos::RawBlock>> {
        loop {
            let Some(rows) = self.rows.take() else { return Ok(None) };
            let (rows, fetched) = self.conn.call(&self.what, QUERY_TIMEOUT, fetch(rows)).await?;
            match fetched {
                // the end: rows are not put back, so that nothing asks beyond it
                None => return Ok(None),
                Some(raw) => {
                    self.rows = Some(rows);
                    if raw.nrows() > 0 {
                        return Ok(Some(raw));
                    }
                }
            }
        }
    }

    fn block(&self, raw: taos::RawBlock) -> PortResult<Block> {
        let bytes = Bytes::from_owner(Laid(raw));
        Block::from_raw(Arc::clone(&self.columns), self.precision, bytes).map_err(|bad| PortError::Invalid {
            side: self.conn.pool.side(),
            message: format!("{}: a block that cannot be read: {bad}", self.what),
        })
    }
}

/// A block's bytes where the client laid them out, without another copy.
struct Laid(taos::RawBlock);

impl AsRef<[u8]> for Laid {
    fn as_ref(&self) -> &[u8] {
        self.0.as_raw_bytes()
    }
}

async fn fetch(mut rows: taos::ResultSet) -> Result<(taos::ResultSet, Option<taos::RawBlock>), taos::Error> {
    use futures_util::TryStreamExt;
    let fetched = rows.blocks().try_next().await?;
    Ok((rows, fetched))
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
