//! Compares the rows of one table, page by page, cell by cell and bit by bit.

use tdferry_common::batch::Value;
use tdferry_common::port::PortError;
use tdferry_common::tdengine::Answer;

use super::{Comparison, Place};

/// Rows fetched at once from either side.
const PAGE: usize = 20_000;

pub(super) async fn compare(
    source: &Place,
    target: &Place,
    table: &str,
    found: &mut Comparison,
) -> Result<(), PortError> {
    let mut after = None;
    loop {
        let (left, right) = (page(source, table, after).await?, page(target, table, after).await?);
        same_page(table, &left, &right, found);
        let last = left.rows.last().or_else(|| right.rows.last()).and_then(|row| time(row));
        match last {
            Some(last) if left.rows.len() == PAGE || right.rows.len() == PAGE => after = Some(last),
            _ => return Ok(()),
        }
    }
}

async fn page(place: &Place, table: &str, after: Option<i64>) -> Result<Answer, PortError> {
    let from = after.map(|last| format!(" where _c0 > {last}")).unwrap_or_default();
    place.ask(&format!("select * from {}{from} order by _c0 limit {PAGE}", place.path(table))).await
}

fn time(row: &[Value]) -> Option<i64> {
    match row.first() {
        Some(Value::Timestamp(units)) => Some(*units),
        _ => None,
    }
}

fn same_page(table: &str, left: &Answer, right: &Answer, found: &mut Comparison) {
    if left.rows.len() != right.rows.len() {
        let (on_source, on_target) = (left.rows.len(), right.rows.len());
        found.differs(format!(
            "`{table}`: a page of {on_source} rows on the source has {on_target} on the target"
        ));
    }
    for (row, other) in left.rows.iter().zip(&right.rows) {
        found.rows += 1;
        if row.len() != other.len() {
            found.differs(format!(
                "`{table}`: {} cells on the source, {} on the target",
                row.len(),
                other.len()
            ));
        }
        for (index, (cell, twin)) in row.iter().zip(other).enumerate() {
            if cell != twin {
                let column = left.columns.get(index).map_or("?", |column| column.name.as_str());
                let at = time(row).unwrap_or_default();
                found.differs(format!(
                    "`{table}` at {at}, column `{column}`: {cell:?} on the source, {twin:?} on the target"
                ));
            }
        }
    }
}
