//! A coordinator in memory that keeps shards by the real transitions and does on top what a test tells it to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tdferry_common::id::{ClaimId, Epoch, GroupId, ShardId};
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, Density, Range, Shard, ShardEvent, ShardKind, ShardState};
use tdferry_common::time::Period;
use tdferry_proto::v1;
use tokio::sync::watch;
use tonic::Status;

/// No test needs more, and all of it is virtual time.
const BOUND: Duration = Duration::from_secs(3_600);

/// A shard with what a lease on it brings along.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) shard: Shard,
    pub(crate) stable: String,
    pub(crate) names: Vec<String>,
}

/// What it knows and what it was told to do.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) spec: String,
    pub(crate) shards: BTreeMap<ShardId, Place>,
    /// The epoch of each lease, by shard.
    pub(crate) leases: BTreeMap<ShardId, i64>,
    pub(crate) last_epoch: i64,
    pub(crate) session: i64,
    /// Every commit that was taken, in order.
    pub(crate) commits: Vec<v1::CommitRequest>,
    /// Every commit that came, taken or not.
    pub(crate) commits_seen: usize,
    pub(crate) heartbeats: Vec<v1::HeartbeatRequest>,
    pub(crate) claims: Vec<v1::ClaimRequest>,
    pub(crate) released: Vec<ShardId>,
    pub(crate) left: bool,
    pub(crate) survey: Vec<v1::SurveyRequest>,
    /// What the next survey is refused with.
    pub(crate) refuse_survey: Option<Status>,
    /// To be answered at the next heartbeat.
    pub(crate) directives: Vec<(ShardId, v1::Directive)>,
    /// What a cut leaves to its shard: the first index and the first moment given away.
    pub(crate) cuts_at: Option<(u32, i64)>,
    /// Where tails end.
    pub(crate) mark: Option<i64>,
    /// It is of a version that cannot cut.
    pub(crate) cannot_cut: bool,
    /// Every cut that came.
    pub(crate) cuts: Vec<v1::CutRequest>,
    /// Every growth that came.
    pub(crate) grows: Vec<v1::GrowRequest>,
    /// The lease is lost before the next growth comes.
    pub(crate) fence_grow: bool,
    /// So many answers to growths get lost after they were taken.
    pub(crate) lose_grows: usize,
    /// So many answers to commits get lost after they were taken.
    pub(crate) lose_answers: usize,
    /// Nothing is answered.
    pub(crate) away: bool,
    /// No shard is handed out.
    pub(crate) paused: bool,
    /// Where there is nothing to claim that is answered so much later.
    pub(crate) claim_wait: Duration,
}

/// Shared by the service and the test.
#[derive(Clone)]
pub(crate) struct Coordinator {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
}

impl Coordinator {
    pub(crate) fn new(spec: String) -> Self {
        let state = State { spec, session: 1, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), changed: watch::Sender::new(0) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Puts shards up for claims.
    pub(crate) fn add(&self, places: impl IntoIterator<Item = Place>) {
        let mut state = self.state();
        state.shards.extend(places.into_iter().map(|place| (place.shard.id.clone(), place)));
    }

    pub(crate) fn shard(&self, id: &ShardId) -> Shard {
        self.state().shards[id].shard.clone()
    }

    /// Why a shard failed.
    pub(crate) fn failure(&self, id: &ShardId) -> String {
        match self.shard(id).state {
            ShardState::Failed { reason } => reason,
            other => panic!("{id} is {other:?}"),
        }
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, so: impl Fn(&State) -> bool) {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            while !so(&self.state()) {
                changes.changed().await.unwrap();
            }
        };
        let shards =
            || self.state().shards.values().map(|place| format!("{:?}", place.shard)).collect::<Vec<_>>();
        if tokio::time::timeout(BOUND, waiting).await.is_err() {
            panic!("never: {what}; {:#?}", shards());
        }
    }

    pub(crate) async fn until_terminal(&self) {
        self.until("all shards are terminal", |state| {
            state.shards.values().all(|place| place.shard.is_terminal())
        })
        .await;
    }

    /// Ends the session as etcd does: its leases are gone.
    pub(crate) fn end_session(&self) {
        let mut state = self.state();
        state.session += 1;
        state.leases.clear();
    }

    pub(crate) fn acted(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }
}

impl State {
    pub(crate) fn reachable(&self) -> Result<(), Status> {
        if self.away { Err(Status::unavailable("told to be away")) } else { Ok(()) }
    }

