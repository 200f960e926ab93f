//! The record of a group: a stable and the names of its subtables in order, front-coded and compressed.
//!
//! Names are stored once however long the history: a million subtables are about a thousand groups of a few KB.

use super::frame::{Damage, Reader, Writer, open, seal};

const VERSION: u8 = 1;
/// etcd takes a request of 1.5 MiB: some twenty groups fit into one page of a plan.
pub(crate) const MAX_GROUP_BYTES: usize = 64 * 1024;
/// No group that fits `MAX_GROUP_BYTES` is meant to unfold to more; a record that does is damaged.
const MAX_UNFOLDED_BYTES: usize = 16 * 1024 * 1024;
/// Names of a group are much alike: the lowest level is within a few per cent of the highest, at a tenth of the time.
const ZSTD_LEVEL: i32 = 3;
/// Name of a stable in front of the names.
const MAX_STABLE: u16 = 1024;

/// An ordered list of subtables of one stable; an index into it means the same for as long as the plan stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The stable; empty: these are normal tables.
    pub(crate) stable: String,
    /// The names, in order.
    pub(crate) names: Vec<String>,
}

/// A group that must be cut into smaller ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a group of {names} names takes {bytes} bytes, and at most {MAX_GROUP_BYTES} are stored; cut it into smaller ones"
)]
pub(crate) struct GroupTooLarge {
    names: usize,
    bytes: usize,
}

impl Group {
    /// The record, or a refusal where it would not fit.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, GroupTooLarge> {
        let too_large = |bytes| GroupTooLarge { names: self.names.len(), bytes };
        let coded = front_code(&self.names);
        if coded.len() > MAX_UNFOLDED_BYTES || self.stable.len() > usize::from(MAX_STABLE) {
            return Err(too_large(coded.len()));
        }
        let packed = zstd::bulk::compress(&coded, ZSTD_LEVEL).map_err(|_| too_large(coded.len()))?;
        let mut out = Writer::default();
        out.text(&self.stable, MAX_STABLE);
        let unfolded = u32::try_from(coded.len()).map_err(|_| too_large(coded.len()))?;
        out.bytes(&unfolded.to_be_bytes());
        out.bytes(&packed);
        let record = seal(VERSION, &out.0);
        if record.len() > MAX_GROUP_BYTES { Err(too_large(record.len())) } else { Ok(record) }
    }

    /// The group behind a record.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut from = Reader(open(VERSION, bytes)?);
        let stable = from.text("stable")?.to_owned();
        let unfolded =
            usize::try_from(u32::from_be_bytes(from.take("length")?)).map_err(|_| Damage::Field("length"))?;
        if unfolded > MAX_UNFOLDED_BYTES {
            return Err(Damage::Field("length"));
        }
        let coded = zstd::bulk::decompress(from.0, unfolded).map_err(|_| Damage::Field("names"))?;
        Ok(Self { stable, names: front_decode(&coded)? })
    }
}

/// Each name as: bytes shared with the one before (2), bytes of its own (2), those bytes.
fn front_code(names: &[String]) -> Vec<u8> {
    let mut out = Writer::default();
    let mut before: &str = "";
    for name in names {
        let shared = shared_prefix(before, name);
        out.bytes(&u16::try_from(shared).unwrap_or(u16::MAX).to_be_bytes());
        out.text(&name[shared..], u16::MAX);
        before = name;
    }
    out.0
}

fn front_decode(coded: &[u8]) -> Result<Vec<String>, Damage> {
    let mut from = Reader(coded);
    let mut names: Vec<String> = Vec::new();
    while !from.0.is_empty() {
        let shared = usize::from(u16::from_be_bytes(from.take("names")?));
        let before = names.last().map_or("", String::as_str);
        let head = before.get(..shared).ok_or(Damage::Field("names"))?;
        let name = [head, from.text("names")?].concat();
        names.push(name);
    }
    Ok(names)
}

fn shared_prefix(a: &str, b: &str) -> usize {
    let same = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    a.floor_char_boundary(same.min(usize::from(u16::MAX)))
}
