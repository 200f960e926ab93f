//! Reading rows and tags, as servers of both lines answer it.

use std::sync::Arc;

use futures_util::TryStreamExt;
use futures_util::stream::{self, BoxStream, StreamExt};

use super::conn::ResultRows;
use super::pool::Pool;
use super::rows::text;
use super::sql::{self, Names};
use crate::batch::{Block, TableRuns, TagRow};
use crate::port::{PortError, PortResult, Side};
use crate::schema::{Column, Stable};
use crate::time::Period;

/// The blocks of a query that is put together and sent when the first one is asked for.
pub(super) fn blocks<'a>(
    pool: &'a Arc<Pool>,
    sql: impl Fn(Names) -> String + Send + Sync + 'a,
) -> BoxStream<'a, PortResult<Block>> {
    let open = async move {
        let rows = pool.query(&sql(Names::of(pool.version().await?))).await?;
        let next = async |mut rows: Box<ResultRows>| -> PortResult<_> {
            Ok(rows.next().await?.map(|block| (block, rows)))
        };
        Ok::<_, PortError>(stream::try_unfold(Box::new(rows), next))
    };
    stream::once(open).try_flatten().boxed()
}

/// Rows of a database for which a condition holds; all where it is empty.
pub(super) struct Reading<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) database: &'a str,
    pub(super) condition: String,
    /// The longest statement.
    pub(super) most_bytes: usize,
}

impl<'a> Reading<'a> {
    /// Those of one table.
    pub(super) fn read(
        self,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
    ) -> BoxStream<'a, PortResult<Block>> {
        blocks(self.pool, move |names| {
            let within = columns.first().map(|first| names.within(&first.name, period)).unwrap_or_default();
            let (list, path) = (names.list(&columns), names.path(self.database, table));
            format!("select {list} from {path}{}", sql::filter(&[&within, &self.condition]))
        })
    }

    /// Those of all subtables.
    pub(super) fn read_all(self, stable: &'a Stable, period: Period) -> BoxStream<'a, PortResult<TableRuns>> {
        let (pool, side) = (self.pool, self.pool.side());
        let (database, condition) = (self.database, self.condition);
        blocks(pool, move |names| {
            let within = within(names, stable, period);
            format!("{}{}", select(names, database, stable), sql::filter(&[&within, &condition]))
        })
        .map(move |block| runs(side, block))
        .boxed()
    }

    /// Those of many subtables.
    pub(super) fn read_many(
        self,
        stable: &'a Stable,
        names: &'a [String],
        period: Period,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        let Self { pool, database, condition, most_bytes } = self;
        // backticks only make it longer
        let (longest, quoted) = (Names::Quoted, select(Names::Quoted, database, stable));
        let rest = quoted.len() + within(longest, stable, period).len() + condition.len() + 32;
        let side = pool.side();
        stream::iter(sql::pieces(names, rest, most_bytes))
            .flat_map(move |piece| {
                let (named, condition) = (sql::named(&names[piece]), condition.clone());
                blocks(pool, move |names| {
                    let within = within(names, stable, period);
                    let filter = sql::filter(&[&named, &within, &condition]);
                    format!("{}{filter}", select(names, database, stable))
                })
            })
            .map(move |block| runs(side, block))
            .boxed()
    }
}

fn select(names: Names, database: &str, stable: &Stable) -> String {
    format!("select tbname,{} from {}", names.list(&stable.columns), names.path(database, &stable.name))
}

fn within(names: Names, stable: &Stable, period: Period) -> String {
    stable.columns.first().map(|first| names.within(&first.name, period)).unwrap_or_default()
}

fn runs(side: Side, block: PortResult<Block>) -> PortResult<TableRuns> {
    let invalid = |message: String| PortError::Invalid { side, message };
    TableRuns::from_named(block?).map_err(|bad| invalid(format!("reading many subtables: {bad}")))
}

/// What `select` answers for these subtables: their names, then their tags.
pub(super) async fn tags(
    pool: &Arc<Pool>,
    select: &str,
    names: &[String],
    most_bytes: usize,
) -> PortResult<Vec<TagRow>> {
    let mut found = Vec::with_capacity(names.len());
    for piece in sql::pieces(names, select.len() + 32, most_bytes) {
        let named = sql::filter(&[&sql::named(&names[piece])]);
        let mut rows = pool.query(&format!("{select}{named}")).await?;
        while let Some(block) = rows.next().await? {
            found.extend(tag_rows(&block));
        }
    }
    Ok(found)
}

/// From `tbname, tag, …`.
pub(super) fn tag_rows(block: &Block) -> Vec<TagRow> {
    let row = |row: usize| {
        let name = text(&block.cell(row, 0).to_value())?;
        let tags = (1..block.columns().len()).map(|tag| block.cell(row, tag).to_value()).collect();
        Some(TagRow { name, tags })
    };
    (0..block.rows()).filter_map(row).collect()
}
