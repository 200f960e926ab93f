//! The record of a lease: who holds it. Its epoch is the revision that created its key.

use tdferry_common::id::{ClaimId, SessionId, WorkerId};

use super::frame::{Damage, Reader, Writer, open, seal};

const VERSION: u8 = 1;

/// What the key of a lease holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseRecord {
    /// By whom it was claimed.
    pub(crate) worker: WorkerId,
    /// The session it vanishes with.
    pub(crate) session: SessionId,
    /// By which claim, so that one whose answer was lost is recognised.
    pub(crate) claim: ClaimId,
}

impl LeaseRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.bytes(&self.worker.0.to_be_bytes());
        out.bytes(&self.session.0.to_be_bytes());
        out.bytes(&self.claim.0.to_be_bytes());
        seal(VERSION, &out.0)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut from = Reader(open(VERSION, bytes)?);
        let worker = WorkerId(u64::from_be_bytes(from.take("worker")?));
        let session = SessionId(i64::from_be_bytes(from.take("session")?));
        let claim = ClaimId(u64::from_be_bytes(from.take("claim")?));
        from.end()?;
        Ok(Self { worker, session, claim })
    }
}
