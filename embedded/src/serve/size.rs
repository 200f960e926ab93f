//! How large a request may be: etcd's two limits, with its words.

use prost::Message;
use tonic::Status;

use crate::refusal::Refusal;

/// etcd's default `--max-request-bytes`, which bounds what goes through its log.
const MAX_REQUEST: usize = 1_572_864;
/// What etcd wraps around a request in its log (an id and two headers); it counts towards the limit.
const LOG_OVERHEAD: usize = 18;
/// Where etcd's gRPC server itself refuses: the limit above and 512 KiB.
const MAX_MESSAGE: usize = MAX_REQUEST + 512 * 1024;
/// What we decode in order to be able to refuse it in etcd's words; beyond it, tonic's words must do.
pub(super) const DECODE_LIMIT: usize = 4 * MAX_MESSAGE;

/// For every request.
pub(super) fn check_message(request: &impl Message) -> Result<(), Status> {
    let length = request.encoded_len();
    if length > MAX_MESSAGE {
        return Err(Status::resource_exhausted(format!(
            "grpc: received message larger than max ({length} vs. {MAX_MESSAGE})"
        )));
    }
    Ok(())
}

/// For requests that change something, after they were found sound.
pub(super) fn check_logged(request: &impl Message) -> Result<(), Refusal> {
    if request.encoded_len() + LOG_OVERHEAD > MAX_REQUEST { Err(Refusal::RequestTooLarge) } else { Ok(()) }
}
