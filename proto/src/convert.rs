//! Conversions between what travels and what is meant. Whatever is missing or out of range is refused by name.

use tdferry_common::id::{ClaimId, Epoch, GroupId, ShardId};
use tdferry_common::lease::LeaseKey;
use tdferry_common::offset::Offset;
use tdferry_common::shard::{
    self, Checkpoint, Density, Differing, Estimate, Extra, Range, Shard, ShardKind, ShardState, Totals,
};
use tdferry_common::task::{Control, Cutoff, Found};
use tdferry_common::time::{Period, Precision};

use crate::status::ApiError;
use crate::v1;

/// A message that cannot mean anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: {problem}")]
pub struct BadMessage {
    field: &'static str,
    problem: String,
}

impl BadMessage {
    /// A field is wrong, in these words.
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }

    /// A field is missing.
    pub fn missing(field: &'static str) -> Self {
        Self::new(field, "missing")
    }
}

impl From<BadMessage> for ApiError {
    fn from(bad: BadMessage) -> Self {
        Self::Invalid(bad.to_string())
    }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl From<Period> for v1::Period {
    fn from(period: Period) -> Self {
        Self { from: period.from, to: period.to }
    }
}

impl TryFrom<v1::Period> for Period {
    type Error = BadMessage;
    fn try_from(period: v1::Period) -> Result<Self, BadMessage> {
        Self::new(period.from, period.to).map_err(|bad| BadMessage::new("period", bad.to_string()))
    }
}

impl From<Offset> for v1::Offset {
    fn from(offset: Offset) -> Self {
        Self { index: offset.index, next: offset.next }
    }
}

impl From<v1::Offset> for Offset {
    fn from(offset: v1::Offset) -> Self {
        Self { index: offset.index, next: offset.next }
    }
}

impl From<Totals> for v1::Totals {
    fn from(totals: Totals) -> Self {
        Self {
            read: totals.read,
            written: totals.written,
            rejected: totals.rejected,
            bytes: totals.bytes,
            tables: totals.tables,
            before: totals.before,
            source_counted: totals.source_counted,
            target_counted: totals.target_counted,
            expired: totals.expired,
            differing: Some(totals.differing.into()),
            kept: totals.kept,
            newest: totals.newest,
            late: totals.late,
            merged: totals.merged,
            left_out_high: high(totals.left_out),
            left_out_low: low(totals.left_out),
        }
    }
}

impl From<Differing> for v1::Differing {
    fn from(differing: Differing) -> Self {
        let Differing { tables, missing, extra, changed, unlike, extra_tables } = differing;
        Self { tables, missing, extra, changed, unlike, extra_tables }
    }
}

impl From<v1::Differing> for Differing {
    fn from(differing: v1::Differing) -> Self {
        let v1::Differing { tables, missing, extra, changed, unlike, extra_tables } = differing;
        Self { tables, missing, extra, changed, unlike, extra_tables }
    }
}

impl From<v1::Totals> for Totals {
    fn from(totals: v1::Totals) -> Self {
        Self {
            read: totals.read,
            written: totals.written,
            rejected: totals.rejected,
            bytes: totals.bytes,
            tables: totals.tables,
            before: totals.before,
            source_counted: totals.source_counted,
            target_counted: totals.target_counted,
            expired: totals.expired,
            differing: totals.differing.map(Differing::from).unwrap_or_default(),
            kept: totals.kept,
            newest: totals.newest,
            late: totals.late,
            merged: totals.merged,
            left_out: (u128::from(totals.left_out_high) << 64) | u128::from(totals.left_out_low),
        }
    }
}

fn high(sum: u128) -> u64 {
    low(sum >> 64)
}

fn low(sum: u128) -> u64 {
    u64::try_from(sum & u128::from(u64::MAX)).unwrap_or_default()
}

impl From<Checkpoint> for v1::Checkpoint {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            epoch: checkpoint.epoch.0,
            seq: checkpoint.seq,
            offset: Some(checkpoint.offset.into()),
            totals: Some(checkpoint.totals.into()),
            sum: sum_bytes(checkpoint.sum),
        }
    }
}

