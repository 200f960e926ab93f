//! Literals against a reader of their own, written after what 3.x does with them.

use proptest::prelude::*;

use super::*;
use crate::batch::{Block, BlockBuilder};
use crate::schema::{Column, DataType};
use crate::time::Precision;

fn sql(value: &Value) -> Result<String, NotSql> {
    let mut out = String::from("(");
    let done = push_value(&mut out, value);
    if done.is_err() {
        assert_eq!(out, "(", "a refused value leaves nothing behind");
    }
    done.map(|()| out[1..].to_owned())
}

/// A quoted literal as the server reads it: `''` is a quote, a backslash takes the next character.
fn unquote(literal: &str) -> String {
    let inner = literal.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
    let (mut text, mut characters) = (String::new(), inner.chars());
    while let Some(character) = characters.next() {
        match character {
            '\'' => assert_eq!(characters.next(), Some('\''), "a lone quote ends the literal: {literal}"),
            '\\' => assert!(matches!(characters.next(), Some('\\')), "{literal}"),
            _ => {}
        }
        text.push(character);
    }
    text
}

/// What the server makes of a number for a FLOAT column.
#[expect(clippy::cast_possible_truncation, reason = "the server rounds like this")]
fn as_server(read: f64) -> f32 {
    read as f32
}

fn nchar_block(text: &str) -> Block {
    let column = Column { name: "n".into(), data_type: DataType::Nchar, length: 99 };
    let mut builder = BlockBuilder::new([column].into(), Precision::Milli);
    builder.push_row(&[Value::Nchar(text.into())]).unwrap();
    builder.finish().unwrap()
}

#[test]
fn values_are_written_as_sql_reads_them() {
    let cases = [
        (Value::Null, "NULL"),
        (Value::Bool(true), "true"),
        (Value::Bool(false), "false"),
        (Value::Int(0), "0"),
        (Value::Int(i64::MIN), "-9223372036854775808"),
        (Value::UInt(u64::MAX), "18446744073709551615"),
        (Value::Timestamp(-1), "-1"),
        (Value::Float(10.3), "10.3"),
        (Value::Double(10.3), "10.3"),
        (Value::Double(-0.05), "-0.05"),
        (Value::Double(219.0), "219"),
        (Value::Double(-0.0), "-0.0"),
        (Value::Float(7.038_531e-26), "7.038530691851209e-26"),
        (Value::Double(1e300), "1e300"),
        (Value::Binary(b"it's".to_vec()), "'it''s'"),
        (Value::Binary("back\\slash \"q\" 100%_\n".into()), "'back\\\\slash \"q\" 100%_\n'"),
        (Value::Nchar(String::new()), "''"),
        (Value::Nchar("涛'\\".into()), "'涛''\\\\'"),
        (Value::Json("{\"k\":\"it's\"}".into()), "'{\"k\":\"it''s\"}'"),
    ];
    for (value, expected) in cases {
        assert_eq!(sql(&value).as_deref(), Ok(expected), "{value:?}");
    }
}

#[test]
fn what_sql_cannot_carry_is_refused() {
    let refused = [
        Value::Float(f32::NAN),
        Value::Double(f64::NAN),
        Value::Float(f32::INFINITY),
        Value::Double(f64::NEG_INFINITY),
        Value::Double(5e-324),
        Value::Double(-2.225_073_858_507_201e-308),
        Value::Binary(vec![b'a', 0xff]),
        Value::Binary(vec![b'a', 0]),
        Value::Nchar("a\0".into()),
    ];
    for value in refused {
        assert!(sql(&value).is_err(), "{value:?}");
    }
    let surrogate = 0xd800_u32.to_le_bytes();
    let mut out = String::from("x");
    assert!(push_cell(&mut out, Cell::Nchar(Nchar::new(&surrogate))).is_err());
    assert!(push_cell(&mut out, nchar_block("a\0").cell(0, 0)).is_err());
    assert_eq!(out, "x");
}

#[test]
fn names_stand_in_backticks_and_cannot_leave_them() {
    assert_eq!(ident("select 涛 it's \"x\"").as_deref(), Ok("`select 涛 it's \"x\"`"));
    assert!(ident("a` drop").is_err());
    assert!(ident("a\0").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn doubles_read_back_bit_by_bit(bits in any::<u64>(), cents in any::<i32>()) {
        for value in [f64::from_bits(bits), f64::from(cents) / 100.0, f64::from(cents) * 1e-7] {
            if value.is_finite() && !value.is_subnormal() {
                let read: f64 = sql(&Value::Double(value)).unwrap().parse().unwrap();
                prop_assert_eq!(read.to_bits(), value.to_bits());
            }
        }
    }

    #[test]
    fn singles_read_back_bit_by_bit_through_a_double(bits in any::<u32>(), cents in any::<i16>()) {
        for value in [f32::from_bits(bits), f32::from(cents) / 100.0] {
            if value.is_finite() {
                let read: f64 = sql(&Value::Float(value)).unwrap().parse().unwrap();
                prop_assert_eq!(as_server(read).to_bits(), value.to_bits());
            }
        }
    }

    #[test]
    fn no_single_is_written_as_a_larger_double_than_a_server_takes(below in 0_u32..50) {
        for value in [f32::from_bits(f32::MAX.to_bits() - below), -f32::from_bits(f32::MAX.to_bits() - below)] {
            let read: f64 = sql(&Value::Float(value)).unwrap().parse().unwrap();
            prop_assert!(read.abs() <= f64::from(f32::MAX), "{value:?}");
            prop_assert_eq!(as_server(read).to_bits(), value.to_bits());
        }
    }

    #[test]
    fn integers_are_written_in_full(signed in any::<i64>(), unsigned in any::<u64>(), shift in 0_u32..64) {
        let (signed, unsigned) = (signed >> shift, unsigned >> shift);
        prop_assert_eq!(sql(&Value::Int(signed)).unwrap(), signed.to_string());
        prop_assert_eq!(sql(&Value::UInt(unsigned)).unwrap(), unsigned.to_string());
    }

    #[test]
    fn text_reads_back_as_it_was(text in "[a'\\\\\n\"%_涛\u{1f600}]{0,12}") {
        prop_assert_eq!(unquote(&sql(&Value::Binary(text.clone().into())).unwrap()), &text[..]);
        prop_assert_eq!(unquote(&sql(&Value::Nchar(text.clone())).unwrap()), &text[..]);
        let mut out = String::new();
        push_cell(&mut out, nchar_block(&text).cell(0, 0)).unwrap();
        prop_assert_eq!(unquote(&out), text);
    }
}
