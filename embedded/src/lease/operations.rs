//! The lease requests as operations of the engine.

use etcd_client::proto::{
    PbLeaseGrantRequest, PbLeaseGrantResponse, PbLeaseKeepAliveRequest, PbLeaseKeepAliveResponse,
    PbLeaseLeasesRequest, PbLeaseLeasesResponse, PbLeaseRevokeRequest, PbLeaseRevokeResponse, PbLeaseStatus,
    PbLeaseTimeToLiveRequest, PbLeaseTimeToLiveResponse,
};
use tokio::time::Instant;

use crate::engine::Operation;
use crate::header::at_revision;
use crate::refusal::Refusal;
use crate::state::State;

/// What etcd answers about a lease it does not know.
const UNKNOWN_LEASE_TTL: i64 = -1;

impl Operation for PbLeaseGrantRequest {
    type Answer = PbLeaseGrantResponse;

    fn apply(self, state: &mut State, now: Instant) -> Result<Self::Answer, Refusal> {
        let (id, ttl) = state.leases.grant(self.id, self.ttl, now)?;
        state.batch.put_lease(id, ttl);
        state.batch.set_granted(state.leases.granted());
        Ok(PbLeaseGrantResponse {
            header: Some(at_revision(state.history.revision())),
            id,
            ttl,
            error: String::new(),
        })
    }
}

impl Operation for PbLeaseRevokeRequest {
    type Answer = PbLeaseRevokeResponse;

    fn apply(self, state: &mut State, _now: Instant) -> Result<Self::Answer, Refusal> {
        state.end_lease(self.id)?;
        Ok(PbLeaseRevokeResponse { header: Some(at_revision(state.history.revision())) })
    }
}

impl Operation for PbLeaseKeepAliveRequest {
    type Answer = PbLeaseKeepAliveResponse;

    /// A lease that is gone is answered with a TTL of zero, not with an error.
    fn apply(self, state: &mut State, now: Instant) -> Result<Self::Answer, Refusal> {
        let ttl = state.leases.renew(self.id, now).unwrap_or(0);
        let header = Some(at_revision(state.history.revision()));
        Ok(PbLeaseKeepAliveResponse { header, id: self.id, ttl })
    }
}

impl Operation for PbLeaseTimeToLiveRequest {
    type Answer = PbLeaseTimeToLiveResponse;

    fn apply(self, state: &mut State, now: Instant) -> Result<Self::Answer, Refusal> {
        let mut answer = PbLeaseTimeToLiveResponse {
            header: Some(at_revision(state.history.revision())),
            id: self.id,
            ttl: UNKNOWN_LEASE_TTL,
            ..PbLeaseTimeToLiveResponse::default()
        };
        if let Some(lease) = state.leases.state(self.id, now) {
            answer.ttl = lease.remaining;
            answer.granted_ttl = lease.granted_ttl;
            if self.keys {
                answer.keys = lease.keys.iter().map(|key| key.to_vec()).collect();
            }
        }
        Ok(answer)
    }
}

impl Operation for PbLeaseLeasesRequest {
    type Answer = PbLeaseLeasesResponse;

    fn apply(self, state: &mut State, _now: Instant) -> Result<Self::Answer, Refusal> {
        let leases = state.leases.ids().map(|id| PbLeaseStatus { id }).collect();
        Ok(PbLeaseLeasesResponse { header: Some(at_revision(state.history.revision())), leases })
    }
}
