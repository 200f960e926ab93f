//! The record of a shard: fixed binary, under 1.2 KB. Its name is in its key.

use tdferry_common::id::{ClaimId, Epoch, GroupId, ShardId};
use tdferry_common::offset::Offset;
use tdferry_common::shard::{
    Checkpoint, Density, Differing, Estimate, Extra, Range, Shard, ShardKind, ShardState, Totals,
};
use tdferry_common::time::Period;

use super::frame::{Damage, Reader, Writer, open_since, seal};

/// Version 2 added what comparing needs, and whether a sum was made; version 3 rows that the target kept; version
/// 4 what else a comparison tells apart; version 5 what a tail tells.
const VERSION: u8 = 5;
const OLDEST: u8 = 1;
const KEPT_SINCE: u8 = 3;
const TOLD_APART_SINCE: u8 = 4;
const TAILS_SINCE: u8 = 5;
/// Two reasons of this length and the fixed fields stay below 1.2 KB, so that a hundred thousand shards fit etcd.
pub(super) const MAX_REASON: u16 = 440;

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
        ShardState::Differs { finding } => (3, finding.as_str()),
    };
    out.bytes(&[code]);
    out.text(reason, MAX_REASON);
    out.bytes(&[u8::from(shard.last_error.is_some())]);
    out.text(shard.last_error.as_deref().unwrap_or_default(), MAX_REASON);
    write_compared(&mut out, shard);
    out.option(shard.checkpoint.totals.newest.map(i64::to_be_bytes));
    out.bytes(&shard.checkpoint.totals.late.to_be_bytes());
    seal(VERSION, &out.0)
}

/// The shard behind a record.
pub(crate) fn decode_shard(id: &ShardId, bytes: &[u8]) -> Result<Shard, Damage> {
    let (version, payload) = open_since(OLDEST, VERSION, bytes)?;
    let mut from = Reader(payload);
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
    let mut checkpoint = read_checkpoint(&mut from)?;
    let claims = u32::from_be_bytes(from.take("claims")?);
    let claim = from.option("claim")?.map(|claim| ClaimId(u64::from_be_bytes(claim)));
    let state = match (from.take("state")?, from.text("reason")?) {
        ([0], "") => ShardState::Open,
        ([1], "") => ShardState::Done,
        ([2], reason) => ShardState::Failed { reason: reason.to_owned() },
        ([3], finding) => ShardState::Differs { finding: finding.to_owned() },
        _ => return Err(Damage::Field("state")),
    };
    let last_error = match (from.take("last error")?, from.text("last error")?) {
        ([0], "") => None,
        ([1], text) => Some(text.to_owned()),
        _ => return Err(Damage::Field("last error")),
    };
    let compared = if version == OLDEST { Compared::default() } else { read_compared(&mut from, version)? };
    if version >= TAILS_SINCE {
        checkpoint.totals.newest = from.option("newest")?.map(i64::from_be_bytes);
        checkpoint.totals.late = u64::from_be_bytes(from.take("late")?);
    }
    from.end()?;
    let Compared { expected, round, differing, summed, kept, merged, left_out } = compared;
    let totals = &mut checkpoint.totals;
    (totals.kept, totals.merged, totals.left_out) = (kept, merged, left_out);
    checkpoint.totals.differing = differing;
    checkpoint.sum = checkpoint.sum.filter(|_| summed);
    Ok(Shard {
        id: id.clone(),
        kind,
        group,
        range,
        period,
        estimate,
        expected,
        round,
        state,
        checkpoint,
        claims,
        claim,
        last_error,
    })
}

/// What version 2 added, behind everything else.
#[derive(Default)]
struct Compared {
    expected: Option<u128>,
    round: u32,
    differing: Differing,
    summed: bool,
    kept: u64,
    merged: u64,
    left_out: u128,
}

