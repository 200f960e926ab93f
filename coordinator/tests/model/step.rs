//! What may happen next: what a worker does, what becomes of a request, what goes wrong.

use crate::state::{Ask, Claim, Holding, LATE, Record, Request, SHARDS, Stands, State, WORKERS, Worker};
use crate::store::{Answer, Broken, Planted, Store};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A worker asks and is answered, as one.
    AtOnce { worker: usize, asks: Asks },
    /// A worker asks; what follows happens before it is answered.
    Slowly { worker: usize, asks: Asks },
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
}

/// What a worker may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Claim {
        shard: usize,
    },
    /// A row is written, and that it is to be committed.
    Commit,
    Cut {
        at: u8,
    },
    Release,
}

/// Everything that may happen next.
pub(crate) fn steps(state: &State, planted: Planted) -> Vec<Step> {
    let mut steps = Vec::new();
    for n in 0..WORKERS {
        of_worker(state, n, planted, &mut steps);
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
    let holds = worker
        .holds
        .is_some_and(|holding| holding.epoch == lease.epoch && usize::from(holding.shard) == shard);
    let asked = |request: Request| match request.what {
        Ask::Claim { claim, .. } => claim == lease.claim && usize::from(request.shard) == shard,
        _ => false,
    };
    !holds && !worker.asked.is_some_and(asked)
}

fn of_worker(state: &State, n: usize, planted: Planted, steps: &mut Vec<Step>) {
    let (left, worker) = (state.left, &state.workers[n]);
    let asks = match (&worker.asked, &worker.holds) {
        (Some(asked), _) => {
            waiting(state, n, asked, steps);
            Vec::new()
        }
        (None, Some(holding)) => holds(state, holding),
        (None, None) => {
            let open = |at: &usize| state.shards[*at].is_some_and(Record::is_open);
            let free =
                |at: &usize| open(at) && (state.leases[*at].is_none() || planted == Planted::LocalClock);
            (0..SHARDS).filter(free).map(|shard| Asks::Claim { shard }).collect()
        }
    };
    for asks in asks {
        steps.push(Step::AtOnce { worker: n, asks });
        if left.slow > 0 {
            steps.push(Step::Slowly { worker: n, asks });
        }
    }
    let known = state.alive[n] == Some(worker.session);
    if known && left.losses > 0 {
        steps.push(Step::Expires { worker: n });
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

fn holds(state: &State, holding: &Holding) -> Vec<Asks> {
    let mut asks = Vec::new();
    if holding.next < holding.to {
        asks.push(Asks::Commit);
    }
    if state.left.releases > 0 {
        asks.push(Asks::Release);
    }
    if state.left.cuts > 0 {
        asks.extend((holding.next + 1..holding.to).map(|at| Asks::Cut { at }));
    }
    asks
}

impl Store {
    /// The state after a step; broken if a promise is.
    pub(crate) fn after(&self, mut state: State, step: Step) -> Result<State, Broken> {
        match step {
            Step::AtOnce { worker, asks } => {
                self.asks(&mut state, worker, asks);
                self.answered(&mut state, worker)?;
            }
            Step::Slowly { worker, asks } => {
                state.left.slow -= 1;
                self.asks(&mut state, worker, asks);
            }
            Step::Answered { worker } => self.answered(&mut state, worker)?,
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
        settle(&mut state);
        Ok(state)
    }

    fn asks(&self, state: &mut State, worker: usize, asks: Asks) {
        match asks {
            Asks::Claim { shard } => {
                let Some(seen) = state.shards[shard] else { return };
                let Worker { session, nonce, .. } = state.workers[worker];
                let claim = Claim { worker: small(worker), nonce };
                ask(state, worker, shard, Ask::Claim { session, claim, seen });
            }
            Asks::Commit => self.write_and_commit(state, worker),
            Asks::Cut { at } => {
                state.left.cuts -= 1;
                ask_under_lease(state, worker, |_, stands| Ask::Cut { stands, at });
            }
            Asks::Release => {
                state.left.releases -= 1;
                ask_under_lease(state, worker, |holding, _| Ask::Release { epoch: holding.epoch });
            }
        }
    }

    fn answered(&self, state: &mut State, worker: usize) -> Result<(), Broken> {
        if let Some(request) = state.workers[worker].asked.take() {
            let answer = self.apply(state, request)?;
            heard(&mut state.workers[worker], request, answer);
        }
        Ok(())
    }

    fn write_and_commit(&self, state: &mut State, worker: usize) {
        let Some(holding) = state.workers[worker].holds else { return };
        if self.planted != Planted::OffsetBeforeData {
            state.rows[usize::from(holding.group)] |= 1 << holding.next;
        }
        ask_under_lease(state, worker, |holding, stands| {
            let stands = Stands { next: stands.next + 1, ..stands };
            if stands.next == holding.to { Ask::Finish { stands } } else { Ask::Commit { stands } }
        });
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

/// How a shard came to its end is forgotten once nobody can ask: states that differ in it alone are one.
fn settle(state: &mut State) {
    for at in 0..SHARDS {
        let about = |request: &Request| usize::from(request.shard) == at;
        let asked = state.workers.iter().filter_map(|worker| worker.asked.as_ref()).any(about);
        let held =
            state.workers.iter().filter_map(|worker| worker.holds).any(|held| usize::from(held.shard) == at);
        if asked || held || state.late.iter().flatten().any(about) || state.leases[at].is_some() {
            continue;
        }
        if let Some(shard) = state.shards[at].as_mut().filter(|shard| !shard.is_open()) {
            (shard.claims, shard.stands.epoch, shard.stands.seq) = (0, 0, 0);
            state.epochs[at] = 0;
        }
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
        if lease.is_some_and(|held| usize::from(held.claim.worker) == worker && Some(held.session) == session)
        {
            *lease = None;
        }
    }
}

fn ask(state: &mut State, worker: usize, shard: usize, what: Ask) {
    state.workers[worker].asked = Some(Request { shard: small(shard), what });
}

fn ask_under_lease(state: &mut State, worker: usize, make: impl Fn(&Holding, Stands) -> Ask) {
    let Some(holding) = state.workers[worker].holds else { return };
    let (epoch, seq) = (holding.epoch, holding.seq + 1);
    let what = make(&holding, Stands { epoch, seq, next: holding.next });
    ask(state, worker, usize::from(holding.shard), what);
}

/// What a worker makes of an answer.
fn heard(worker: &mut Worker, request: Request, answer: Answer) {
    match (request.what, answer) {
        (_, Answer::Ours { epoch, record }) => {
            let Record { group, to, stands: Stands { seq, next, .. }, .. } = record;
            worker.holds = Some(Holding { shard: request.shard, epoch, group, seq, next, to });
        }
        (Ask::Commit { stands }, Answer::Committed) => known(worker, stands, None),
        (Ask::Cut { stands, at }, Answer::Committed) => known(worker, stands, Some(at)),
        _ => worker.holds = None,
    }
}

fn known(worker: &mut Worker, stands: Stands, cut: Option<u8>) {
    if let Some(holding) = &mut worker.holds {
        (holding.seq, holding.next, holding.to) = (stands.seq, stands.next, cut.unwrap_or(holding.to));
    }
}

fn small(n: usize) -> u8 {
    u8::try_from(n).unwrap()
}

/// The same state with its workers in another order.
pub(crate) fn reordered(state: &State, order: [usize; WORKERS]) -> State {
    let claim = |claim: Claim| Claim { worker: small(order[usize::from(claim.worker)]), ..claim };
    let request = |request: Request| match request.what {
        Ask::Claim { session, claim: of, seen } => {
            Request { what: Ask::Claim { session, claim: claim(of), seen }, ..request }
        }
        _ => request,
    };
    let mut other = *state;
    other.leases = state
        .leases
        .map(|lease| lease.map(|lease| crate::state::Lease { claim: claim(lease.claim), ..lease }));
    other.late = state.late.map(|late| late.map(request));
    for (from, to) in order.into_iter().enumerate() {
        let Worker { holds, asked, .. } = state.workers[from];
        other.workers[to] = Worker { holds, asked: asked.map(request), ..state.workers[from] };
        other.alive[to] = state.alive[from];
    }
    other
}