    /// Tails have slots of their own.
    pub(crate) fn claim(&mut self, slots: u32, tail_slots: u32) -> Vec<v1::ClaimedLease> {
        let free = |(id, place): &(&ShardId, &Place)| {
            !self.paused && place.shard.state == ShardState::Open && !self.leases.contains_key(*id)
        };
        let some = |tails: bool, slots: u32| {
            let of_kind = |(_, place): &(&ShardId, &Place)| (place.shard.kind == ShardKind::Tail) == tails;
            let ids = self.shards.iter().filter(free).filter(of_kind).map(|(id, _)| id.clone());
            ids.take(usize::try_from(slots).unwrap()).collect::<Vec<_>>()
        };
        let ids = [some(false, slots), some(true, tail_slots)].concat();
        ids.into_iter().map(|id| self.lease(&id)).collect()
    }

    fn lease(&mut self, id: &ShardId) -> v1::ClaimedLease {
        self.last_epoch += 1;
        let epoch = self.last_epoch;
        self.leases.insert(id.clone(), epoch);
        let place = self.shards.get_mut(id).unwrap();
        let claim = ClaimId(u64::try_from(epoch).unwrap());
        place.shard = place.shard.clone().next(ShardEvent::Claimed { claim }).unwrap();
        assert!(place.shard.claims < 20, "poison: {:?}", place.shard);
        let key = LeaseKey { task: "t".parse().unwrap(), shard: id.clone(), epoch: Epoch(epoch) };
        v1::ClaimedLease {
            key: Some(key.into()),
            fence: 1,
            shard: Some(place.shard.clone().into()),
            spec: self.spec.clone(),
            stable: place.stable.clone(),
            names: place.names.clone(),
            cutoff: None,
            fingerprint: 0,
            planned_tables: 0,
            fleet_slots: 1,
        }
    }

    pub(crate) fn commit(&mut self, request: v1::CommitRequest) -> (v1::Verdict, String) {
        self.commits_seen += 1;
        let key: LeaseKey = request.key.clone().unwrap().try_into().unwrap();
        let checkpoint: Checkpoint = request.checkpoint.clone().unwrap().try_into().unwrap();
        let place = self.shards.get_mut(&key.shard).unwrap();
        let stored = place.shard.checkpoint;
        if (stored.epoch, stored.seq) == (checkpoint.epoch, checkpoint.seq) {
            return (v1::Verdict::Committed, "already".into());
        }
        if self.leases.get(&key.shard) != Some(&key.epoch.0) {
            return (v1::Verdict::Fenced, "another epoch".into());
        }
        let event = match request.outcome() {
            None => ShardEvent::Committed { checkpoint },
            Some(outcome) => ShardEvent::Ended { checkpoint, outcome },
        };
        match place.shard.clone().next(event) {
            Ok(shard) => place.shard = shard,
            Err(illegal) => return (v1::Verdict::Refused, illegal.to_string()),
        }
        if request.outcome().is_some() {
            self.leases.remove(&key.shard);
        }
        self.commits.push(request);
        (v1::Verdict::Committed, String::new())
    }

    /// Commits, shrinks the shard, and puts up the rest of its subtables or of its time.
    pub(crate) fn cut(&mut self, request: v1::CutRequest) -> v1::CutResponse {
        self.cuts.push(request.clone());
        let v1::CutRequest { key, fence, checkpoint, .. } = request;
        let id: ShardId = key.clone().unwrap().shard.parse().unwrap();
        let commit = v1::CommitRequest { key, fence, checkpoint, ..Default::default() };
        let (verdict, message) = self.commit(commit);
        if let Some((index, moment)) = self.cuts_at.take() {
            let parent = self.shards.get_mut(&id).unwrap();
            let (range, period) = (parent.shard.range, parent.shard.period);
            let given = match index < range.to {
                true => (Range { from: index, to: range.to }, period),
                false => (range, Period { from: moment, to: period.to }),
            };
            let mut child = parent.clone();
            child.shard =
                Shard::planned(id.child(3), parent.shard.kind, parent.shard.group, given.0, given.1);
            parent.shard.range.to = index.min(range.to);
            parent.shard.period.to = if index < range.to { period.to } else { moment };
            self.shards.insert(child.shard.id.clone(), child);
        }
        let shard = self.shards[&id].shard.clone();
        v1::CutResponse { verdict: verdict.into(), message, shard: Some(shard.into()) }
    }

