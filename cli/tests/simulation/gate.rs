//! A gate in front of what one process does: while it is shut nothing behind it is polled, as in a process that the
//! system has stopped. Clocks go on meanwhile; timers that fell due fire when it opens.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Clones are the same gate. It is made open.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    shut: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    pub(crate) fn shut(&self) {
        self.lock().shut = true;
    }

    pub(crate) fn open(&self) {
        let waiting = {
            let mut state = self.lock();
            state.shut = false;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// The same future, polled only while the gate is open.
    pub(crate) async fn holds<F: Future>(&self, inner: F) -> F::Output {
        let mut inner = pin!(inner);
        poll_fn(|cx| if self.stops(cx.waker()) { Poll::Pending } else { inner.as_mut().poll(cx) }).await
    }

    /// Returns once the gate is open.
    pub(crate) async fn passed(&self) {
        self.holds(async {}).await;
    }

    fn stops(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        if state.shut {
            state.waiting.push(waker.clone());
        }
        state.shut
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
