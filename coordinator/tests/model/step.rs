//! What may happen next: what a worker does, what becomes of a request, what goes wrong.

use crate::state::{Ask, Claim, Holding, LATE, Request, SHARDS, Stands, State, WORKERS, Worker};
use crate::store::{Answer, Broken, Planted, Store};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    AskToClaim { worker: usize, shard: usize },
    Write { worker: usize },
    AskToCommit { worker: usize },
    AskToCut { worker: usize, at: u8 },
    AskToRelease { worker: usize },
    /// A request arrives, and its answer, too.
    Answered { worker: usize },
    /// A request arrives; nobody hears of it.
    Unheard { worker: usize },
    /// A request is sent once more while the first is under way.
    Repeated { worker: usize },
    /// A request arrives for which nobody waits.
    ArrivesLate { late: usize },
    /// A worker gives up a claim that is not answered.
    GivesUp { worker: usize },
    /// A worker learns that its session is over, and begins a new one.
    Registers { worker: usize },
    /// The store ends a session.
    Expires { worker: usize },
    /// A coordinator ends a lease that looks stalled.
    Stalls { shard: usize },
    /// A coordinator ends a lease that its worker does not know of.
    Orphaned { shard: usize },
    /// A worker dies and starts again, its old session ended; that it did nothing before stands for the time between.
    Restarts { worker: usize },
}

/// Everything that may happen next.
pub(crate) fn steps(state: &State) -> Vec<Step> {
    let mut steps = Vec::new();
    for (n, worker) in state.workers.iter().enumerate() {
        of_worker(state, n, worker, &mut steps);
    }
    steps.extend((0..LATE).filter(|n| state.late[*n].is_some()).map(|late| Step::ArrivesLate { late }));
    for shard in (0..SHARDS).filter(|n| state.leases[*n].is_some()) {
        if state.left.losses > 0 {
            steps.push(Step::Stalls { shard });
        }
        if is_orphan(state, shard) {
            steps.push(Step::Orphaned { shard });
        }
    }
    steps
}

/// A lease that its worker neither holds nor has asked for.
fn is_orphan(state: &State, shard: usize) -> bool {
    let Some(lease) = state.leases[shard] else { return false };
    let worker = &state.workers[usize::from(lease.claim.worker)];
    let holds = worker.holds.is_some_and(|holding| holding.epoch == lease.epoch && usize::from(holding.shard) == shard);
    let asked = |request: Request| match request.what {
        Ask::Claim { claim, .. } => claim == lease.claim && usize::from(request.shard) == shard,
        _ => false,
    };
    !holds && !worker.asked.is_some_and(asked)
}

fn of_worker(state: &State, n: usize, worker: &Worker, steps: &mut Vec<Step>) {
    let left = state.left;
    match (&worker.asked, &worker.holds) {
        (Some(asked), _) => waiting(state, n, asked, steps),
        (None, Some(holding)) => holds(state, n, holding, steps),
        (None, None) => {
            let open = |at: &usize| state.shards[*at].is_some_and(|shard| shard.is_open());
            let free = |at: &usize| open(at) && state.leases[*at].is_none();
            steps.extend((0..SHARDS).filter(free).map(|shard| Step::AskToClaim { worker: n, shard }));
        }
    }
    let known = state.alive[n] == Some(worker.session);
    if known && left.losses > 0 {
        steps.push(Step::Expires { worker: n });
        if worker.holds.is_some() || worker.asked.is_some() {
            steps.push(Step::Restarts { worker: n });
        }
    }
    if !known {
        steps.push(Step::Registers { worker: n });
    }
}

fn waiting(state: &State, n: usize, asked: &Request, steps: &mut Vec<Step>) {
    steps.push(Step::Answered { worker: n });
    if state.left.unheard > 0 {
        steps.push(Step::Unheard { worker: n });
        if matches!(asked.what, Ask::Claim { .. }) {
            steps.push(Step::GivesUp { worker: n });
        }
    }
    if state.left.repeats > 0 && state.late.contains(&None) {
        steps.push(Step::Repeated { worker: n });
    }
}

fn holds(state: &State, n: usize, holding: &Holding, steps: &mut Vec<Step>) {
    let stands = holding.known.stands.next;
    if holding.written == stands && holding.written < holding.known.to {
        steps.push(Step::Write { worker: n });
    }
    if holding.written > stands {
        steps.push(Step::AskToCommit { worker: n });
    } else if state.left.releases > 0 {
        steps.push(Step::AskToRelease { worker: n });
    }
    if state.left.cuts > 0 {
        let points = (holding.written + 1).max(holding.known.from + 1)..holding.known.to;
        steps.extend(points.map(|at| Step::AskToCut { worker: n, at }));
    }
}