    /// Commits, and puts up a group of the subtables that are new, with a shard that copies what they held before.
    pub(crate) fn grow(&mut self, request: v1::GrowRequest) -> (v1::Verdict, String) {
        self.grows.push(request.clone());
        let v1::GrowRequest { key, fence, checkpoint, names, from, .. } = request;
        let id: ShardId = key.clone().unwrap().shard.parse().unwrap();
        if std::mem::take(&mut self.fence_grow) {
            self.leases.remove(&id);
        }
        let to = Checkpoint::try_from(checkpoint.clone().unwrap()).unwrap().offset.next;
        let answer = self.commit(v1::CommitRequest { key, fence, checkpoint, ..Default::default() });
        if answer == (v1::Verdict::Committed, String::new()) {
            let last = self.shards.values().filter_map(|place| place.shard.group).max();
            let group = GroupId(last.map_or(0, |last| last.0 + 1));
            let range = Range { from: 0, to: u32::try_from(names.len()).unwrap() };
            let live = self.shards[&id].shard.period;
            let by_names = self.spec.contains("tail-by");
            let to = if by_names { live.from } else { to };
            let (kind, period) = (ShardKind::Copy(Density::Sparse), Period { from: from.min(to), to });
            let shard = Shard::planned(ShardId::copy(group, 0), kind, Some(group), range, period);
            let stable = self.shards[&id].stable.clone();
            if by_names {
                let shard = Shard::planned(ShardId::tail(group), ShardKind::Tail, Some(group), range, live);
                let place = Place { shard, stable: stable.clone(), names: names.clone() };
                self.shards.insert(place.shard.id.clone(), place);
            }
            self.shards.insert(shard.id.clone(), Place { shard, stable, names });
        }
        answer
    }

    /// The next group of a tail's stable.
    pub(crate) fn names(&self, request: v1::NamesRequest) -> v1::NamesResponse {
        let tail: ShardId = request.key.unwrap().shard.parse().unwrap();
        let stable = &self.shards[&tail].stable;
        let group = |place: &&Place| place.shard.group.map(|group| group.0);
        let of_stable =
            self.shards.values().filter(|place| place.stable == *stable && !place.names.is_empty());
        let next = of_stable.filter(|place| group(place) > request.after).min_by_key(group);
        v1::NamesResponse {
            names: next.map(|place| place.names.clone()).unwrap_or_default(),
            group: next.as_ref().and_then(group),
            stables: Vec::new(),
        }
    }

    pub(crate) fn beat(&mut self, request: v1::HeartbeatRequest) -> v1::HeartbeatResponse {
        if request.session != self.session {
            return v1::HeartbeatResponse { session_lost: true, directives: Vec::new() };
        }
        let mut directives = Vec::new();
        for held in &request.held {
            let key: LeaseKey = held.clone().try_into().unwrap();
            let ends_at = self.mark.filter(|_| key.shard.as_str().starts_with("tail"));
            let told = self.directives.iter().find(|(id, _)| *id == key.shard).map(|(_, told)| *told);
            let gone = self.leases.get(&key.shard) != Some(&key.epoch.0);
            let told = told.or_else(|| ends_at.map(|_| v1::Directive::Continue));
            let directive = if gone { Some(v1::Directive::Abandon) } else { told };
            directives.extend(directive.map(|directive| v1::LeaseDirective {
                lease: Some(held.clone()),
                directive: directive.into(),
                cut: Some(v1::CutOrder { children: 1, least_rows: 7 }),
                ends_at,
            }));
        }
        self.heartbeats.push(request);
        v1::HeartbeatResponse { session_lost: false, directives }
    }

    /// Bounds every tail, and tells it with the next heartbeat.
    pub(crate) fn end_tails_at(&mut self, mark: i64) {
        self.mark = Some(mark);
        for place in self.shards.values_mut().filter(|place| place.shard.kind == ShardKind::Tail) {
            place.shard.period.to = mark;
        }
    }

    /// What the last heartbeat told a person to see to.
    pub(crate) fn notices(&self) -> Vec<String> {
        let last = self.heartbeats.last().into_iter();
        last.flat_map(|beat| &beat.notices).map(|notice| notice.message.clone()).collect()
    }

    /// All that any heartbeat said it waits for, and what for.
    pub(crate) fn waited_for(&self) -> BTreeSet<i32> {
        self.heartbeats.iter().flat_map(|beat| &beat.waiting).map(|waiting| waiting.what).collect()
    }
}
