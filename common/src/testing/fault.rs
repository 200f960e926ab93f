//! Faults on demand: drawn from a seed, limited by a budget, counted when they fire.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::call::Call;

/// What can go wrong in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Not reachable; nothing was done.
    Before,
    /// Done, but the answer got lost.
    After,
    /// Done, after a short while.
    Delay,
    /// No answer for so long that the caller's timeout takes it for unreachable; nothing was done.
    Stall,
    /// A stream ends with an error after some blocks; any other call is not reachable.
    Cut,
    /// A write is called too large; any other call is not reachable.
    TooLarge,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Before, Self::After, Self::Delay, Self::Stall, Self::Cut, Self::TooLarge];
}

/// How faults are drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultPlan {
    /// Same seed and same calls, same faults.
    pub seed: u64,
    /// Faults in all; then everything works, so that a test can end.
    pub budget: u32,
    /// How many of a thousand calls fail while the budget lasts.
    pub per_mille: u32,
    /// Which kinds.
    pub kinds: Vec<Fault>,
    /// Which calls; empty means all.
    pub calls: Vec<Call>,
    /// The longest delay.
    pub delay: Duration,
    /// How long a stall lasts.
    pub stall: Duration,
}

impl FaultPlan {
    /// Faults of every kind in every call.
    pub fn new(seed: u64, budget: u32, per_mille: u32) -> Self {
        let (delay, stall) = (Duration::from_millis(200), Duration::from_secs(10));
        Self { seed, budget, per_mille, kinds: Fault::ALL.to_vec(), calls: Vec::new(), delay, stall }
    }

    /// Only faults of these kinds.
    #[must_use]
    pub fn only(mut self, kinds: &[Fault]) -> Self {
        self.kinds = kinds.to_vec();
        self
    }

    /// Only faults in these calls.
    #[must_use]
    pub fn within(mut self, calls: &[Call]) -> Self {
        self.calls = calls.to_vec();
        self
    }
}

/// A fault that is to happen now, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) fault: Fault,
    pub(super) wait: Duration,
}

/// The faults of one database.
#[derive(Debug, Default)]
pub(super) struct Faults {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    plan: Option<(FaultPlan, StdRng)>,
    away: bool,
    fired: BTreeMap<Fault, u64>,
}

impl Faults {
    pub(super) fn set_plan(&self, plan: Option<FaultPlan>) {
        self.lock().plan = plan.map(|plan| {
            let rng = StdRng::seed_from_u64(plan.seed);
            (plan, rng)
        });
    }

    pub(super) fn set_away(&self, away: bool) {
        self.lock().away = away;
    }

    pub(super) fn is_away(&self) -> bool {
        self.lock().away
    }

    pub(super) fn fired(&self) -> BTreeMap<Fault, u64> {
        self.lock().fired.clone()
    }

    /// The fault of this call, if it is to have one.
    pub(super) fn draw(&self, call: Call) -> Option<Due> {
        let mut state = self.lock();
        let due = state.draw(call)?;
        *state.fired.entry(due.fault).or_default() += 1;
        Some(due)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn draw(&mut self, call: Call) -> Option<Due> {
        if self.away {
            return Some(Due { fault: Fault::Before, wait: Duration::ZERO });
        }
        let (plan, rng) = self.plan.as_mut()?;
        let concerned = plan.calls.is_empty() || plan.calls.contains(&call);
        if plan.budget == 0 || !concerned || rng.random_range(0..1_000) >= plan.per_mille {
            return None;
        }
        let fault = *plan.kinds.choose(rng)?;
        plan.budget -= 1;
        let wait = match fault {
            Fault::Delay => plan.delay.mul_f64(rng.random_range(0.0..=1.0)),
            Fault::Stall => plan.stall,
            _ => Duration::ZERO,
        };
        Some(Due { fault, wait })
    }
}
