//! 2.x: columns one after the other, each `rows * width` bytes, little endian, no header; NULL is a sentinel.
//! BINARY: u16 length and bytes, padded to n+2. NCHAR: u16 length and UTF-8, padded to 4n+2. JSON like NCHAR.

use crate::data::{Batch, Column, DataType, Field, null_bytes};

/// The room a JSON tag gets: its 4096 bytes and the length before them.
const JSON_WIDTH: usize = 4096 + 2;

/// Bytes of one cell on the wire.
pub(crate) fn cell_width(field: &Field) -> usize {
    match (field.ty.fixed_width(), field.ty) {
        (Some(width), _) => width,
        (None, DataType::NChar) => 4 * field.bytes as usize + 2,
        (None, DataType::Json) => JSON_WIDTH,
        (None, _) => field.bytes as usize + 2,
    }
}

pub(crate) fn encode(batch: &Batch, fields: &[Field], out: &mut Vec<u8>) {
    let row: usize = fields.iter().map(cell_width).sum();
    out.reserve(row * batch.rows);
    for (column, field) in batch.columns.iter().zip(fields) {
        if field.ty.fixed_width().is_some() {
            out.extend_from_slice(column.data());
        } else {
            text_cells(column, cell_width(field), out);
        }
    }
}

fn text_cells(column: &Column, width: usize, out: &mut Vec<u8>) {
    for row in 0..column.len() {
        let end = out.len() + width;
        let cell = if column.is_null(row) { null_bytes(column.ty()) } else { column.cell(row) };
        // declared lengths are enforced where rows come in; a listing's text may be longer than its column
        let cell = &cell[..cell.len().min(width - 2)];
        out.extend_from_slice(&u16::try_from(cell.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(cell);
        out.resize(end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Value;

    fn encoded(ty: DataType, bytes: u32, values: &[Value]) -> Vec<u8> {
        let mut column = Column::new(ty);
        values.iter().for_each(|value| column.push_value(value));
        let batch = Batch { rows: values.len(), columns: vec![column] };
        let mut out = Vec::new();
        encode(&batch, &[Field::new("c", ty, bytes)], &mut out);
        out
    }

    #[test]
    fn every_type_has_its_width_and_its_null() {
        use Value::{Bool, Bytes, Float, Int, Null, UInt};
        let text = |text: &str| Bytes(text.as_bytes().into());
        let cases: Vec<(DataType, u32, Vec<Value>, &[u8])> = vec![
            (DataType::Bool, 1, vec![Bool(true), Null], &[1, 2]),
            (DataType::TinyInt, 1, vec![Int(-1), Null], &[0xFF, 0x80]),
            (DataType::SmallInt, 2, vec![Int(1), Null], &[1, 0, 0, 0x80]),
            (DataType::Int, 4, vec![Int(-2), Null], &[0xFE, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0x80]),
            (DataType::BigInt, 8, vec![Null], &[0, 0, 0, 0, 0, 0, 0, 0x80]),
            (DataType::Timestamp, 8, vec![Int(258)], &[2, 1, 0, 0, 0, 0, 0, 0]),
            (DataType::UTinyInt, 1, vec![UInt(254), Null], &[0xFE, 0xFF]),
            (DataType::USmallInt, 2, vec![Null], &[0xFF, 0xFF]),
            (DataType::UInt, 4, vec![Null], &[0xFF; 4]),
            (DataType::UBigInt, 8, vec![Null], &[0xFF; 8]),
            (DataType::Float, 4, vec![Float(1.0), Null], &[0, 0, 0x80, 0x3F, 0, 0, 0xF0, 0x7F]),
            (DataType::Double, 8, vec![Null], &[0, 0, 0, 0, 0, 0xFF, 0xFF, 0x7F]),
            (DataType::Binary, 3, vec![text("ab"), Null], &[2, 0, b'a', b'b', 0, 1, 0, 0xFF, 0, 0]),
            (
                DataType::NChar,
                1,
                vec![text("汉"), Null],
                &[3, 0, 0xE6, 0xB1, 0x89, 0, 4, 0, 0xFF, 0xFF, 0xFF, 0xFF],
            ),
        ];
        for (ty, bytes, values, want) in cases {
            assert_eq!(encoded(ty, bytes, &values), want, "{ty:?}");
        }
        let json = encoded(DataType::Json, 4096, &[text("{\"a\":1}")]);
        assert_eq!((json.len(), &json[..9]), (4098, b"\x07\0{\"a\":1}".as_slice()));
    }
}