impl TryFrom<v1::Checkpoint> for Checkpoint {
    type Error = BadMessage;
    fn try_from(checkpoint: v1::Checkpoint) -> Result<Self, BadMessage> {
        let sum = sum_of(&checkpoint.sum, "checkpoint.sum")?;
        Ok(Self {
            epoch: Epoch(checkpoint.epoch),
            seq: checkpoint.seq,
            offset: checkpoint.offset.ok_or_else(|| BadMessage::missing("checkpoint.offset"))?.into(),
            totals: checkpoint.totals.ok_or_else(|| BadMessage::missing("checkpoint.totals"))?.into(),
            sum,
        })
    }
}

/// A sum of rows; nothing where it was not made.
fn sum_bytes(sum: Option<u128>) -> Vec<u8> {
    sum.map(|sum| sum.to_be_bytes().to_vec()).unwrap_or_default()
}

fn sum_of(bytes: &[u8], field: &'static str) -> Result<Option<u128>, BadMessage> {
    match bytes {
        [] => Ok(None),
        bytes => {
            let sum = bytes.try_into().map_err(|_| BadMessage::new(field, "16 bytes or none are wanted"))?;
            Ok(Some(u128::from_be_bytes(sum)))
        }
    }
}

impl From<ShardKind> for v1::ShardKind {
    fn from(kind: ShardKind) -> Self {
        match kind {
            ShardKind::Survey => Self::Survey,
            ShardKind::Schema => Self::Schema,
            ShardKind::Create => Self::Create,
            ShardKind::Copy(Density::Dense) => Self::CopyDense,
            ShardKind::Copy(Density::Sparse) => Self::CopySparse,
            ShardKind::VerifyTags => Self::VerifyTags,
            ShardKind::VerifyTables => Self::VerifyTables,
            ShardKind::Verify(Density::Dense) => Self::VerifyDense,
            ShardKind::Verify(Density::Sparse) => Self::VerifySparse,
            ShardKind::Repair(Density::Dense, Extra::Kept) => Self::RepairDense,
            ShardKind::Repair(Density::Sparse, Extra::Kept) => Self::RepairSparse,
            ShardKind::Repair(Density::Dense, Extra::Deleted) => Self::RepairDenseDeleting,
            ShardKind::Repair(Density::Sparse, Extra::Deleted) => Self::RepairSparseDeleting,
            ShardKind::Tail => Self::Tail,
        }
    }
}

impl TryFrom<v1::ShardKind> for ShardKind {
    type Error = BadMessage;
    fn try_from(kind: v1::ShardKind) -> Result<Self, BadMessage> {
        match kind {
            v1::ShardKind::Unspecified => Err(BadMessage::missing("shard.kind")),
            v1::ShardKind::Survey => Ok(Self::Survey),
            v1::ShardKind::Schema => Ok(Self::Schema),
            v1::ShardKind::Create => Ok(Self::Create),
            v1::ShardKind::CopyDense => Ok(Self::Copy(Density::Dense)),
            v1::ShardKind::CopySparse => Ok(Self::Copy(Density::Sparse)),
            v1::ShardKind::VerifyTags => Ok(Self::VerifyTags),
            v1::ShardKind::VerifyTables => Ok(Self::VerifyTables),
            v1::ShardKind::VerifyDense => Ok(Self::Verify(Density::Dense)),
            v1::ShardKind::VerifySparse => Ok(Self::Verify(Density::Sparse)),
            v1::ShardKind::RepairDense => Ok(Self::Repair(Density::Dense, Extra::Kept)),
            v1::ShardKind::RepairSparse => Ok(Self::Repair(Density::Sparse, Extra::Kept)),
            v1::ShardKind::RepairDenseDeleting => Ok(Self::Repair(Density::Dense, Extra::Deleted)),
            v1::ShardKind::RepairSparseDeleting => Ok(Self::Repair(Density::Sparse, Extra::Deleted)),
            v1::ShardKind::Tail => Ok(Self::Tail),
        }
    }
}

