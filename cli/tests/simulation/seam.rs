//! The places where requests can be meddled with and hosts be killed at a step: where a coordinator hears its workers,
//! and where it speaks to its store. Everything else is as it is shipped.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tdferry_proto::v1;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::Channel;
use tower::service_fn;
use tower::util::BoxCloneSyncService;

use crate::log::Entry;
use crate::meddle::How;
use crate::planted::Beliefs;
use crate::request::{self, Request};
use crate::steps::When;
use crate::world::World;

/// How long a planted bug leaves a lease standing.
const APART: Duration = Duration::from_millis(20);

type Answer = http::Response<Body>;

/// One sender's requests on their way.
#[derive(Clone)]
struct Seam {
    world: Arc<World>,
    from: String,
}

impl Seam {
    /// Passes a request on, as often and as soon as is its fate.
    async fn pass<S>(&self, to: S, request: Request) -> Result<Answer, S::Error>
    where
        S: Service<http::Request<Body>, Response = Answer> + Clone + Send + 'static,
        S::Future: Send,
    {
        let step = request.step();
        self.reach(step, When::Before).await;
        let answer = match self.world.meddling.fate(&self.from) {
            None => call(to, request.send()).await?,
            Some((How::Lost, _)) => return Ok(self.away(&request)),
            Some((How::Unanswered, _)) => {
                call(to, request.send()).await?;
                return Ok(self.away(&request));
            }
            Some((How::Twice, _)) => {
                call(to.clone(), request.send()).await?;
                call(to, request.send()).await?
            }
            Some((How::Late, after)) => {
                let late = request.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    // nobody hears the answer
                    drop(call(to, late.send()).await);
                });
                return Ok(self.away(&request));
            }
        };
        self.reach(step, When::After).await;
        Ok(answer)
    }

    async fn reach(&self, step: Option<crate::steps::Step>, when: When) {
        if let Some(step) = step {
            self.world.steps.pass(&self.from, step, when).await;
        }
    }

    fn away(&self, request: &Request) -> Answer {
        let heard = self.world.planted.heard_instead(request);
        heard.unwrap_or_else(|| Status::unavailable("planted: no answer").into_http())
    }

    /// A worker's request; what it hears of its commits is logged.
    async fn hear(self, to: Routes, request: http::Request<Body>) -> Result<Answer, Infallible> {
        if !request::is_single(request.uri().path()) {
            return call(to, request).await;
        }
        let request = match Request::read(request).await {
            Ok(request) => self.world.planted.sent_instead(request),
            Err(status) => return Ok(status.into_http()),
        };
        let answer = self.pass(to, request.clone()).await?;
        let Some(commit) = request.commit() else { return Ok(answer) };
        match request::answer::<v1::CommitResponse>(answer).await {
            Ok((heard, answer)) => {
                let refused = heard.is_some_and(|heard| {
                    matches!(heard.verdict(), v1::Verdict::Fenced | v1::Verdict::Refused)
                });
                if let (true, Some(key), Some(checkpoint)) = (refused, commit.key, commit.checkpoint) {
                    let seq = checkpoint.seq;
                    self.world.log.push(Entry::Refused { shard: key.shard, epoch: key.epoch, seq });
                }
                Ok(answer)
            }
            Err(status) => Ok(status.into_http()),
        }
    }

    /// A coordinator's request.
    async fn ask(
        self,
        to: Channel,
        beliefs: Arc<Beliefs>,
        request: http::Request<Body>,
    ) -> Result<Answer, tower::BoxError> {
        if !request::is_single(request.uri().path()) {
            return Ok(call(to, request).await?);
        }
        let planted = self.world.planted;
        let asked = Request::read(request).await?;
        let request = planted.instead(asked.clone(), &beliefs, self.world.timing.session_ttl);
        let answer = self.pass(to.clone(), request).await?;
        beliefs.answered(&asked);
        if let Some(rest) = planted.afterwards(&asked) {
            tokio::spawn(async move {
                tokio::time::sleep(APART).await;
                drop(call(to, rest.send()).await);
            });
        }
        Ok(answer)
    }
}

async fn call<S>(mut to: S, request: http::Request<Body>) -> Result<Answer, S::Error>
where
    S: Service<http::Request<Body>, Response = Answer>,
{
    std::future::poll_fn(|cx| to.poll_ready(cx)).await?;
    to.call(request).await
}

/// A coordinator's way to its store.
pub(crate) fn to_store(world: &Arc<World>, from: &str, channel: Channel) -> etcd_client::Channel {
    let seam = Seam { world: Arc::clone(world), from: from.to_owned() };
    let beliefs = Arc::<Beliefs>::default();
    let service = service_fn(move |request: http::Request<Body>| {
        seam.clone().ask(channel.clone(), Arc::clone(&beliefs), request)
    });
    etcd_client::Channel::Custom(BoxCloneSyncService::new(service))
}

/// A coordinator's services as one worker reaches them.
#[derive(Clone)]
struct Heard {
    seam: Seam,
    to: Routes,
}

impl NamedService for Heard {
    const NAME: &'static str = "tdferry.v1.WorkerService";
}

impl Service<http::Request<Body>> for Heard {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { seam, to } = self.clone();
        Box::pin(seam.hear(to, request))
    }
}

/// The services for connections from one host.
pub(crate) fn heard_from(world: &Arc<World>, from: &str, to: Routes) -> Routes {
    if !from.starts_with("worker") {
        return to;
    }
    Routes::new(Heard { seam: Seam { world: Arc::clone(world), from: from.to_owned() }, to })
}
