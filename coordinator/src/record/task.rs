//! The records of a task: what was asked (JSON), its state (JSON), its control and its fence (fixed binary).

use tdferry_common::task::{Control, TaskState};

use super::frame::{Damage, Reader, open, seal};

const SPEC_VERSION: u8 = 1;
const STATE_VERSION: u8 = 1;
const CONTROL_VERSION: u8 = 1;
const FENCE_VERSION: u8 = 1;
/// A reason longer than this helps nobody, and the record is read by every coordinator.
const MAX_REASON: usize = 2_000;

/// The JSON carries a version of its own.
pub(crate) fn encode_spec(json: &str) -> Vec<u8> {
    seal(SPEC_VERSION, json.as_bytes())
}

pub(crate) fn decode_spec(bytes: &[u8]) -> Result<String, Damage> {
    let json = open(SPEC_VERSION, bytes)?;
    std::str::from_utf8(json).map(str::to_owned).map_err(|_| Damage::Field("json"))
}

pub(crate) fn encode_state(state: &TaskState) -> Vec<u8> {
    let mut state = state.clone();
    if let TaskState::Failed { reason, .. } = &mut state {
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
    }
    // an enum of plain fields always has a JSON form; an empty payload would be refused when read
    seal(STATE_VERSION, &serde_json::to_vec(&state).unwrap_or_default())
}

pub(crate) fn decode_state(bytes: &[u8]) -> Result<TaskState, Damage> {
    serde_json::from_slice(open(STATE_VERSION, bytes)?).map_err(|_| Damage::Field("json"))
}

/// One encoding for each value: claims compare it.
pub(crate) fn encode_control(control: Control) -> Vec<u8> {
    let code = match control {
        Control::Run => 1,
        Control::Pause => 2,
        Control::Stop => 3,
    };
    seal(CONTROL_VERSION, &[code])
}

pub(crate) fn decode_control(bytes: &[u8]) -> Result<Control, Damage> {
    match open(CONTROL_VERSION, bytes)? {
        [1] => Ok(Control::Run),
        [2] => Ok(Control::Pause),
        [3] => Ok(Control::Stop),
        _ => Err(Damage::Field("control")),
    }
}

/// One encoding for each value: claims and commits compare it.
pub(crate) fn encode_fence(fence: u64) -> Vec<u8> {
    seal(FENCE_VERSION, &fence.to_be_bytes())
}

pub(crate) fn decode_fence(bytes: &[u8]) -> Result<u64, Damage> {
    let mut from = Reader(open(FENCE_VERSION, bytes)?);
    let fence = u64::from_be_bytes(from.take("fence")?);
    from.end()?;
    Ok(fence)
}