impl From<Shard> for v1::Shard {
    fn from(shard: Shard) -> Self {
        let (state, failure) = match shard.state {
            ShardState::Open => (v1::ShardState::Open, String::new()),
            ShardState::Done => (v1::ShardState::Done, String::new()),
            ShardState::Failed { reason } => (v1::ShardState::Failed, reason),
            ShardState::Differs { finding } => (v1::ShardState::Differs, finding),
        };
        Self {
            id: shard.id.into(),
            kind: v1::ShardKind::from(shard.kind).into(),
            group: shard.group.map(|group| group.0),
            range: Some(v1::Range { from: shard.range.from, to: shard.range.to }),
            period: Some(shard.period.into()),
            estimated_rows: shard.estimate.rows,
            estimated_bytes: shard.estimate.bytes,
            state: state.into(),
            failure,
            checkpoint: Some(shard.checkpoint.into()),
            claims: shard.claims,
            claim: shard.claim.map(|claim| claim.0),
            last_error: shard.last_error.unwrap_or_default(),
            expected: sum_bytes(shard.expected),
            round: shard.round,
        }
    }
}

impl TryFrom<v1::Shard> for Shard {
    type Error = BadMessage;
    fn try_from(shard: v1::Shard) -> Result<Self, BadMessage> {
        let kind = shard.kind().try_into()?;
        let state = match shard.state() {
            v1::ShardState::Unspecified => return Err(BadMessage::missing("shard.state")),
            v1::ShardState::Open => ShardState::Open,
            v1::ShardState::Done => ShardState::Done,
            v1::ShardState::Failed => ShardState::Failed { reason: shard.failure },
            v1::ShardState::Differs => ShardState::Differs { finding: shard.failure },
        };
        let range = shard.range.ok_or_else(|| BadMessage::missing("shard.range"))?;
        Ok(Self {
            id: shard_id(&shard.id)?,
            kind,
            group: shard.group.map(GroupId),
            range: Range { from: range.from, to: range.to },
            period: shard.period.ok_or_else(|| BadMessage::missing("shard.period"))?.try_into()?,
            estimate: Estimate { rows: shard.estimated_rows, bytes: shard.estimated_bytes },
            expected: sum_of(&shard.expected, "shard.expected")?,
            round: shard.round,
            state,
            checkpoint: shard
                .checkpoint
                .ok_or_else(|| BadMessage::missing("shard.checkpoint"))?
                .try_into()?,
            claims: shard.claims,
            claim: shard.claim.map(ClaimId),
            last_error: text(&shard.last_error),
        })
    }
}

fn shard_id(id: &str) -> Result<ShardId, BadMessage> {
    id.parse().map_err(|bad: tdferry_common::id::BadId| BadMessage::new("shard.id", bad.to_string()))
}

impl From<LeaseKey> for v1::LeaseKey {
    fn from(key: LeaseKey) -> Self {
        Self { task: key.task.to_string(), shard: key.shard.into(), epoch: key.epoch.0 }
    }
}

impl TryFrom<v1::LeaseKey> for LeaseKey {
    type Error = BadMessage;
    fn try_from(key: v1::LeaseKey) -> Result<Self, BadMessage> {
        let task = key.task.parse().map_err(|_| BadMessage::new("lease.task", "not the name of a task"))?;
        Ok(Self { task, shard: shard_id(&key.shard)?, epoch: Epoch(key.epoch) })
    }
}

impl From<Precision> for v1::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Milli => Self::Milli,
            Precision::Micro => Self::Micro,
            Precision::Nano => Self::Nano,
        }
    }
}

impl From<Cutoff> for v1::Cutoff {
    fn from(cutoff: Cutoff) -> Self {
        Self {
            units: cutoff.units,
            precision: v1::Precision::from(cutoff.precision).into(),
            from_source: cutoff.from_source,
        }
    }
}

impl TryFrom<v1::Cutoff> for Cutoff {
    type Error = BadMessage;
    fn try_from(cutoff: v1::Cutoff) -> Result<Self, BadMessage> {
        let precision = match cutoff.precision() {
            v1::Precision::Unspecified => return Err(BadMessage::missing("cutoff.precision")),
            v1::Precision::Milli => Precision::Milli,
            v1::Precision::Micro => Precision::Micro,
            v1::Precision::Nano => Precision::Nano,
        };
        Ok(Self { units: cutoff.units, precision, from_source: cutoff.from_source })
    }
}

impl From<Found> for v1::Found {
    fn from(found: Found) -> Self {
        Self {
            stables: found.stables,
            subtables: found.subtables,
            normal_tables: found.normal_tables,
            rows: found.rows,
            bytes: found.bytes,
            shards: found.shards,
        }
    }
}

