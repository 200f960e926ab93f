//! Faults on demand: what goes wrong, for which requests, and how often.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regex::Regex;

use crate::error::SqlError;
use crate::sync::lock;

/// Which requests a fault is for. The text that is looked at is the statement itself; for other requests it is
/// `raw block <table>`, `fetch <statement>` or `conn <user>`.
#[derive(Clone, Debug)]
pub enum When {
    /// Any request.
    Any,
    /// Requests whose text contains this, whatever the case.
    Contains(String),
    /// Requests whose text matches this.
    Matches(Regex),
}

/// Before or after the server did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing has been done yet.
    Before,
    /// Everything has been done; only the answer is missing.
    After,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Action {
    /// The answer comes so much later.
    Delay(Duration),
    /// This error is answered and nothing is done.
    Refuse(SqlError),
    /// The connection is cut without a word.
    Cut(Moment),
    /// No answer ever comes; the connection stays.
    Stall(Moment),
}

/// One fault.
#[derive(Clone, Debug)]
pub struct Fault {
    /// For which requests.
    pub when: When,
    /// What goes wrong.
    pub action: Action,
    /// How often; `None` for as long as it stands.
    pub times: Option<u64>,
    /// How many matching requests pass unharmed first.
    pub after: u64,
}

/// The faults of a server; clones speak of the same ones.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Shared>);

/// A fault that was added; asks how often it fired.
#[derive(Clone, Debug)]
pub struct Armed(Arc<Rule>);

#[derive(Debug, Default)]
struct Shared {
    /// Spares requests the lock while there are no faults.
    any: AtomicBool,
    rules: Mutex<Vec<Arc<Rule>>>,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    seen: AtomicU64,
    fired: AtomicU64,
}

impl When {
    /// Requests whose text contains this.
    #[must_use]
    pub fn contains(text: &str) -> Self {
        Self::Contains(text.to_lowercase())
    }

    fn takes(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Contains(part) => text.to_lowercase().contains(&part.to_lowercase()),
            Self::Matches(regex) => regex.is_match(text),
        }
    }
}

impl Fault {
    /// A fault that stands until it is cleared.
    #[must_use]
    pub fn new(when: When, action: Action) -> Self {
        Self { when, action, times: None, after: 0 }
    }

    /// Bounds how often it fires.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Lets so many matching requests pass first.
    #[must_use]
    pub fn after(self, requests: u64) -> Self {
        Self { after: requests, ..self }
    }
}

impl Armed {
    /// How often it fired.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.0.fired.load(Ordering::SeqCst)
    }
}

impl Faults {
    /// Adds a fault; the first one that takes a request and is not used up is the one that fires.
    pub fn add(&self, fault: Fault) -> Armed {
        let rule = Arc::new(Rule { fault, seen: AtomicU64::new(0), fired: AtomicU64::new(0) });
        lock(&self.0.rules).push(rule.clone());
        self.0.any.store(true, Ordering::SeqCst);
        Armed(rule)
    }

    /// Adds a fault that is asked before all that stand already.
    pub fn add_first(&self, fault: Fault) -> Armed {
        let armed = self.add(fault);
        let mut rules = lock(&self.0.rules);
        if let Some(at) = rules.iter().position(|rule| Arc::ptr_eq(rule, &armed.0)) {
            rules[..=at].rotate_right(1);
        }
        armed
    }

    /// Takes one fault away, spent or not.
    pub fn remove(&self, armed: &Armed) {
        lock(&self.0.rules).retain(|rule| !Arc::ptr_eq(rule, &armed.0));
    }

    /// Takes all faults away.
    pub fn clear(&self) {
        self.0.any.store(false, Ordering::SeqCst);
        lock(&self.0.rules).clear();
    }

    /// What goes wrong with this request, if anything. `text` is only made where there are faults.
    pub(crate) fn strike(&self, text: impl FnOnce() -> String) -> Option<Action> {
        if !self.0.any.load(Ordering::Relaxed) {
            return None;
        }
        let text = text();
        let rules = lock(&self.0.rules);
        rules.iter().find(|rule| rule.fires(&text)).map(|rule| rule.fault.action.clone())
    }
}

impl Rule {
    fn fires(&self, text: &str) -> bool {
        if !self.fault.when.takes(text) {
            return false;
        }
        if self.seen.fetch_add(1, Ordering::SeqCst) < self.fault.after {
            return false;
        }
        let fired = self.fired.load(Ordering::SeqCst);
        let left = self.fault.times.is_none_or(|times| fired < times);
        // the list is locked while rules are asked, so nobody else counts meanwhile
        if left {
            self.fired.store(fired + 1, Ordering::SeqCst);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lets_some_pass_fires_its_times_and_is_spent() {
        let faults = Faults::default();
        let action = Action::Cut(Moment::Before);
        let armed = faults.add(Fault::new(When::contains("INSERT"), action).after(1).times(2));
        let strikes: Vec<bool> = ["insert a", "select 1", "Insert b", "insert c", "insert d"]
            .iter()
            .map(|text| faults.strike(|| (*text).to_owned()).is_some())
            .collect();
        assert_eq!(strikes, [false, false, true, true, false]);
        assert_eq!(armed.fired(), 2);
        faults.clear();
        assert!(faults.strike(|| "insert".into()).is_none());
    }

    #[test]
    fn the_fault_added_first_is_asked_first_and_goes_alone() {
        let faults = Faults::default();
        let (standing, first) = (Action::Delay(Duration::ZERO), Action::Cut(Moment::Before));
        let standing = faults.add(Fault::new(When::Any, standing));
        let first = faults.add_first(Fault::new(When::Any, first));
        assert!(matches!(faults.strike(String::new), Some(Action::Cut(_))));
        faults.remove(&first);
        assert!(matches!(faults.strike(String::new), Some(Action::Delay(_))));
        assert_eq!((standing.fired(), first.fired()), (1, 1));
    }
}
