//! An operation on its way: applied now, answered after its group is durable.

use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::Status;

use super::Operation;
use crate::refusal::Refusal;
use crate::state::State;

/// What waits in the engine's queue.
pub(super) enum Queued {
    Call(Box<dyn Turn>),
    Close(oneshot::Sender<()>),
}

/// A call of any kind, as the engine handles it.
pub(super) trait Turn: Send {
    fn apply(&mut self, state: &mut State, now: Instant);

    /// Tells the caller; `failure` says why nothing may be promised.
    fn answer(self: Box<Self>, failure: Option<&Status>);
}

type Reply<A> = oneshot::Sender<Result<A, Status>>;

pub(super) struct Call<O: Operation> {
    operation: Option<O>,
    outcome: Option<Result<O::Answer, Refusal>>,
    reply: Reply<O::Answer>,
}

impl<O: Operation> Call<O> {
    pub(super) fn new(operation: O, reply: Reply<O::Answer>) -> Self {
        Self { operation: Some(operation), outcome: None, reply }
    }
}

impl<O: Operation> Turn for Call<O> {
    fn apply(&mut self, state: &mut State, now: Instant) {
        self.outcome = self.operation.take().map(|operation| operation.apply(state, now));
    }

    fn answer(self: Box<Self>, failure: Option<&Status>) {
        let result = match (self.outcome, failure) {
            (_, Some(failure)) => Err(failure.clone()),
            (Some(outcome), None) => outcome.map_err(Status::from),
            (None, None) => Err(Status::internal("the operation was not applied")),
        };
        // A caller that has gone away needs no answer.
        let _ = self.reply.send(result);
    }
}
