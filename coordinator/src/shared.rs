//! What every part of a coordinator shares: the store with its mirror, clocks, randomness, and short-lived memory.
//!
//! Nothing here is ever needed after a crash: another coordinator has none of it and goes on all the same.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tdferry_common::clock::Clock;
use tdferry_common::timing::Timing;

use crate::leases::{Cooling, Cuts, Strays, Trying};
use crate::progress::{PaceBook, RateBook};
use crate::store::Store;
use crate::tasks::LagAlarms;
use crate::view::View;

/// Shared by services and background loops.
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    /// How this coordinator is called among others.
    pub(crate) id: String,
    pub(crate) rates: RateBook,
    pub(crate) paces: PaceBook,
    pub(crate) lag_alarms: LagAlarms,
    pub(crate) cooling: Cooling,
    pub(crate) strays: Strays,
    pub(crate) cuts: Cuts,
    pub(crate) trying: Trying,
    rng: Mutex<SmallRng>,
}

impl Core {
    pub(crate) fn new(store: Store, clock: Clock, id: String, seed: u64) -> Self {
        Self {
            store,
            clock,
            id,
            rates: RateBook::default(),
            paces: PaceBook::default(),
            lag_alarms: LagAlarms::default(),
            cooling: Cooling::default(),
            strays: Strays::default(),
            cuts: Cuts::default(),
            trying: Trying::default(),
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
        }
    }

    pub(crate) fn view(&self) -> &View {
        self.store.view()
    }

    pub(crate) fn timing(&self) -> &Timing {
        self.store.timing()
    }

    /// A number from the injected seed.
    pub(crate) fn random(&self) -> u64 {
        self.rng().random()
    }

    /// Between half of a time and all of it, so that coordinators do not all do the same at once.
    pub(crate) fn jittered(&self, most: Duration) -> Duration {
        most.mul_f64(self.rng().random_range(0.5..=1.0))
    }

    fn rng(&self) -> std::sync::MutexGuard<'_, SmallRng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
