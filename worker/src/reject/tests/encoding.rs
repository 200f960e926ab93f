//! What a line and a shelf hold.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tdferry_common::port::RefusedRow;
use tdferry_common::schema::DataType;
use tdferry_common::spec::TaskName;
use tdferry_common::time::Precision;

use super::super::{Origin, Refusal, Reject, decode, encode, shelf};
use super::{any_reject, column};

/// A row of every type with what SQL and JSON find hard.
const GOLDEN: &str = include_str!("../../../tests/golden/reject.jsonl");

fn task() -> TaskName {
    "migrate-power".parse().unwrap()
}

fn ucs4(text: &str) -> Vec<u8> {
    text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()
}

fn of_every_type() -> Reject {
    let cells = [
        ("ts", DataType::Timestamp, 8, Some(1_700_000_000_123_i64.to_le_bytes().to_vec())),
        ("yes", DataType::Bool, 1, Some(vec![1])),
        ("i8", DataType::TinyInt, 1, Some(i8::MIN.to_le_bytes().to_vec())),
        ("i16", DataType::SmallInt, 2, Some(i16::MIN.to_le_bytes().to_vec())),
        ("i32", DataType::Int, 4, Some(i32::MIN.to_le_bytes().to_vec())),
        ("i64", DataType::BigInt, 8, Some(i64::MIN.to_le_bytes().to_vec())),
        ("u8", DataType::UTinyInt, 1, Some(vec![255])),
        ("u16", DataType::USmallInt, 2, Some(vec![255; 2])),
        ("u32", DataType::UInt, 4, Some(vec![255; 4])),
        ("u64", DataType::UBigInt, 8, Some(vec![255; 8])),
        ("f32", DataType::Float, 4, Some(0.1_f32.to_le_bytes().to_vec())),
        ("f32_nan", DataType::Float, 4, Some(0x7fc0_0001_u32.to_le_bytes().to_vec())),
        ("f64", DataType::Double, 8, Some(5e-324_f64.to_le_bytes().to_vec())),
        ("f64_inf", DataType::Double, 8, Some(f64::NEG_INFINITY.to_le_bytes().to_vec())),
        ("f64_zero", DataType::Double, 8, Some((-0.0_f64).to_le_bytes().to_vec())),
        ("binary", DataType::Binary, 20, Some(b"it's \\ \"\x00\n".to_vec())),
        ("no_text", DataType::Binary, 20, Some(vec![0xff, 0x00, 0x80])),
        ("nchar", DataType::Nchar, 10, Some(ucs4("涛思 🚀"))),
        ("no_chars", DataType::Nchar, 10, Some(0xd800_u32.to_le_bytes().to_vec())),
        ("empty", DataType::Binary, 20, Some(Vec::new())),
        ("null", DataType::Int, 4, None),
    ];
    let columns =
        cells.iter().map(|(name, data_type, length, _)| column(name, *data_type, *length)).collect();
    let (database, stable, table) = ("power".into(), "meters".into(), "d 1".into());
    Reject {
        origin: Origin { database, stable, table, at: 1_700_000_000_123 },
        refusal: Refusal { reason: RefusedRow::TooLong, code: 0x2653, why: "Value too long".into() },
        precision: Precision::Milli,
        columns,
        cells: cells.into_iter().map(|(_, _, _, cell)| cell).collect(),
    }
}

#[test]
fn a_line_is_what_it_has_always_been() {
    assert_eq!(encode(&task(), &of_every_type()), GOLDEN.trim_end());
    assert_eq!(decode(GOLDEN.trim_end()), Ok((task(), of_every_type())));
}

#[test]
fn a_line_that_is_not_understood_is_refused_with_the_reason() {
    let golden = GOLDEN.trim_end();
    let cases = [
        (golden.replace("\"v\":1", "\"v\":2"), "version 2"),
        (golden.replace("too-long", "too-wide"), "too-wide"),
        (golden.replace("\"type\":\"INT\"", "\"type\":\"DECIMAL\""), "DECIMAL"),
        (golden.replace("-128", "-129"), "-129 is no TINYINT"),
        (golden.replace("\"code\"", "\"cod\""), "cod"),
        (golden[..golden.len() / 2].to_owned(), "EOF"),
    ];
    for (line, words) in cases {
        let error = decode(&line).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

proptest! {
    #[test]
    fn a_line_brings_back_every_bit(reject in any_reject()) {
        let line = encode(&task(), &reject);
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(decode(&line), Ok((task(), reject.clone())));
        let block = Reject::to_block(&[&reject]).unwrap().unwrap();
        let origin = |_, at| Origin { at, ..reject.origin.clone() };
        prop_assert_eq!(Reject::of_block(&block, &reject.refusal, origin), vec![reject.clone()]);
    }

    #[test]
    fn parts_are_short_end_between_characters_and_make_up_the_whole(text in "(a|涛|🚀){0,30000}") {
        let parts = shelf::parts(&text);
        prop_assert!(parts.iter().all(|part| part.len() <= shelf::PART_BYTES));
        prop_assert_eq!(parts.concat(), text);
    }

    #[test]
    fn no_two_rows_of_a_table_share_a_place(one: i64, other: i64) {
        let place = |at| {
            let origin = Origin { at, ..of_every_type().origin };
            (shelf::name(&task(), &origin, 0), shelf::key(at))
        };
        prop_assert!(shelf::key(one) >= 0);
        prop_assert_eq!(place(one) == place(other), one == other);
        prop_assert_ne!(place(one), place(!one));
    }
}

#[test]
fn every_task_table_and_part_has_a_shelf_of_its_own_and_its_tags_lead_back() {
    let origin = |database: &str, stable: &str, table: &str| Origin {
        database: database.into(),
        stable: stable.into(),
        table: table.into(),
        at: 1,
    };
    let origins =
        [origin("d", "s", "t"), origin("ds", "", "t"), origin("d", "st", ""), origin("d", "", "st")];
    let names: BTreeSet<String> = origins
        .iter()
        .flat_map(|origin| (0..3).map(|part| shelf::name(&task(), origin, part)))
        .chain(origins.iter().map(|origin| shelf::name(&"other".parse().unwrap(), origin, 0)))
        .collect();
    assert_eq!(names.len(), 16);
    let row = shelf::tag_row(&task(), &origins[0], 0);
    let found = shelf::shelf(&task(), &row).unwrap();
    assert_eq!((found.database.as_str(), found.stable.as_str(), found.table.as_str()), ("d", "s", "t"));
    assert_eq!(shelf::name_of_part(&found.name, 2), shelf::name(&task(), &origins[0], 2));
    assert_eq!(shelf::shelf(&"other".parse().unwrap(), &row), None);
    assert_eq!(shelf::shelf(&task(), &shelf::tag_row(&task(), &origins[0], 1)), None, "no first part");
}
