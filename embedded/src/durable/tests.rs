//! The stored bytes, as they lie in files of users: what changes here needs a new format version.

use bytes::Bytes;

use super::codec::{
    decode_event, decode_number, decode_revision, encode_event, encode_number, encode_revision,
};
use super::{Image, Record, Table};
use crate::error::Error;
use crate::kv::{Event, Revision, Value};

fn put() -> Event {
    let value = Value { bytes: Bytes::from_static(b"val"), created: 2, version: 3, lease: -1 };
    Event { key: Bytes::from_static(b"key"), value: Some(value) }
}

fn meta(name: &str, number: i64) -> Record {
    (Table::Meta, name.as_bytes().to_vec(), encode_number(number))
}

#[test]
fn records_have_these_bytes() {
    let golden =
        b"\x01\0\0\0\0\0\0\0\x03key\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\xff\xff\xff\xff\xff\xff\xff\xffval";
    assert_eq!(encode_event(&put()), golden);
    let delete = Event { key: Bytes::from_static(b"key"), value: None };
    assert_eq!(encode_event(&delete), b"\0\0\0\0\0\0\0\0\x03key");
    assert_eq!(encode_revision(Revision::new(258, 1)), b"\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\0\x01");
    assert_eq!(encode_number(77), b"\0\0\0\0\0\0\0M");
}

#[test]
fn what_is_written_is_read_back() {
    for event in [put(), Event { key: Bytes::from_static(b"k"), value: None }] {
        assert_eq!(decode_event(&encode_event(&event)).expect("sound"), event);
    }
    let at = Revision::new(i64::MAX, 127);
    assert_eq!(decode_revision(&encode_revision(at)).expect("sound"), at);
    assert_eq!(decode_number(&encode_number(i64::MIN)).expect("sound"), i64::MIN);
}

#[test]
fn damaged_records_are_refused_wherever_they_are_cut() {
    let whole = encode_event(&put());
    let head = whole.len() - b"val".len();
    for length in 0..head {
        let refused = decode_event(&whole[..length]).expect_err("cut short");
        assert!(matches!(refused, Error::Damaged { .. }), "{length} bytes: {refused}");
    }
    assert!(decode_event(b"\x07\0\0\0\0\0\0\0\x01k").is_err(), "an unknown kind");
    assert!(decode_event(b"\x01\xff\xff\xff\xff\xff\xff\xff\xffk").is_err(), "a length below zero");
    assert!(decode_number(b"123").is_err());
    assert!(decode_revision(b"12345678").is_err());
}

#[test]
fn a_store_is_empty_whole_or_refused() {
    assert!(Image::decode(Vec::new()).expect("empty").meta.is_none());
    let whole = vec![
        meta("format", 1),
        meta("seed", 5),
        meta("revision", 9),
        meta("compacted", -1),
        meta("granted", 2),
    ];
    let decoded = Image::decode(whole.clone()).expect("whole").meta.expect("meta");
    assert_eq!((decoded.seed, decoded.revision, decoded.compacted, decoded.granted), (5, 9, -1, 2));
    for missing in 1..whole.len() {
        let mut broken = whole.clone();
        broken.remove(missing);
        assert!(matches!(Image::decode(broken), Err(Error::Damaged { .. })), "without {missing}");
    }
    let newer = Image::decode(vec![meta("format", 2)]).expect_err("newer");
    assert!(matches!(newer, Error::Format { found: 2, known: 1 }));
    let event = (Table::Event, encode_revision(Revision::new(2, 0)), encode_event(&put()));
    assert!(matches!(Image::decode(vec![event]), Err(Error::Damaged { .. })), "events without a format");
}
