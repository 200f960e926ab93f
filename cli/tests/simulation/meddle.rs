//! What happens to single requests on their way: lost, done without an answer, done twice, done late. Whoever sent one
//! hears that its peer is away, which is all that a sender can know.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// How many of a host's requests are meddled with while that lasts.
const SHARE: f64 = 0.25;
/// A late request arrives soon after it was repeated, or when its sender's session is over twice.
const LATE_MILLIS: RangeInclusive<u64> = 200..=6_000;

/// One way to meddle with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It never arrives.
    Lost,
    /// It is done, and nobody hears of it.
    Unanswered,
    /// It is done twice; the second answer is heard.
    Twice,
    /// It is done when its sender has long given it up.
    Late,
}

impl How {
    pub(crate) const ALL: [Self; 4] = [Self::Lost, Self::Unanswered, Self::Twice, Self::Late];

    const fn word(self) -> &'static str {
        match self {
            Self::Lost => "request lost",
            Self::Unanswered => "answer lost",
            Self::Twice => "request twice",
            Self::Late => "request late",
        }
    }
}

/// What happens to one request, and when.
pub(crate) type Fate = Option<(How, Duration)>;

/// Whose requests are meddled with now.
pub(crate) struct Meddling(Mutex<State>);

struct State {
    rng: SmallRng,
    on: Vec<String>,
    fired: BTreeMap<&'static str, u64>,
}

impl Meddling {
    pub(crate) fn new(seed: u64) -> Self {
        let rng = SmallRng::seed_from_u64(seed);
        Self(Mutex::new(State { rng, on: Vec::new(), fired: BTreeMap::new() }))
    }

    pub(crate) fn begin(&self, host: &str) {
        self.lock().on.push(host.to_owned());
    }

    pub(crate) fn end(&self, host: &str) {
        self.lock().on.retain(|on| on != host);
    }

    /// What is to happen to a request of this host.
    pub(crate) fn fate(&self, host: &str) -> Fate {
        let state = &mut *self.lock();
        if !state.on.iter().any(|on| on == host) || !state.rng.random_bool(SHARE) {
            return None;
        }
        let how = *How::ALL.choose(&mut state.rng)?;
        *state.fired.entry(how.word()).or_default() += 1;
        Some((how, Duration::from_millis(state.rng.random_range(LATE_MILLIS))))
    }

    /// How often each happened.
    pub(crate) fn fired(&self) -> BTreeMap<&'static str, u64> {
        self.lock().fired.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
