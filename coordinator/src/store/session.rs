//! A worker's liveness: its session, which is a lease of etcd's, and the members' records that hang on one.

use tdferry_common::id::SessionId;

use etcd_client::LeaseGrantOptions;

use super::Store;
use super::error::StoreError;
use super::guarded::Guarded;
use crate::keys;
use crate::record::{CoordinatorRecord, WorkerRecord};

/// Whether a session goes on. A yes saves work; it is never a reason to believe in a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// The store extended it.
    Alive,
    /// It is over, and everything that hung on it is gone.
    Gone,
}

/// Ids are drawn at random from 63 bits: a second draw is a curiosity, a fourth a broken seed.
const MAX_DRAWS: u32 = 4;

impl Store {
    /// Opens a session that outlives its last beat by the TTL.
    pub(crate) async fn grant(&self) -> Result<SessionId, StoreError> {
        for _ in 0..MAX_DRAWS {
            // the id is ours, so that a grant whose answer was lost is recognised when it is repeated
            let id = i64::try_from(self.wire().random() >> 1).unwrap_or(i64::MAX).max(1);
            let mut tries = 0_u32;
            let granted = self
                .wire()
                .until_answered("open a session", || {
                    tries += 1;
                    let (mut lease, ttl) = (self.wire().lease.clone(), self.timing().session_ttl_seconds());
                    async move { lease.grant(ttl, Some(LeaseGrantOptions::new().with_id(id))).await }
                })
                .await;
            match granted {
                Ok(_) => return Ok(SessionId(id)),
                Err(StoreError::Invalid(message)) if message.contains("lease already exists") => {
                    if tries > 1 {
                        return Ok(SessionId(id));
                    }
                }
                Err(err) => return Err(err),
            }
        }
        Err(StoreError::Contended("open a session"))
    }

    /// Extends a session.
    pub(crate) async fn keep_alive(&self, session: SessionId) -> Result<Beat, StoreError> {
        let beat = self
            .wire()
            .until_answered("keep a session", || {
                let mut lease = self.wire().lease.clone();
                async move { lease.keep_alive(session.0).await }
            })
            .await;
        gone_or(beat)
    }

    /// Ends a session: its leases are free at once. That it is over already is fine.
    pub(crate) async fn revoke(&self, session: SessionId) -> Result<Beat, StoreError> {
        let revoked = self
            .wire()
            .until_answered("end a session", || {
                let mut lease = self.wire().lease.clone();
                async move { lease.revoke(session.0).await }
            })
            .await;
        gone_or(revoked)
    }

    /// Shows a worker as it is, for as long as its session lasts.
    pub(crate) async fn put_worker(&self, worker: &WorkerRecord) -> Result<Beat, StoreError> {
        let put =
            Guarded::new("worker").put_for(worker.session, keys::worker(worker.worker), worker.encode());
        gone_or(self.run(put).await)
    }

    /// Shows a coordinator, for as long as its session lasts.
    pub(crate) async fn put_coordinator(
        &self,
        id: &str,
        session: SessionId,
        record: &CoordinatorRecord,
    ) -> Result<Beat, StoreError> {
        let put = Guarded::new("coordinator").put_for(session, keys::coordinator(id), record.encode());
        gone_or(self.run(put).await)
    }
}

fn gone_or<T>(answer: Result<T, StoreError>) -> Result<Beat, StoreError> {
    match answer {
        Ok(_) => Ok(Beat::Alive),
        Err(StoreError::SessionGone) => Ok(Beat::Gone),
        Err(err) => Err(err),
    }
}
