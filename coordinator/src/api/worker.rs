//! What workers call.

use futures_util::StreamExt;
use tdferry_common::id::{GroupId, SessionId, WorkerId};
use tdferry_common::lease::LeaseKey;
use tdferry_proto::BadMessage;
use tdferry_proto::status::ApiError;
use tdferry_proto::v1;
use tdferry_proto::v1::worker_service_server::WorkerService;
use tonic::{Request, Response, Status, Streaming};

use super::survey;
use crate::coordinator::Coordinator;
use crate::intake::intake;
use crate::leases::{
    self, Asked, Beaten, Beating, Claimant, CutAsked, Directive, Granted, Grants, GrowAsked,
};
use crate::planner::Wanted;
use crate::record::{NoticeRecord, WaitingFor, WaitingRecord, WorkerRecord};
use crate::sessions;
use crate::store::Committed;
use crate::tasks::Kept;
use crate::versions::{self, Fit};

/// The service for workers.
pub(super) struct WorkerApi(pub(super) Coordinator);

/// Slots of one worker: more is a mistake in its flags.
const MAX_SLOTS: u32 = 4_096;
/// The last error of a database is shown on a line or two, and stored with each change.
const MAX_WAITING_MESSAGE: usize = 400;
/// A notice names some tables and columns, and what to do.
const MAX_NOTICE_MESSAGE: usize = 1_000;
/// As many as a worker tells with one heartbeat; more would make its record large.
const MAX_NOTICES: usize = 16;

#[tonic::async_trait]
impl WorkerService for WorkerApi {
    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        let core = self.0.core();
        let sent = request.into_inner();
        let (worker, host, slots) = (WorkerId(sent.worker), sent.host.clone(), sent.slots);
        let session = sessions::open(&core.store, registered(sent)?).await.map_err(ApiError::from)?;
        tracing::info!(%worker, %session, host, slots, "worker registered");
        let heartbeat_millis = u64::try_from(core.timing().heartbeat.as_millis()).unwrap_or(u64::MAX);
        Ok(Response::new(v1::RegisterResponse { session: session.0, heartbeat_millis }))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let beaten =
            leases::heartbeat(self.0.core(), beating(request.into_inner())?).await.map_err(ApiError::from)?;
        Ok(Response::new(match beaten {
            Beaten::SessionGone => v1::HeartbeatResponse { session_lost: true, directives: Vec::new() },
            Beaten::Directives(directives) => v1::HeartbeatResponse {
                session_lost: false,
                directives: directives.into_iter().map(directive).collect(),
            },
        }))
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Result<Response<v1::ClaimResponse>, Status> {
        let sent = request.into_inner();
        let claimant = Claimant {
            worker: WorkerId(sent.worker),
            session: SessionId(sent.session),
            slots: usize::try_from(sent.slots).unwrap_or(usize::MAX),
            tail_slots: usize::try_from(sent.tail_slots).unwrap_or(usize::MAX),
        };
        match leases::claim(self.0.core(), claimant).await.map_err(ApiError::from)? {
            Grants::SessionGone => {
                Ok(Response::new(v1::ClaimResponse { leases: Vec::new(), session_lost: true }))
            }
            Grants::Leases(granted) => {
                let leases = granted.into_iter().map(claimed).collect::<Result<_, _>>()?;
                Ok(Response::new(v1::ClaimResponse { leases, session_lost: false }))
            }
        }
    }

    async fn commit(
        &self,
        request: Request<v1::CommitRequest>,
    ) -> Result<Response<v1::CommitResponse>, Status> {
        let asked = asked(request.into_inner())?;
        let committed = leases::commit(self.0.core(), asked).await.map_err(ApiError::from)?;
        let (verdict, message) = verdict(committed);
        Ok(Response::new(v1::CommitResponse { verdict: verdict.into(), message }))
    }

