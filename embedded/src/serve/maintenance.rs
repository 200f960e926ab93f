//! etcd's Maintenance service, as far as one process without alarms and quota has one.

use etcd_client::proto::{
    PbAlarmRequest, PbAlarmResponse, PbDefragmentRequest, PbDefragmentResponse, PbDowngradeRequest,
    PbDowngradeResponse, PbHashKvRequest, PbHashKvResponse, PbHashRequest, PbHashResponse,
    PbMaintenanceService, PbMoveLeaderRequest, PbMoveLeaderResponse, PbSnapshotRequest, PbSnapshotResponse,
    PbStatusRequest, PbStatusResponse,
};
use tokio_stream::Empty;
use tonic::{Request, Response, Status};

use super::Services;
use super::router::not_offered;
use crate::header::{RAFT_TERM, at_revision};
use crate::kv::hash;

/// The etcd whose answers are given here.
const VERSION: &str = "3.4.0-embedded";
/// In an alarm request: "tell me the alarms"; it is the only action that can do anything here.
const ALARM_GET: i32 = 0;

#[async_trait::async_trait]
impl PbMaintenanceService for Services {
    /// There are no alarms: space is refused by the disk, not by a quota.
    async fn alarm(&self, request: Request<PbAlarmRequest>) -> Result<Response<PbAlarmResponse>, Status> {
        if request.into_inner().action != ALARM_GET {
            return Err(not_offered("alarms to set or to clear"));
        }
        let mut answer = PbAlarmResponse::default();
        self.sign_now(&mut answer.header)?;
        Ok(Response::new(answer))
    }

    async fn status(&self, _request: Request<PbStatusRequest>) -> Result<Response<PbStatusResponse>, Status> {
        let now = self.engine.read(|_, now| now)?;
        let size = i64::try_from(self.engine.size()).unwrap_or(i64::MAX);
        let index = now.cast_unsigned();
        let mut answer = PbStatusResponse {
            version: VERSION.to_owned(),
            db_size: size,
            db_size_in_use: size,
            leader: self.engine.identity().member,
            raft_index: index,
            raft_applied_index: index,
            raft_term: RAFT_TERM,
            ..PbStatusResponse::default()
        };
        self.sign_now(&mut answer.header)?;
        Ok(Response::new(answer))
    }

    async fn hash(&self, _request: Request<PbHashRequest>) -> Result<Response<PbHashResponse>, Status> {
        let hash = self.engine.read(|state, now| hash(&state.history, now))?;
        let mut answer = PbHashResponse { header: None, hash };
        self.sign_now(&mut answer.header)?;
        Ok(Response::new(answer))
    }

    async fn hash_kv(&self, request: Request<PbHashKvRequest>) -> Result<Response<PbHashKvResponse>, Status> {
        let revision = request.into_inner().revision;
        let (hash, compact_revision) = self.engine.read(|state, now| {
            let at = state.history.check_readable(revision, now)?;
            Ok::<_, Status>((hash(&state.history, at), state.history.compacted()))
        })??;
        let mut answer = PbHashKvResponse { hash, compact_revision, ..PbHashKvResponse::default() };
        self.sign_now(&mut answer.header)?;
        Ok(Response::new(answer))
    }

    async fn defragment(
        &self,
        _request: Request<PbDefragmentRequest>,
    ) -> Result<Response<PbDefragmentResponse>, Status> {
        Err(not_offered("defragmentation (its file reuses free pages by itself)"))
    }

    type SnapshotStream = Empty<Result<PbSnapshotResponse, Status>>;

    async fn snapshot(
        &self,
        _request: Request<PbSnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        Err(not_offered("a snapshot (copy its file while it is closed)"))
    }

    async fn move_leader(
        &self,
        _request: Request<PbMoveLeaderRequest>,
    ) -> Result<Response<PbMoveLeaderResponse>, Status> {
        Err(not_offered("another leader"))
    }

    async fn downgrade(
        &self,
        _request: Request<PbDowngradeRequest>,
    ) -> Result<Response<PbDowngradeResponse>, Status> {
        Err(not_offered("a downgrade"))
    }
}

impl Services {
    fn sign_now(&self, header: &mut Option<etcd_client::proto::PbResponseHeader>) -> Result<(), Status> {
        *header = Some(at_revision(self.engine.read(|_, now| now)?));
        self.engine.identity().sign(header);
        Ok(())
    }
}
