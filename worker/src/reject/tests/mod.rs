//! The encoding by property and to the byte, both stores by one suite, and trying again.

mod encoding;
mod redriving;
mod stores;

use std::sync::Arc;

use proptest::prelude::*;
use tdferry_common::port::RefusedRow;
use tdferry_common::schema::{Column, DataType};
use tdferry_common::time::Precision;

use super::{Origin, Refusal, Reject};

pub(super) fn column(name: &str, data_type: DataType, length: u32) -> Column {
    Column { name: name.into(), data_type, length }
}

/// A row of a table at a moment, with one value that is too long.
pub(super) fn reject(table: &str, at: i64) -> Reject {
    let columns = [column("ts", DataType::Timestamp, 8), column("c", DataType::Binary, 20)];
    Reject {
        origin: Origin { database: "power".into(), stable: "meters".into(), table: table.into(), at },
        refusal: refusal(RefusedRow::TooLong),
        precision: Precision::Milli,
        columns: Arc::from(columns),
        cells: vec![Some(at.to_le_bytes().into()), Some(b"far too long".to_vec())],
    }
}

pub(super) fn refusal(reason: RefusedRow) -> Refusal {
    let code = if reason == RefusedRow::Keep { 0x060B } else { 0x2653 };
    Refusal { reason, code, why: "the target's words, with \"quotes\" and 涛思".into() }
}

fn any_cell(data_type: DataType) -> BoxedStrategy<Option<Vec<u8>>> {
    let bytes = match (data_type, data_type.width()) {
        (DataType::Bool, _) => prop_oneof![Just(vec![0]), Just(vec![1])].boxed(),
        (_, Some(width)) => prop::collection::vec(any::<u8>(), width).boxed(),
        (DataType::Nchar, None) => prop::collection::vec(
            prop_oneof![any::<char>().prop_map(u32::from), any::<u32>()].prop_map(u32::to_le_bytes),
            0..20,
        )
        .prop_map(|codes| codes.concat())
        .boxed(),
        (_, None) => {
            prop_oneof![prop::collection::vec(any::<u8>(), 0..40), ".*".prop_map(String::into_bytes)].boxed()
        }
    };
    prop::option::weighted(0.9, bytes).boxed()
}

/// Any row of any columns, first its timestamp.
pub(super) fn any_reject() -> impl Strategy<Value = Reject> {
    let types = prop::collection::vec(prop::sample::select(DataType::ALL.to_vec()), 0..8);
    let cells = types.prop_flat_map(|types| {
        let cells: Vec<_> = types.iter().map(|data_type| any_cell(*data_type)).collect();
        (Just(types), cells)
    });
    let precision = prop::sample::select(vec![Precision::Milli, Precision::Micro, Precision::Nano]);
    let names = (".{1,20}", ".{0,20}", ".{1,20}");
    let refused = (prop::sample::select(RefusedRow::ALL.to_vec()), any::<u32>(), ".{0,40}");
    (names, any::<i64>(), refused, precision, cells).prop_map(
        |((database, stable, table), at, (reason, code, why), precision, (types, mut cells))| {
            let width = |data_type: DataType| data_type.width().and_then(|width| u32::try_from(width).ok());
            let length = |data_type: DataType| match data_type {
                DataType::Json => 0,
                other => width(other).unwrap_or(64),
            };
            let named =
                |(n, data_type): (usize, &DataType)| column(&format!("c{n}"), *data_type, length(*data_type));
            let mut columns = vec![column("ts", DataType::Timestamp, 8)];
            columns.extend(types.iter().enumerate().map(named));
            cells.insert(0, Some(at.to_le_bytes().into()));
            let origin = Origin { database, stable, table, at };
            let refusal = Refusal { reason, code, why };
            Reject { origin, refusal, precision, columns: columns.into(), cells }
        },
    )
}