    async fn cut(&self, request: Request<v1::CutRequest>) -> Result<Response<v1::CutResponse>, Status> {
        let asked = cut_asked(request.into_inner())?;
        let (committed, shard) = leases::cut(self.0.core(), asked).await.map_err(ApiError::from)?;
        let (verdict, message) = verdict(committed);
        Ok(Response::new(v1::CutResponse { verdict: verdict.into(), message, shard: shard.map(Into::into) }))
    }

    async fn grow(&self, request: Request<v1::GrowRequest>) -> Result<Response<v1::GrowResponse>, Status> {
        let asked = grow_asked(request.into_inner())?;
        let committed = leases::grow(self.0.core(), asked).await.map_err(ApiError::from)?;
        let (verdict, message) = verdict(committed);
        Ok(Response::new(v1::GrowResponse { verdict: verdict.into(), message }))
    }

    async fn names(&self, request: Request<v1::NamesRequest>) -> Result<Response<v1::NamesResponse>, Status> {
        let sent = request.into_inner();
        let (key, after) = (key(sent.key)?, sent.after.map(GroupId));
        let named = leases::names(self.0.core(), &key, after).await.map_err(ApiError::from)?;
        let leases::Named { group, names, stables } = named;
        Ok(Response::new(v1::NamesResponse { names, group: group.map(|group| group.0), stables }))
    }

    async fn release(
        &self,
        request: Request<v1::ReleaseRequest>,
    ) -> Result<Response<v1::ReleaseResponse>, Status> {
        let key = key(request.into_inner().key)?;
        leases::release(self.0.core(), &key).await.map_err(ApiError::from)?;
        let LeaseKey { task, shard, epoch } = &key;
        tracing::info!(%task, %shard, %epoch, "lease released");
        Ok(Response::new(v1::ReleaseResponse {}))
    }

    async fn survey(
        &self,
        request: Request<Streaming<v1::SurveyRequest>>,
    ) -> Result<Response<v1::SurveyResponse>, Status> {
        let parts = request.into_inner().map(|sent| survey::part(sent.map_err(ApiError::from)?));
        let surveyed = Box::pin(intake(self.0.core(), parts)).await?;
        Ok(Response::new(survey::answer(surveyed)))
    }

    async fn leave(&self, request: Request<v1::LeaveRequest>) -> Result<Response<v1::LeaveResponse>, Status> {
        let sent = request.into_inner();
        let (worker, session) = (WorkerId(sent.worker), SessionId(sent.session));
        sessions::close(&self.0.core().store, worker, session).await.map_err(ApiError::from)?;
        Ok(Response::new(v1::LeaveResponse {}))
    }
}

fn registered(sent: v1::RegisterRequest) -> Result<WorkerRecord, ApiError> {
    if sent.slots == 0 || sent.slots > MAX_SLOTS {
        return Err(BadMessage::new("slots", format!("1 to {MAX_SLOTS} are wanted")).into());
    }
    match versions::check(&sent.version) {
        Ok(Fit::Good) => {}
        Ok(Fit::FarApart) => {
            tracing::warn!(worker = %WorkerId(sent.worker), version = sent.version, "worker is versions apart; upgrade it soon");
        }
        Err(unfit) => return Err(ApiError::Conflict(unfit.to_string())),
    }
    Ok(WorkerRecord {
        worker: WorkerId(sent.worker),
        session: SessionId(0),
        host: sent.host,
        version: sent.version,
        slots: sent.slots,
        labels: sent.labels,
        draining: false,
        waiting: Vec::new(),
        notices: Vec::new(),
    })
}

fn beating(sent: v1::HeartbeatRequest) -> Result<Beating, ApiError> {
    Ok(Beating {
        worker: WorkerId(sent.worker),
        session: SessionId(sent.session),
        held: sent.held.into_iter().map(LeaseKey::try_from).collect::<Result<_, _>>()?,
        draining: sent.draining,
        waiting: sent.waiting.into_iter().map(waiting).collect::<Result<_, _>>()?,
        notices: sent.notices.into_iter().take(MAX_NOTICES).map(notice).collect(),
    })
}

fn notice(mut sent: v1::Notice) -> NoticeRecord {
    sent.message.truncate(sent.message.floor_char_boundary(MAX_NOTICE_MESSAGE));
    NoticeRecord { task: sent.task, shard: sent.shard, message: sent.message }
}

