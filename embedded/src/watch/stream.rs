//! One watch stream: a task that listens to its client and to the engine's durable revision.

use std::time::Duration;

use etcd_client::proto::{PbWatchRequest, PbWatchRequestUnion, PbWatchResponse};
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tonic::{Status, Streaming};

use super::watchers::Watchers;
use crate::engine::Engine;

/// Answers on their way to a client that is slow to read; beyond it the stream waits for its client.
pub(crate) const ANSWERS: usize = 16;
/// etcd's interval between progress reports to watchers that asked for them.
const PROGRESS_EVERY: Duration = Duration::from_secs(600);

type Answers = mpsc::Sender<Result<PbWatchResponse, Status>>;

/// Serves the stream until either side ends it.
pub(crate) async fn serve(engine: Engine, requests: Streaming<PbWatchRequest>, answers: Answers) {
    let durable = engine.durable();
    let stream = WatchStream { engine, answers, durable, watchers: Watchers::default() };
    stream.run(requests).await;
}

struct WatchStream {
    engine: Engine,
    answers: Answers,
    durable: watch::Receiver<i64>,
    watchers: Watchers,
}

/// Why a stream ends: its client has gone.
struct Gone;

impl WatchStream {
    async fn run(mut self, mut requests: Streaming<PbWatchRequest>) {
        let mut progress_at = Instant::now() + PROGRESS_EVERY;
        loop {
            let step = tokio::select! {
                biased;
                () = self.answers.closed() => return,
                request = requests.next() => match request {
                    Some(Ok(request)) => self.serve(request.request_union).await,
                    _ => return,
                },
                changed = self.durable.changed() => match changed {
                    Ok(()) => self.catch_up().await,
                    Err(_) => self.say(Err(self.engine.stopped())).await.and(Err(Gone)),
                },
                () = sleep_until(progress_at), if self.watchers.want_progress() => {
                    progress_at = Instant::now() + PROGRESS_EVERY;
                    self.report_progress().await
                }
            };
            if step.is_err() {
                return;
            }
        }
    }

    /// Events come before the answer, so that its revision is one the client has seen everything of.
    async fn serve(&mut self, request: Option<PbWatchRequestUnion>) -> Result<(), Gone> {
        let Some(request) = request else { return Ok(()) };
        let now = self.catch_up_to_now().await?;
        if let Some(answer) = self.watchers.handle(request, now) {
            self.say(Ok(answer)).await?;
        }
        self.catch_up().await
    }

    async fn catch_up(&mut self) -> Result<(), Gone> {
        self.catch_up_to_now().await.map(|_| ())
    }

    async fn catch_up_to_now(&mut self) -> Result<i64, Gone> {
        let now = *self.durable.borrow_and_update();
        while self.watchers.are_behind(now) {
            let watchers = &mut self.watchers;
            match self.engine.read(|state, _| watchers.pull(&state.history, now)) {
                Ok(answers) => self.say_all(answers).await?,
                Err(stopped) => return self.say(Err(stopped)).await.and(Err(Gone)),
            }
        }
        Ok(now)
    }

    async fn report_progress(&mut self) -> Result<(), Gone> {
        let now = self.catch_up_to_now().await?;
        let answers = self.watchers.progress(now);
        self.say_all(answers).await
    }

    async fn say_all(&mut self, answers: Vec<PbWatchResponse>) -> Result<(), Gone> {
        for answer in answers {
            self.say(Ok(answer)).await?;
        }
        Ok(())
    }

    async fn say(&self, mut answer: Result<PbWatchResponse, Status>) -> Result<(), Gone> {
        if let Ok(answer) = &mut answer {
            self.engine.identity().sign(&mut answer.header);
        }
        self.answers.send(answer).await.map_err(|_| Gone)
    }
}
