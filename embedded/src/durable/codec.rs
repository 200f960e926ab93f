//! The stored bytes. Numbers are big-endian so that keys sort by value; golden bytes stand in the tests.

use bytes::Bytes;

use crate::error::Error;
use crate::kv::{Event, Revision, Value};

/// The layout written here; a store with another one is refused.
pub(crate) const FORMAT_VERSION: u64 = 1;

pub(crate) const FORMAT: &str = "format";
pub(crate) const SEED: &str = "seed";
pub(crate) const REVISION: &str = "revision";
pub(crate) const COMPACTED: &str = "compacted";
pub(crate) const GRANTED: &str = "granted";

const DELETED: u8 = 0;
const STORED: u8 = 1;

pub(crate) fn encode_number(number: i64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(crate) fn decode_number(bytes: &[u8]) -> Result<i64, Error> {
    let bytes = bytes.try_into().map_err(|_| Error::damaged(format!("a number of {} bytes", bytes.len())))?;
    Ok(i64::from_be_bytes(bytes))
}

pub(crate) fn encode_revision(at: Revision) -> Vec<u8> {
    [at.main.to_be_bytes(), at.sub.to_be_bytes()].concat()
}

pub(crate) fn decode_revision(bytes: &[u8]) -> Result<Revision, Error> {
    let mut reader = Reader { bytes };
    Ok(Revision::new(reader.number()?, reader.number()?))
}

/// Kind, length of the key, key; for a put also created, version, lease, value.
pub(crate) fn encode_event(event: &Event) -> Vec<u8> {
    let mut out = Vec::with_capacity(40 + event.key.len());
    out.push(if event.value.is_some() { STORED } else { DELETED });
    out.extend_from_slice(&(event.key.len() as u64).to_be_bytes());
    out.extend_from_slice(&event.key);
    if let Some(value) = &event.value {
        for number in [value.created, value.version, value.lease] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&value.bytes);
    }
    out
}

pub(crate) fn decode_event(bytes: &[u8]) -> Result<Event, Error> {
    let mut reader = Reader { bytes };
    let kind = reader.take(1)?[0];
    let key_length = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
    let key = Bytes::copy_from_slice(reader.take(key_length)?);
    let value = match kind {
        DELETED => None,
        STORED => Some(Value {
            created: reader.number()?,
            version: reader.number()?,
            lease: reader.number()?,
            bytes: Bytes::copy_from_slice(reader.bytes),
        }),
        other => return Err(Error::damaged(format!("an event of the unknown kind {other}"))),
    };
    Ok(Event { key, value })
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or_else(|| Error::damaged(format!("a record cut short, {length} bytes were expected")))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<i64, Error> {
        decode_number(self.take(8)?)
    }
}