fn waiting(mut sent: v1::Waiting) -> Result<WaitingRecord, BadMessage> {
    let what = match sent.what() {
        v1::waiting::For::Source => WaitingFor::Source,
        v1::waiting::For::Sink => WaitingFor::Sink,
        v1::waiting::For::Unspecified => return Err(BadMessage::missing("waiting.what")),
    };
    // cut as the store would cut it, so that what is stored compares equal
    sent.message.truncate(sent.message.floor_char_boundary(MAX_WAITING_MESSAGE));
    Ok(WaitingRecord { task: sent.task, what, message: sent.message, since_millis: sent.since_unix_millis })
}

fn directive((lease, directive, ends_at): (LeaseKey, Directive, Option<i64>)) -> v1::LeaseDirective {
    let (directive, cut) = match directive {
        Directive::Continue => (v1::Directive::Continue, None),
        Directive::Drain => (v1::Directive::Drain, None),
        Directive::Abandon => (v1::Directive::Abandon, None),
        Directive::Cut(Wanted { children, least_rows }) => {
            (v1::Directive::Cut, Some(v1::CutOrder { children, least_rows }))
        }
    };
    v1::LeaseDirective { lease: Some(lease.into()), directive: directive.into(), cut, ends_at }
}

fn verdict(committed: Committed) -> (v1::Verdict, String) {
    match committed {
        Committed::Done | Committed::Already => (v1::Verdict::Committed, String::new()),
        Committed::Fenced => {
            (v1::Verdict::Fenced, "the lease is not yours any more: drop everything".to_owned())
        }
        Committed::Refused(why) => (v1::Verdict::Refused, why.to_string()),
    }
}

fn claimed(granted: Granted) -> Result<v1::ClaimedLease, ApiError> {
    let Granted { lease, spec, group, planned, fleet_slots } = granted;
    Ok(v1::ClaimedLease {
        key: Some(lease.key.into()),
        fence: lease.fence,
        shard: Some(lease.shard.into()),
        spec: Kept::open(&spec)?.json(),
        stable: group.as_ref().map(|group| group.stable.clone()).unwrap_or_default(),
        names: group.map(|group| group.names.clone()).unwrap_or_default(),
        cutoff: planned.map(|planned| planned.cutoff.into()),
        fingerprint: planned.map_or(0, |planned| planned.fingerprint),
        planned_tables: planned.map_or(0, |planned| planned.found.subtables + planned.found.normal_tables),
        fleet_slots,
    })
}

fn asked(sent: v1::CommitRequest) -> Result<Asked, ApiError> {
    let outcome = sent.outcome();
    let checkpoint = sent.checkpoint.ok_or_else(|| BadMessage::missing("checkpoint"))?.try_into()?;
    Ok(Asked { key: key(sent.key)?, fence: sent.fence, checkpoint, outcome })
}

fn cut_asked(sent: v1::CutRequest) -> Result<CutAsked, ApiError> {
    let order = sent.order.ok_or_else(|| BadMessage::missing("order"))?;
    let checkpoint = sent.checkpoint.ok_or_else(|| BadMessage::missing("checkpoint"))?.try_into()?;
    let wanted = Wanted { children: order.children, least_rows: order.least_rows };
    Ok(CutAsked { key: key(sent.key)?, fence: sent.fence, checkpoint, wanted })
}

fn grow_asked(sent: v1::GrowRequest) -> Result<GrowAsked, ApiError> {
    let checkpoint = sent.checkpoint.ok_or_else(|| BadMessage::missing("checkpoint"))?.try_into()?;
    let v1::GrowRequest { fence, names, from, stable, .. } = sent;
    Ok(GrowAsked { key: key(sent.key)?, fence, checkpoint, names, from, stable })
}

fn key(sent: Option<v1::LeaseKey>) -> Result<LeaseKey, ApiError> {
    Ok(sent.ok_or_else(|| BadMessage::missing("key"))?.try_into()?)
}