impl From<v1::Found> for Found {
    fn from(found: v1::Found) -> Self {
        Self {
            stables: found.stables,
            subtables: found.subtables,
            normal_tables: found.normal_tables,
            rows: found.rows,
            bytes: found.bytes,
            shards: found.shards,
        }
    }
}

impl From<Control> for v1::Control {
    fn from(control: Control) -> Self {
        match control {
            Control::Run => Self::Run,
            Control::Pause => Self::Pause,
            Control::Stop => Self::Stop,
        }
    }
}

impl TryFrom<v1::Control> for Control {
    type Error = BadMessage;
    fn try_from(control: v1::Control) -> Result<Self, BadMessage> {
        match control {
            v1::Control::Unspecified => Err(BadMessage::missing("control")),
            v1::Control::Run => Ok(Self::Run),
            v1::Control::Pause => Ok(Self::Pause),
            v1::Control::Stop => Ok(Self::Stop),
        }
    }
}

impl v1::Ending {
    /// How a lease ends, and why if not well.
    pub fn of(outcome: shard::Outcome) -> (Self, String) {
        match outcome {
            shard::Outcome::Done => (Self::Done, String::new()),
            shard::Outcome::Differs { finding } => (Self::Differs, finding),
            shard::Outcome::Erred { reason } => (Self::Erred, reason),
            shard::Outcome::Failed { reason } => (Self::Failed, reason),
        }
    }
}

impl v1::CommitRequest {
    /// How the lease ends, or `None` where it goes on.
    pub fn outcome(&self) -> Option<shard::Outcome> {
        let reason = || self.reason.clone();
        match self.ending() {
            v1::Ending::Unspecified => None,
            v1::Ending::Done => Some(shard::Outcome::Done),
            v1::Ending::Differs => Some(shard::Outcome::Differs { finding: reason() }),
            v1::Ending::Erred => Some(shard::Outcome::Erred { reason: reason() }),
            v1::Ending::Failed => Some(shard::Outcome::Failed { reason: reason() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard() -> Shard {
        let period = Period { from: -5, to: 9 };
        let range = Range { from: 1, to: 4 };
        let kind = ShardKind::Copy(Density::Sparse);
        let planned = Shard::planned(ShardId::copy(GroupId(2), 3), kind, Some(GroupId(2)), range, period);
        let totals = Totals {
            read: 1,
            written: 2,
            rejected: 3,
            bytes: 4,
            tables: 5,
            before: Some(0),
            differing: Differing { tables: 6, missing: 7, extra: 8, changed: 9, unlike: 3, extra_tables: 4 },
            kept: 10,
            newest: Some(-11),
            late: 12,
            ..Totals::default()
        };
        let offset = Offset { index: 2, next: 0 };
        let checkpoint = Checkpoint { epoch: Epoch(8), seq: 6, offset, totals, sum: Some(1 << 100) };
        let state = ShardState::Failed { reason: "why".into() };
        Shard {
            checkpoint,
            state,
            expected: Some(u128::MAX),
            round: 2,
            claims: 2,
            claim: Some(ClaimId(5)),
            last_error: Some("x".into()),
            ..planned
        }
    }

    #[test]
    fn a_shard_survives_the_wire() {
        assert_eq!(Shard::try_from(v1::Shard::from(shard())), Ok(shard()));
    }

    #[test]
    fn what_is_missing_is_named() {
        let whole = v1::Shard::from(shard());
        let refused = |broken: v1::Shard| Shard::try_from(broken).unwrap_err().to_string();
        assert!(refused(v1::Shard { range: None, ..whole.clone() }).contains("shard.range"));
        assert!(refused(v1::Shard { kind: 0, ..whole.clone() }).contains("shard.kind"));
        assert!(refused(v1::Shard { state: 99, ..whole.clone() }).contains("shard.state"));
        assert!(refused(v1::Shard { id: "NO".into(), ..whole }).contains("shard.id"));
    }

    #[test]
    fn every_control_survives_the_wire() {
        for control in [Control::Run, Control::Pause, Control::Stop] {
            assert_eq!(v1::Control::from(control).try_into(), Ok(control));
        }
    }
}
