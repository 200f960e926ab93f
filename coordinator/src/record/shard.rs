//! The record of a shard: fixed binary, under 1.2 KB. Its name is in its key.

use tdferry_common::id::{ClaimId, Epoch, GroupId, ShardId};
use tdferry_common::offset::Offset;
use tdferry_common::shard::{Checkpoint, Density, Estimate, Range, Shard, ShardKind, ShardState, Totals};
use tdferry_common::time::Period;

use super::frame::{Damage, Reader, Writer, open, seal};

const VERSION: u8 = 1;
/// Two reasons of this length and the fixed fields stay below 1.2 KB, so that a hundred thousand shards fit etcd.
pub(super) const MAX_REASON: u16 = 480;

/// The record of a shard. Reasons are cut to `MAX_REASON` bytes.
pub(crate) fn encode_shard(shard: &Shard) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes(&[kind_code(shard.kind)]);
    out.option(shard.group.map(|group| group.0.to_be_bytes()));
    out.bytes(&shard.range.from.to_be_bytes());
    out.bytes(&shard.range.to.to_be_bytes());
    out.bytes(&shard.period.from.to_be_bytes());
    out.bytes(&shard.period.to.to_be_bytes());
    out.bytes(&shard.estimate.rows.to_be_bytes());
    out.bytes(&shard.estimate.bytes.to_be_bytes());
    write_checkpoint(&mut out, &shard.checkpoint);
    out.bytes(&shard.claims.to_be_bytes());
    out.option(shard.claim.map(|claim| claim.0.to_be_bytes()));
    let (code, reason) = match &shard.state {
        ShardState::Open => (0, ""),
        ShardState::Done => (1, ""),
        ShardState::Failed { reason } => (2, reason.as_str()),
    };
    out.bytes(&[code]);
    out.text(reason, MAX_REASON);
    out.bytes(&[u8::from(shard.last_error.is_some())]);
    out.text(shard.last_error.as_deref().unwrap_or_default(), MAX_REASON);
    seal(VERSION, &out.0)
}

/// The shard behind a record.
pub(crate) fn decode_shard(id: &ShardId, bytes: &[u8]) -> Result<Shard, Damage> {
    let mut from = Reader(open(VERSION, bytes)?);
    let kind = kind_of(from.take("kind")?)?;
    let group = from.option("group")?.map(|group| GroupId(u32::from_be_bytes(group)));
    let range =
        Range { from: u32::from_be_bytes(from.take("range")?), to: u32::from_be_bytes(from.take("range")?) };
    let period = Period {
        from: i64::from_be_bytes(from.take("period")?),
        to: i64::from_be_bytes(from.take("period")?),
    };
    let estimate = Estimate {
        rows: u64::from_be_bytes(from.take("estimate")?),
        bytes: u64::from_be_bytes(from.take("estimate")?),
    };
    let checkpoint = read_checkpoint(&mut from)?;
    let claims = u32::from_be_bytes(from.take("claims")?);
    let claim = from.option("claim")?.map(|claim| ClaimId(u64::from_be_bytes(claim)));
    let state = match (from.take("state")?, from.text("reason")?) {
        ([0], "") => ShardState::Open,
        ([1], "") => ShardState::Done,
        ([2], reason) => ShardState::Failed { reason: reason.to_owned() },
        _ => return Err(Damage::Field("state")),
    };
    let last_error = match (from.take("last error")?, from.text("last error")?) {
        ([0], "") => None,
        ([1], text) => Some(text.to_owned()),
        _ => return Err(Damage::Field("last error")),
    };
    from.end()?;
    let id = id.clone();
    Ok(Shard { id, kind, group, range, period, estimate, state, checkpoint, claims, claim, last_error })
}

fn write_checkpoint(out: &mut Writer, checkpoint: &Checkpoint) {
    let Checkpoint { epoch, seq, offset, totals, sum } = checkpoint;
    out.bytes(&epoch.0.to_be_bytes());
    out.bytes(&seq.to_be_bytes());
    out.bytes(&offset.index.to_be_bytes());
    out.bytes(&offset.next.to_be_bytes());
    for count in [totals.read, totals.written, totals.rejected, totals.bytes, totals.tables] {
        out.bytes(&count.to_be_bytes());
    }
    out.option(totals.before.map(u64::to_be_bytes));
    for count in [totals.source_counted, totals.target_counted, totals.expired] {
        out.bytes(&count.to_be_bytes());
    }
    out.bytes(&sum.to_be_bytes());
}

fn read_checkpoint(from: &mut Reader<'_>) -> Result<Checkpoint, Damage> {
    let epoch = Epoch(i64::from_be_bytes(from.take("epoch")?));
    let seq = u64::from_be_bytes(from.take("seq")?);
    let offset = Offset {
        index: u32::from_be_bytes(from.take("offset")?),
        next: i64::from_be_bytes(from.take("offset")?),
    };
    let mut count = |field| from.take(field).map(u64::from_be_bytes);
    let (read, written, rejected) = (count("read")?, count("written")?, count("rejected")?);
    let (bytes, tables) = (count("bytes")?, count("tables")?);
    let before = from.option("before")?.map(u64::from_be_bytes);
    let mut count = |field| from.take(field).map(u64::from_be_bytes);
    let (source_counted, target_counted) = (count("source count")?, count("target count")?);
    let expired = count("expired")?;
    let sum = u128::from_be_bytes(from.take("sum")?);
    let totals =
        Totals { read, written, rejected, bytes, tables, before, source_counted, target_counted, expired };
    Ok(Checkpoint { epoch, seq, offset, totals, sum })
}

const fn kind_code(kind: ShardKind) -> u8 {
    match kind {
        ShardKind::Survey => 1,
        ShardKind::Schema => 2,
        ShardKind::Create => 3,
        ShardKind::Copy(Density::Dense) => 4,
        ShardKind::Copy(Density::Sparse) => 5,
    }
}

const fn kind_of([code]: [u8; 1]) -> Result<ShardKind, Damage> {
    match code {
        1 => Ok(ShardKind::Survey),
        2 => Ok(ShardKind::Schema),
        3 => Ok(ShardKind::Create),
        4 => Ok(ShardKind::Copy(Density::Dense)),
        5 => Ok(ShardKind::Copy(Density::Sparse)),
        _ => Err(Damage::Field("kind")),
    }
}