impl Store {
    /// The state after a step; broken if a promise is.
    pub(crate) fn after(&self, mut state: State, step: Step) -> Result<State, Broken> {
        match step {
            Step::AskToClaim { worker, shard } => {
                let Some(seen) = state.shards[shard] else { return Ok(state) };
                let Worker { session, nonce, .. } = state.workers[worker];
                let claim = Claim { worker: small(worker), nonce };
                ask(&mut state, worker, shard, Ask::Claim { session, claim, seen });
            }
            Step::Write { worker } => self.write(&mut state, worker),
            Step::AskToCommit { worker } => ask_under_lease(&mut state, worker, |holding, stands| {
                let ends = holding.written == holding.known.to;
                if ends { Ask::Finish { stands } } else { Ask::Commit { stands } }
            }),
            Step::AskToCut { worker, at } => {
                state.left.cuts -= 1;
                ask_under_lease(&mut state, worker, |_, stands| Ask::Cut { stands, at });
            }
            Step::AskToRelease { worker } => {
                state.left.releases -= 1;
                ask_under_lease(&mut state, worker, |holding, _| Ask::Release { epoch: holding.epoch });
            }
            Step::Answered { worker } => {
                if let Some(request) = state.workers[worker].asked.take() {
                    let answer = self.apply(&mut state, request)?;
                    heard(&mut state.workers[worker], request, answer);
                }
            }
            Step::Unheard { worker } => {
                state.left.unheard -= 1;
                if let Some(request) = state.workers[worker].asked {
                    self.apply(&mut state, request)?;
                }
            }
            Step::ArrivesLate { late } => {
                if let Some(request) = state.late[late].take() {
                    self.apply(&mut state, request)?;
                }
            }
            wrong => goes_wrong(&mut state, wrong),
        }
        Ok(state)
    }

    fn write(&self, state: &mut State, worker: usize) {
        let Some(holding) = &mut state.workers[worker].holds else { return };
        if self.planted != Planted::OffsetBeforeData {
            state.rows[usize::from(holding.known.group)] |= 1 << holding.written;
        }
        holding.written += 1;
    }
}

fn goes_wrong(state: &mut State, step: Step) {
    match step {
        Step::Repeated { worker } => {
            state.left.repeats -= 1;
            leave_under_way(state, worker);
        }
        Step::GivesUp { worker } => {
            state.left.unheard -= 1;
            leave_under_way(state, worker);
            let worker = &mut state.workers[worker];
            worker.asked = None;
            worker.nonce += 1;
        }
        Step::Registers { worker } => forget(state, worker),
        Step::Restarts { worker } => {
            state.left.losses -= 1;
            let old = state.alive[worker];
            forget(state, worker);
            orphans(state, worker, old);
        }
        Step::Expires { worker } => {
            state.left.losses -= 1;
            let old = state.alive[worker].take();
            orphans(state, worker, old);
        }
        Step::Stalls { shard } => {
            state.left.losses -= 1;
            state.leases[shard] = None;
        }
        Step::Orphaned { shard } => state.leases[shard] = None,
        _ => {}
    }
}

/// Whatever a worker asked may still arrive.
fn leave_under_way(state: &mut State, worker: usize) {
    let asked = state.workers[worker].asked;
    if let Some(free) = state.late.iter_mut().find(|late| late.is_none()) {
        *free = asked;
    }
}

fn forget(state: &mut State, worker: usize) {
    leave_under_way(state, worker);
    let Worker { session, nonce, .. } = state.workers[worker];
    state.workers[worker] = Worker { session: session + 1, nonce: nonce + 1, holds: None, asked: None };
    state.alive[worker] = Some(session + 1);
}

/// The leases of a session go with it.
fn orphans(state: &mut State, worker: usize, session: Option<u8>) {
    for lease in &mut state.leases {
        if lease.is_some_and(|held| usize::from(held.claim.worker) == worker && Some(held.session) == session) {
            *lease = None;
        }
    }
}

fn ask(state: &mut State, worker: usize, shard: usize, what: Ask) {
    state.workers[worker].asked = Some(Request { shard: small(shard), what });
}

fn ask_under_lease(state: &mut State, worker: usize, make: impl Fn(&Holding, Stands) -> Ask) {
    let Some(holding) = state.workers[worker].holds else { return };
    let (epoch, seq) = (holding.epoch, holding.known.stands.seq + 1);
    let what = make(&holding, Stands { epoch, seq, next: holding.written });
    ask(state, worker, usize::from(holding.shard), what);
}

/// What a worker makes of an answer.
fn heard(worker: &mut Worker, request: Request, answer: Answer) {
    match (request.what, answer) {
        (_, Answer::Ours { epoch, record }) => {
            let written = record.stands.next;
            worker.holds = Some(Holding { shard: request.shard, epoch, known: record, written });
        }
        (Ask::Commit { stands }, Answer::Committed) => {
            if let Some(holding) = &mut worker.holds {
                holding.known.stands = stands;
            }
        }
        (Ask::Cut { stands, at }, Answer::Committed) => {
            if let Some(holding) = &mut worker.holds {
                (holding.known.stands, holding.known.to) = (stands, at);
            }
        }
        _ => worker.holds = None,
    }
}

fn small(n: usize) -> u8 {
    u8::try_from(n).unwrap()
}

/// The same state with its workers in another order.
pub(crate) fn reordered(state: &State, order: [usize; WORKERS]) -> State {
    let claim = |claim: Claim| Claim { worker: small(order[usize::from(claim.worker)]), ..claim };
    let record = |record: crate::state::Record| crate::state::Record { claim: record.claim.map(claim), ..record };
    let request = |request: Request| match request.what {
        Ask::Claim { session, claim: of, seen } => {
            Request { what: Ask::Claim { session, claim: claim(of), seen: record(seen) }, ..request }
        }
        _ => request,
    };
    let mut other = *state;
    other.shards = state.shards.map(|shard| shard.map(record));
    other.leases = state.leases.map(|lease| lease.map(|lease| crate::state::Lease { claim: claim(lease.claim), ..lease }));
    other.late = state.late.map(|late| late.map(request));
    for (from, to) in order.into_iter().enumerate() {
        let Worker { holds, asked, .. } = state.workers[from];
        let holds = holds.map(|holding| Holding { known: record(holding.known), ..holding });
        other.workers[to] = Worker { holds, asked: asked.map(request), ..state.workers[from] };
        other.alive[to] = state.alive[from];
    }
    other
}
