//! A hash of the structure that a plan was made for: every column and tag of what the task takes. Pure.

use tdferry_common::schema::{Column, NormalTable, Stable};
use xxhash_rust::xxh3::Xxh3Default;

/// The same for the same structure, whatever the order in which the source lists it.
pub(crate) fn of(stables: &[&Stable], normal_tables: &[NormalTable]) -> u64 {
    let stables = stables.iter().map(|stable| hash("stable", &stable.name, &[&stable.columns, &stable.tags]));
    let tables = normal_tables.iter().map(|table| hash("table", &table.name, &[&table.columns]));
    stables.chain(tables).fold(0, u64::wrapping_add)
}

fn hash(kind: &str, name: &str, parts: &[&[Column]]) -> u64 {
    let mut hash = Xxh3Default::new();
    let mut text = |text: &str| {
        hash.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(text.as_bytes());
    };
    text(kind);
    text(name);
    for columns in parts {
        text("columns");
        for column in *columns {
            text(&column.name);
            text(&column.sql_type());
        }
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use tdferry_common::schema::DataType;

    use super::*;

    fn stable(name: &str, length: u32, tag: &str) -> Stable {
        let column = |name: &str, data_type, length| Column { name: name.into(), data_type, length };
        Stable {
            name: name.into(),
            columns: vec![column("ts", DataType::Timestamp, 8), column("c", DataType::Binary, length)],
            tags: vec![column(tag, DataType::Int, 4)],
        }
    }

    #[test]
    fn a_fingerprint_changes_with_any_column_tag_or_table_and_not_with_their_order() {
        let (a, b) = (stable("a", 5, "t"), stable("b", 5, "t"));
        let whole = of(&[&a, &b], &[]);
        assert_eq!(whole, of(&[&b, &a], &[]));
        for other in [stable("b", 6, "t"), stable("b", 5, "u"), stable("c", 5, "t")] {
            assert_ne!(whole, of(&[&a, &other], &[]));
        }
        let normal = NormalTable { name: "b".into(), columns: b.columns.clone() };
        assert_ne!(of(&[&a], std::slice::from_ref(&normal)), of(&[&a], &[]));
        assert_ne!(of(&[&a, &b], &[]), of(&[&a], &[normal]));
    }
}
