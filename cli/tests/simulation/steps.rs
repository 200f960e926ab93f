//! Crashes at a chosen step: whoever reaches one that is armed stands still there, and the driver kills its host.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A step that a host can be killed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Claim,
    /// Of rows to the sink; for the store, of a batch to its disk.
    Write,
    Commit,
    Finish,
    Cut,
    Grow,
}

/// On which side of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Asked for, and not done.
    Before,
    /// Done, and nobody heard of it.
    After,
}

/// A step of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) host: String,
    pub(crate) step: Step,
    pub(crate) when: When,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.split('-').next().unwrap_or_default();
        let words = format!("crash {host} {:?} {:?}", self.when, self.step);
        f.write_str(&words.to_lowercase())
    }
}

/// The steps at which somebody is to die, and who stands at one.
#[derive(Default)]
pub(crate) struct Steps(Mutex<State>);

#[derive(Default)]
struct State {
    armed: Vec<At>,
    reached: Vec<At>,
}

impl Steps {
    pub(crate) fn arm(&self, at: &At) {
        self.lock().armed.push(at.clone());
    }

    pub(crate) fn disarm(&self, at: &At) {
        self.lock().armed.retain(|armed| armed != at);
    }

    /// Whoever stands at an armed step; each is told once.
    pub(crate) fn reached(&self) -> Vec<At> {
        std::mem::take(&mut self.lock().reached)
    }

    /// Passes a step, or never returns.
    pub(crate) async fn pass(&self, host: &str, step: Step, when: When) {
        let dies = {
            let state = &mut *self.lock();
            let at = state.armed.iter().position(|at| at.host == host && at.step == step && at.when == when);
            let at = at.map(|at| state.armed.remove(at));
            state.reached.extend(at.clone());
            at.is_some()
        };
        if dies {
            std::future::pending::<()>().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
