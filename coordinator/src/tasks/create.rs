//! Tasks come to be: created, imported, or as a copy of another's spec. All is checked before anything is stored.

use std::time::Duration;

use tdferry_common::secret::{SecretRef, SecretValue};
use tdferry_common::spec::{Spec, SpecError, TaskName};
use tdferry_proto::status::ApiError;

use super::{Kept, no_such};
use crate::phases;
use crate::shared::Core;
use crate::store::Created;

/// What a deleted task left is swept within moments; longer a caller does not wait for its name.
const SWEEP_WAIT: Duration = Duration::from_millis(50);
const SWEEP_TRIES: u32 = 20;

/// Creates a task from the JSON of its spec. Only the process that resolves secrets in memory may allow them.
pub(crate) async fn create(core: &Core, json: &str, memory: MemorySecrets) -> Result<TaskName, ApiError> {
    let spec = Spec::from_json(json).map_err(invalid)?;
    if memory == MemorySecrets::Refused {
        refuse_memory(&spec)?;
    }
    store(core, spec).await
}

/// Creates a task with another's spec. Progress is not copied.
pub(crate) async fn copy(core: &Core, from: &TaskName, to: TaskName) -> Result<TaskName, ApiError> {
    let spec = kept(core, from).await?.spec()?;
    store(core, Spec { name: to, ..spec }).await
}

/// The JSON of a task's spec; secrets stand in it by reference only.
pub(crate) async fn export(core: &Core, task: &TaskName) -> Result<String, ApiError> {
    Ok(kept(core, task).await?.json())
}

/// Whether a spec may name secrets in the memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemorySecrets {
    Allowed,
    Refused,
}

async fn kept(core: &Core, task: &TaskName) -> Result<Kept, ApiError> {
    let record = core.store.read_task(task).await?.ok_or_else(|| no_such(task))?;
    Kept::open(&record.spec)
}

async fn store(core: &Core, spec: Spec) -> Result<TaskName, ApiError> {
    let json = spec.to_json().map_err(invalid)?;
    let sealed = Kept::new(&json, core.clock.wall_millis())?.seal()?;
    let task = spec.name;
    for _ in 0..SWEEP_TRIES {
        match core.store.create_task(&task, &sealed).await? {
            Created::Created => {
                tracing::info!(%task, "task created");
                return Ok(task);
            }
            Created::Exists => {
                return Err(ApiError::Exists(format!(
                    "there is a task {task} already; choose another name or delete it"
                )));
            }
            Created::StillSwept => {
                phases::sweep_task(core, &task).await?;
                tokio::time::sleep(SWEEP_WAIT).await;
            }
        }
    }
    Err(ApiError::Conflict(format!(
        "a task {task} was deleted and is still being swept away; try again shortly"
    )))
}

fn refuse_memory(spec: &Spec) -> Result<(), ApiError> {
    for (field, dsn) in [("from", &spec.from), ("to", &spec.to)] {
        if dsn.secrets().any(|(_, value)| matches!(value, SecretValue::Ref(SecretRef::Memory(_)))) {
            return Err(ApiError::Invalid(format!(
                "field `{field}`: `${{memory:…}}` names a secret of another process; write `${{env:NAME}}` or `${{file:PATH}}`"
            )));
        }
    }
    Ok(())
}

fn invalid(err: SpecError) -> ApiError {
    ApiError::Invalid(err.to_string())
}
