//! A server in memory: one database, its faults, its counters, and the one way in which every call goes through them.
//!
//! It knows no port; `source` and `sink` say what a call does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::call::{Call, Counters, Event};
use super::database::MemDatabase;
use super::fault::{Due, Fault, FaultPlan, Faults};
use crate::port::{PortError, PortResult, Side};
use crate::time::Period;

/// A hook that sees every event as it happens. It must not call back into the server.
pub type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;

/// Rows in one block of an answer, unless told otherwise: few, so that small tests see many blocks.
const BLOCK_ROWS: usize = 64;
/// Names in one page of subtables, unless told otherwise.
const PAGE_NAMES: usize = 32;

/// A database server in memory, shared by all who hold a clone of its `Arc`.
pub struct MemServer {
    side: Side,
    faults: Faults,
    state: Mutex<State>,
    others: Mutex<BTreeMap<String, Arc<MemServer>>>,
}

/// What the server is at a moment.
pub(super) struct State {
    pub(super) side: Side,
    pub(super) database: Option<MemDatabase>,
    pub(super) limits: Limits,
    pub(super) counters: Counters,
    on_event: Option<OnEvent>,
}

/// What a server does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows outside are refused.
    pub keep: Period,
    /// What the clock says, in units of the database; `None` where it cannot be asked.
    pub clock: Option<i64>,
    /// A write of more bytes is too large.
    pub write_bytes: usize,
    /// Rows in one block of an answer.
    pub block_rows: usize,
    /// Names in one page of subtables.
    pub page_names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let (block_rows, page_names) = (BLOCK_ROWS, PAGE_NAMES);
        Self { keep: Period::ALL, clock: None, write_bytes: usize::MAX, block_rows, page_names }
    }
}

impl MemServer {
    /// A server that is read and holds this.
    pub fn source(database: MemDatabase) -> Arc<Self> {
        Arc::new(Self::new(Side::Source, Some(database)))
    }

    /// A server that is written to and holds nothing, not even a database.
    pub fn sink() -> Arc<Self> {
        Arc::new(Self::new(Side::Sink, None))
    }

    fn new(side: Side, database: Option<MemDatabase>) -> Self {
        let (limits, counters) = (Limits::default(), Counters::default());
        let state = Mutex::new(State { side, database, limits, counters, on_event: None });
        Self { side, faults: Faults::default(), state, others: Mutex::default() }
    }

    /// Another database of the same server, which goes away and comes back with this one. It has faults, limits and
    /// counters of its own.
    pub fn beside(&self, database: &str) -> Arc<Self> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let other = others.entry(database.to_owned()).or_insert_with(|| Arc::new(Self::new(self.side, None)));
        other.faults.set_away(self.faults.is_away());
        Arc::clone(other)
    }

    /// What it holds; an empty database where there is none.
    pub fn held(&self) -> MemDatabase {
        self.lock().database.clone().unwrap_or_default()
    }

    /// Changes what it holds behind everyone's back, as production does.
    pub fn change<T>(&self, change: impl FnOnce(&mut MemDatabase) -> T) -> T {
        change(self.lock().database.get_or_insert_default())
    }

    /// Drops the database behind everyone's back.
    pub fn drop_database(&self) {
        self.lock().database = None;
    }

    /// Changes its limits.
    pub fn limit(&self, change: impl FnOnce(&mut Limits)) {
        change(&mut self.lock().limits);
    }

    /// Draws faults by this plan from now on, or none.
    pub fn set_faults(&self, plan: Option<FaultPlan>) {
        self.faults.set_plan(plan);
    }

    /// Stops and starts the server: while it is away every call fails.
    pub fn set_away(&self, away: bool) {
        self.faults.set_away(away);
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.values().for_each(|other| other.set_away(away));
    }

    /// The faults that fired, by kind. A test that plans faults asserts on this.
    pub fn fired(&self) -> BTreeMap<Fault, u64> {
        self.faults.fired()
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.lock().counters.clone()
    }

    /// Tells every event from now on.
    pub fn on_event(&self, hook: OnEvent) {
        self.lock().on_event = Some(hook);
    }

    /// One call: counted, delayed, failed before or after as its fault says.
    pub(super) async fn call<T>(
        &self,
        call: Call,
        act: impl FnOnce(&mut State) -> PortResult<T> + Send,
    ) -> PortResult<T> {
        let due = self.enter(call).await?;
        let done = act(&mut self.lock());
        match due {
            Some(Due { fault: Fault::After, .. }) => done.and(Err(self.away(call))),
            _ => done,
        }
    }

    /// Counts a call and lets its fault pass, or fails. What is left is a fault that lets the call be done.
    pub(super) async fn enter(&self, call: Call) -> PortResult<Option<Due>> {
        {
            let mut state = self.lock();
            *state.counters.calls.entry(call).or_default() += 1;
            state.tell(&Event::Called { side: self.side, call });
        }
        // A real call always gives way to others.
        tokio::task::yield_now().await;
        let Some(due) = self.faults.draw(call) else { return Ok(None) };
        self.lock().tell(&Event::Failed { side: self.side, call, fault: due.fault });
        if !due.wait.is_zero() {
            tokio::time::sleep(due.wait).await;
        }
        match (due.fault, call) {
            (Fault::After | Fault::Delay, _)
            | (Fault::Cut, Call::Read | Call::ReadMany | Call::ReadAll | Call::Subtables) => Ok(Some(due)),
            (Fault::TooLarge, Call::Write | Call::WriteMany) => {
                Err(self.lock().too_large("by a planned fault"))
            }
            _ => Err(self.away(call)),
        }
    }

    pub(super) fn away(&self, call: Call) -> PortError {
        PortError::Away { side: self.side, message: format!("planned fault in {call:?}") }
    }

    /// Whether it was stopped.
    pub(super) fn is_away(&self) -> bool {
        self.faults.is_away()
    }

    /// What a call sees of the server; for steps of a stream, which are no calls of their own.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The database, or an error that says it is not there.
    pub(super) fn database(&self) -> PortResult<&MemDatabase> {
        self.database.as_ref().ok_or_else(|| self.missing("the database"))
    }

    /// The same, to change it.
    pub(super) fn database_mut(&mut self) -> PortResult<&mut MemDatabase> {
        let missing = self.missing("the database");
        self.database.as_mut().ok_or(missing)
    }

    pub(super) fn too_large(&self, message: &str) -> PortError {
        PortError::TooLarge { side: self.side, message: message.into() }
    }

    pub(super) fn missing(&self, message: impl Into<String>) -> PortError {
        PortError::Missing { side: self.side, message: message.into() }
    }

    pub(super) fn invalid(&self, message: impl Into<String>) -> PortError {
        PortError::Invalid { side: self.side, message: message.into() }
    }

    pub(super) fn tell(&self, event: &Event) {
        if let Some(hook) = &self.on_event {
            hook(event);
        }
    }
}

impl fmt::Debug for MemServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemServer").field("side", &self.side).finish_non_exhaustive()
    }
}
