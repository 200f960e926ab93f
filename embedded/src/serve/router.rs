//! Sends calls to the services there are and answers for those there are not, in words.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

const SERVED: [&str; 5] = [
    "/etcdserverpb.KV/",
    "/etcdserverpb.Lease/",
    "/etcdserverpb.Watch/",
    "/etcdserverpb.Maintenance/",
    "/etcdserverpb.Cluster/",
];

type Answer = Result<http::Response<Body>, Infallible>;

#[derive(Debug, Clone)]
pub(super) struct Router {
    routes: Routes,
}

impl Router {
    pub(super) fn new(routes: Routes) -> Self {
        Self { routes }
    }
}

impl Service<http::Request<Body>> for Router {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Either<<Routes as Service<http::Request<Body>>>::Future, Ready<Answer>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<http::Request<Body>>::poll_ready(&mut self.routes, context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if SERVED.iter().any(|service| path.starts_with(service)) {
            return Either::Left(self.routes.call(request));
        }
        Either::Right(ready(Ok(not_offered(path).into_http())))
    }
}

/// The answer to anything of etcd's that this server leaves out.
pub(super) fn not_offered(what: &str) -> Status {
    Status::unimplemented(format!(
        "the embedded store does not offer {what}: use a real etcd (3.4 or newer) where it is needed"
    ))
}
