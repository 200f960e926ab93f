//! Rows that fall together in a coarser unit of time: of each moment the last is left, whichever way they are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::TryStreamExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use tdferry_common::batch::{BadBlock, Block, BlockBuilder, Run, TableRuns, same_moment};
use tdferry_common::port::{PortError, PortResult, Side};
use tdferry_common::schema::Column;
use tdferry_common::time::Precision;

/// Rows of one block of what was held to the end.
const HELD_ROWS: usize = 4_096;

/// Of neighbouring rows of one table the last of each moment, also where one block ends and the next begins.
pub(super) fn of_one_table(blocks: BoxStream<'_, PortResult<Block>>) -> BoxStream<'_, PortResult<Block>> {
    let next = async |(mut blocks, mut held): (_, Option<Block>)| {
        while let Some(block) = TryStreamExt::try_next(&mut blocks).await? {
            let block = Block::last_of_each_moment(&block);
            if block.rows() == 0 {
                continue;
            }
            let Some(before) = held.replace(block.clone()) else { continue };
            let last = before.rows().saturating_sub(1);
            let before =
                if same_moment((&before, last), (&block, 0)) { before.slice(0..last) } else { before };
            if before.rows() > 0 {
                return Ok(Some((before, (blocks, held))));
            }
        }
        Ok(held.take().map(|last| (last, (blocks, None))))
    };
    stream::try_unfold((blocks.fuse(), None), next).boxed()
}

/// The same of many tables whose rows ascend, each by itself. The last row of each is held until one of another moment
/// comes, or the end.
pub(super) fn of_each_table(
    runs: BoxStream<'_, PortResult<TableRuns>>,
) -> BoxStream<'_, PortResult<TableRuns>> {
    let next = async |(mut runs, mut last): (_, Last)| {
        while let Some(part) = TryStreamExt::try_next(&mut runs).await? {
            let done = last.take(&part).map_err(|bad| invalid(&bad))?;
            if done.rows() > 0 {
                return Ok(Some((done, (runs, last))));
            }
        }
        let rest = last.rest().map_err(|bad| invalid(&bad))?;
        Ok(rest.map(|rest| (rest, (runs, last))))
    };
    stream::try_unfold((runs.fuse(), Last::default()), next).boxed()
}

fn invalid(bad: &BadBlock) -> PortError {
    PortError::Invalid { side: Side::Source, message: format!("rows that fall together: {bad}") }
}

/// The last row of each table so far.
#[derive(Default)]
struct Last {
    /// What the blocks hold; `None` before the first.
    shape: Option<(Arc<[Column]>, Precision)>,
    rows: BTreeMap<String, Row>,
}

/// A row by the bytes of its cells: a slice of its block would keep the whole of it.
struct Row {
    moment: Option<i64>,
    cells: Vec<Option<Vec<u8>>>,
}

impl Row {
    fn of(block: &Block, row: usize) -> Self {
        let cell = |column| block.payload_of(row, column).map(<[u8]>::to_vec);
        Self { moment: block.timestamp(row), cells: (0..block.columns().len()).map(cell).collect() }
    }
}

impl Last {
    /// Takes rows, and gives those that nothing can fall together with any more.
    fn take(&mut self, part: &TableRuns) -> Result<TableRuns, BadBlock> {
        let shape = (Arc::clone(part.block.columns()), part.block.precision());
        let mut done = Done::new(&shape);
        self.shape = Some(shape);
        for run in &part.runs {
            for row in run.rows.clone().map(|row| Row::of(&part.block, row)) {
                let Some(held) = self.rows.get_mut(&run.table) else {
                    self.rows.insert(run.table.clone(), row);
                    continue;
                };
                let before = std::mem::replace(held, row);
                if before.moment != held.moment {
                    done.push(&run.table, before)?;
                }
            }
        }
        done.finish()
    }

    /// Some of those that are held; `None` where there are no more.
    fn rest(&mut self) -> Result<Option<TableRuns>, BadBlock> {
        let Some(shape) = self.shape.as_ref().filter(|_| !self.rows.is_empty()) else { return Ok(None) };
        let mut done = Done::new(shape);
        while done.builder.rows() < HELD_ROWS {
            let Some((table, row)) = self.rows.pop_first() else { break };
            done.push(&table, row)?;
        }
        done.finish().map(Some)
    }
}

/// Rows of many tables in the making.
struct Done {
    builder: BlockBuilder,
    runs: Vec<Run>,
}

impl Done {
    fn new((columns, precision): &(Arc<[Column]>, Precision)) -> Self {
        Self { builder: BlockBuilder::new(Arc::clone(columns), *precision), runs: Vec::new() }
    }

    fn push(&mut self, table: &str, row: Row) -> Result<(), BadBlock> {
        let at = self.builder.rows();
        self.builder.push_payloads(row.cells)?;
        match self.runs.last_mut() {
            Some(run) if run.table == table => run.rows.end = at + 1,
            _ => self.runs.push(Run { table: table.to_owned(), rows: at..at + 1 }),
        }
        Ok(())
    }

    fn finish(self) -> Result<TableRuns, BadBlock> {
        Ok(TableRuns { block: self.builder.finish()?, runs: self.runs })
    }
}