fn write_compared(out: &mut Writer, shard: &Shard) {
    let Totals { kept, merged, left_out, differing, .. } = shard.checkpoint.totals;
    let Differing { tables, missing, extra, changed, unlike, extra_tables } = differing;
    out.option(shard.expected.map(u128::to_be_bytes));
    out.bytes(&shard.round.to_be_bytes());
    for count in [tables, missing, extra, changed] {
        out.bytes(&count.to_be_bytes());
    }
    out.bytes(&[u8::from(shard.checkpoint.sum.is_some())]);
    for count in [kept, merged, unlike, extra_tables] {
        out.bytes(&count.to_be_bytes());
    }
    out.bytes(&left_out.to_be_bytes());
}

fn read_compared(from: &mut Reader<'_>, version: u8) -> Result<Compared, Damage> {
    let expected = from.option("expected sum")?.map(u128::from_be_bytes);
    let round = u32::from_be_bytes(from.take("round")?);
    let mut count = || from.take("differing").map(u64::from_be_bytes);
    let (tables, missing, extra, changed) = (count()?, count()?, count()?, count()?);
    let summed = match from.take("summed")? {
        [0] => false,
        [1] => true,
        _ => return Err(Damage::Field("summed")),
    };
    let kept = if version < KEPT_SINCE { 0 } else { u64::from_be_bytes(from.take("kept")?) };
    let differing = Differing { tables, missing, extra, changed, ..Differing::default() };
    let former = Compared { expected, round, differing, summed, kept, ..Compared::default() };
    if version < TOLD_APART_SINCE {
        return Ok(former);
    }
    let mut count = || from.take("told apart").map(u64::from_be_bytes);
    let (merged, unlike, extra_tables) = (count()?, count()?, count()?);
    let left_out = u128::from_be_bytes(from.take("left out")?);
    Ok(Compared { differing: Differing { unlike, extra_tables, ..differing }, merged, left_out, ..former })
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
    out.bytes(&sum.unwrap_or_default().to_be_bytes());
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
    let sum = Some(u128::from_be_bytes(from.take("sum")?));
    let counts = Totals { read, written, rejected, bytes, tables, ..Totals::default() };
    let totals = Totals { before, source_counted, target_counted, expired, ..counts };
    Ok(Checkpoint { epoch, seq, offset, totals, sum })
}

const fn kind_code(kind: ShardKind) -> u8 {
    match kind {
        ShardKind::Survey => 1,
        ShardKind::Schema => 2,
        ShardKind::Create => 3,
        ShardKind::Copy(Density::Dense) => 4,
        ShardKind::Copy(Density::Sparse) => 5,
        ShardKind::VerifyTags => 6,
        ShardKind::VerifyTables => 13,
        ShardKind::Verify(Density::Dense) => 7,
        ShardKind::Verify(Density::Sparse) => 8,
        ShardKind::Repair(Density::Dense, Extra::Kept) => 9,
        ShardKind::Repair(Density::Sparse, Extra::Kept) => 10,
        ShardKind::Repair(Density::Dense, Extra::Deleted) => 11,
        ShardKind::Repair(Density::Sparse, Extra::Deleted) => 12,
        ShardKind::Tail => 14,
    }
}

const fn kind_of([code]: [u8; 1]) -> Result<ShardKind, Damage> {
    match code {
        1 => Ok(ShardKind::Survey),
        2 => Ok(ShardKind::Schema),
        3 => Ok(ShardKind::Create),
        4 => Ok(ShardKind::Copy(Density::Dense)),
        5 => Ok(ShardKind::Copy(Density::Sparse)),
        6 => Ok(ShardKind::VerifyTags),
        7 => Ok(ShardKind::Verify(Density::Dense)),
        8 => Ok(ShardKind::Verify(Density::Sparse)),
        9 => Ok(ShardKind::Repair(Density::Dense, Extra::Kept)),
        10 => Ok(ShardKind::Repair(Density::Sparse, Extra::Kept)),
        11 => Ok(ShardKind::Repair(Density::Dense, Extra::Deleted)),
        12 => Ok(ShardKind::Repair(Density::Sparse, Extra::Deleted)),
        13 => Ok(ShardKind::VerifyTables),
        14 => Ok(ShardKind::Tail),
        _ => Err(Damage::Field("kind")),
    }
}
