//! The gRPC services: requests become the words of this crate at once, answers become messages last of all.
//!
//! Generated types live here and nowhere else in the coordinator.

mod admin;
mod shown;
mod survey;
mod worker;

use tdferry_proto::status::ApiError;
use tdferry_proto::v1;
use tdferry_proto::v1::admin_service_server::AdminServiceServer;
use tdferry_proto::v1::worker_service_server::WorkerServiceServer;
use tonic::service::Routes;

use crate::coordinator::Coordinator;
use crate::store::StoreError;

/// A request holds a spec of at most 1 MiB, or a page of names.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// All services of a coordinator, health and reflection among them.
pub(crate) async fn routes(coordinator: &Coordinator) -> Routes {
    let worker = WorkerServiceServer::new(worker::WorkerApi(coordinator.clone()));
    let admin = AdminServiceServer::new(admin::AdminApi(coordinator.clone()));
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<WorkerServiceServer<worker::WorkerApi>>().await;
    reporter.set_serving::<AdminServiceServer<admin::AdminApi>>().await;
    let routes = Routes::new(worker.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(admin.max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(health);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    match reflection {
        Ok(reflection) => routes.add_service(reflection),
        Err(err) => {
            tracing::error!(error = %err, "served without reflection");
            routes
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(err: StoreError) -> Self {
        let message = err.to_string();
        match err {
            StoreError::Away { .. }
            | StoreError::Contended(_)
            | StoreError::Compacted
            | StoreError::Full(_) => Self::Unavailable(message),
            StoreError::SessionGone => Self::Conflict(message),
            StoreError::AnswerTooLarge(_)
            | StoreError::Denied(_)
            | StoreError::Damaged { .. }
            | StoreError::Foreign(_)
            | StoreError::Invalid(_) => Self::Internal(message),
        }
    }
}
