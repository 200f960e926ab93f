//! The header every answer carries. Operations know only their revision; the server adds who it is.

use etcd_client::proto::PbResponseHeader;

/// One process is always its own leader; the term never changes.
pub(crate) const RAFT_TERM: u64 = 1;

/// Who answers: made from the store's seed, so that it stays the same over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster: u64,
    pub(crate) member: u64,
}

impl Identity {
    pub(crate) fn from_seed(seed: u64) -> Self {
        let cluster = crate::lease::mix(seed);
        Self { cluster, member: crate::lease::mix(cluster) }
    }

    /// Completes the header of an answer that so far has a revision only.
    pub(crate) fn sign(self, header: &mut Option<PbResponseHeader>) {
        let header = header.get_or_insert_default();
        header.cluster_id = self.cluster;
        header.member_id = self.member;
        header.raft_term = RAFT_TERM;
    }
}

pub(crate) fn at_revision(revision: i64) -> PbResponseHeader {
    PbResponseHeader { revision, ..PbResponseHeader::default() }
}
