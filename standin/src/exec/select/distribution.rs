//! Where a table's rows lie: `_block_dist()` on 2.x, `show table distributed` on 3.x. Computed rows count as
//! rows on disk in full blocks, kept rows as rows in memory.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Query;
use super::tables::Tables;
use crate::config::Flavor;
use crate::data::{Field, Precision, Value};
use crate::error::SqlResult;
use crate::exec::names::Resolved;
use crate::exec::{BLOCK_ROWS, Engine, ResultStream};
use crate::sql::ast::Expr;
use crate::store::TableRef;

#[derive(Default)]
struct Spread {
    tables: u64,
    in_memory: u64,
    on_disk: u64,
    blocks: u64,
    smallest: Option<u64>,
    largest: u64,
    vgroups: u64,
}

pub(super) fn block_dist(engine: &Arc<Engine>, query: &Query) -> SqlResult<Option<ResultStream>> {
    let [item] = query.select.items.as_slice() else { return Ok(None) };
    let asked = matches!(&item.expr, Expr::Call { name, .. } if name == "_block_dist");
    if !asked || query.scope.flavor != Flavor::V26 {
        return Ok(None);
    }
    let mut tables = Tables::new(query);
    let mut spread = Spread::default();
    while let Some(table) = tables.next(engine) {
        spread.add(&table);
    }
    let field = Field::text("block_dist", 16_382);
    let rows = [vec![Value::text(spread.summary())]];
    Ok(Some(ResultStream::of_rows(vec![field], Precision::Milli, &rows)))
}

pub(crate) fn distribution(engine: &Arc<Engine>, resolved: &Resolved, vgroups: u32) -> ResultStream {
    let mut spread = Spread { vgroups: vgroups.into(), ..Spread::default() };
    let mut from = Some(0);
    while let Some(position) = from {
        let (page, next) = resolved.page(engine, position, 1_000);
        page.iter().for_each(|table| spread.add(table));
        from = next;
    }
    let rows: Vec<Vec<Value>> = spread.lines().into_iter().map(|line| vec![Value::text(line)]).collect();
    ResultStream::of_rows(vec![Field::text("_block_dist", 126)], Precision::Milli, &rows)
}

impl Spread {
    fn add(&mut self, table: &TableRef) {
        let rows = table.count(i64::MIN, i64::MAX);
        self.tables += 1;
        if matches!(table, TableRef::Stored(_)) {
            self.in_memory += rows;
            return;
        }
        let block = BLOCK_ROWS as u64;
        let tail = if rows.is_multiple_of(block) { block.min(rows) } else { rows % block };
        self.on_disk += rows;
        self.blocks += rows.div_ceil(block);
        self.smallest = Some(self.smallest.map_or(tail, |smallest| smallest.min(tail)));
        self.largest = self.largest.max(rows.min(block));
    }

    fn average(&self) -> u64 {
        self.on_disk.checked_div(self.blocks).unwrap_or(0)
    }

    fn summary(&self) -> String {
        let (average, smallest) = (self.average(), self.smallest.unwrap_or(0));
        let level = |percents: [u32; 6]| {
            let marks = percents.map(|percent| format!("{percent:02}th=[{average}]"));
            marks.join(", ").replace("05th", "5th")
        };
        let mut text = String::from("summary: \n\t ");
        let _ = write!(text, "{}\n\t {}", level([5, 10, 20, 30, 40, 50]), level([60, 70, 80, 90, 95, 99]));
        let _ =
            write!(text, "\n\t Min=[{smallest}(Rows)] Max=[{}(Rows)] Avg=[{average}(Rows)]", self.largest);
        let (rows, blocks) = (self.on_disk, self.blocks);
        let _ = write!(text, " Stddev=[0.00] \n\t Rows=[{rows}], Blocks=[{blocks}], SmallBlocks=[0],");
        let _ = write!(text, " Size=[0.000(Kb)] Comp=[1]\n\t RowsInMem=[{}] \n\t", self.in_memory);
        text
    }

    fn lines(&self) -> Vec<String> {
        let (blocks, tables, average) = (self.blocks, self.tables, self.average());
        let smallest = self.smallest.unwrap_or(0);
        let mut lines = vec![
            format!(
                "Total_Blocks=[{blocks}] Total_Size=[0.00 KiB] Average_size=[0.00 KiB] Compression_Ratio=[0.00 %]"
            ),
            format!(
                "Block_Rows=[{}] MinRows=[{smallest}] MaxRows=[{}] AvgRows=[{average}]",
                self.on_disk, self.largest
            ),
            format!("Inmem_Rows=[{}] Stt_Rows=[0] ", self.in_memory),
            format!("Total_Tables=[{tables}] Total_Filesets=[{0}] Total_Vgroups=[{0}]", self.vgroups),
            "-".repeat(80),
        ];
        // twenty bars, the middle of each 200 rows further
        lines.extend((0..20).map(|bar| format!("{:04} |", 300 + bar * 200)));
        lines
    }
}
