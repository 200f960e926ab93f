//! Plain queries whose answers the client decodes by itself: for whoever checks a migration without trusting
//! the way in which it copied. Nothing of the copy path comes through here.

use std::sync::Arc;

use taos::taos_query::common::views::ColumnView;

use super::pool::Pool;
use super::rows::pool;
use crate::batch::Value;
use crate::dsn::Dsn;
use crate::port::{PortResult, Side};
use crate::schema::Column;
use crate::secret::Secrets;

/// A server that can be asked.
pub struct Reader {
    pool: Arc<Pool>,
}

/// An answer held whole. Only for what is known to be small, or is asked for in pages.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The columns as the server named them.
    pub columns: Vec<Column>,
    /// The rows in the order in which they came.
    pub rows: Vec<Vec<Value>>,
}

impl Reader {
    /// A server by its DSN. Nothing is opened before the first question.
    pub fn new(dsn: &Dsn, secrets: &Secrets) -> PortResult<Self> {
        Ok(Self { pool: pool(Side::Source, dsn, secrets)? })
    }

    /// The answer to a query.
    pub async fn query(&self, sql: &str) -> PortResult<Answer> {
        let mut answer = self.pool.query(sql).await?;
        let columns = answer.columns().to_vec();
        let mut rows = Vec::new();
        while let Some(block) = answer.next_raw().await? {
            let mut columns: Vec<_> = block.columns().map(|view| values(view).into_iter()).collect();
            let row = |_| columns.iter_mut().map(|column| column.next().unwrap_or(Value::Null)).collect();
            rows.extend((0..block.nrows()).map(row));
        }
        Ok(Answer { columns, rows })
    }

    /// Runs a statement that answers no rows: for tests, which make what they compare.
    pub async fn exec(&self, sql: &str) -> PortResult<()> {
        self.pool.exec(sql.to_owned(), super::pool::QUERY_TIMEOUT).await
    }
}

fn of<T>(cells: Vec<Option<T>>, make: impl Fn(T) -> Value) -> Vec<Value> {
    cells.into_iter().map(|cell| cell.map_or(Value::Null, &make)).collect()
}

fn values(view: &ColumnView) -> Vec<Value> {
    match view {
        ColumnView::Bool(view) => of(view.to_vec(), Value::Bool),
        ColumnView::TinyInt(view) => of(view.to_vec(), |n| Value::Int(n.into())),
        ColumnView::SmallInt(view) => of(view.to_vec(), |n| Value::Int(n.into())),
        ColumnView::Int(view) => of(view.to_vec(), |n| Value::Int(n.into())),
        ColumnView::BigInt(view) => of(view.to_vec(), Value::Int),
        ColumnView::UTinyInt(view) => of(view.to_vec(), |n| Value::UInt(n.into())),
        ColumnView::USmallInt(view) => of(view.to_vec(), |n| Value::UInt(n.into())),
        ColumnView::UInt(view) => of(view.to_vec(), |n| Value::UInt(n.into())),
        ColumnView::UBigInt(view) => of(view.to_vec(), Value::UInt),
        ColumnView::Float(view) => of(view.to_vec(), Value::Float),
        ColumnView::Double(view) => of(view.to_vec(), Value::Double),
        ColumnView::Timestamp(view) => of(view.to_vec(), |t| Value::Timestamp(t.as_raw_i64())),
        ColumnView::VarChar(view) => of(view.to_bytes_vec(), |bytes| Value::Binary(bytes.to_vec())),
        ColumnView::NChar(view) => of(view.to_vec(), |text| Value::Nchar(text.to_owned())),
        ColumnView::Json(view) => of(view.to_vec(), Value::Json),
    }
}
