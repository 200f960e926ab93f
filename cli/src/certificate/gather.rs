//! Everything a certificate says, gathered: the task and its shards from a coordinator, the rest from both databases.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tdferry_common::port::{Connector, PortResult};
use tdferry_common::shard::Shard;
use tdferry_common::spec::Spec;
use tdferry_common::time::Period;
use tdferry_proto::v1::{self, admin_service_client::AdminServiceClient};
use tdferry_worker::reject::{self, Kept, Visitor};
use tdferry_worker::sides;
use tonic::transport::Channel;

use super::entries::Facts;
use crate::exit::{Exit, Failure};
use crate::task::{answer, held};

/// Shards in one answer.
const PAGE: u32 = 1_000;

/// How closely the databases are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Not at all.
    Away,
    /// Versions and options.
    Options,
    /// And every row of every table, read again on both sides.
    Subtables,
}

/// The facts of a task that has ended; a spec in hand goes before the stored one, whose secrets may be elsewhere.
pub(super) async fn facts(
    admin: &mut AdminServiceClient<Channel>,
    connector: &dyn Connector,
    task: v1::TaskView,
    look: Look,
    written_millis: i64,
) -> Result<Facts, Failure> {
    let exported = answer(admin.export_task(v1::ExportTaskRequest { name: task.name.clone() }).await)?;
    let spec = Spec::from_json(&exported.spec).map_err(|error| Failure::new(Exit::Failed, error))?;
    let shards = shards(admin, &task.name).await?;
    let sides = match look {
        Look::Away => Err("the certificate was written without asking the databases".to_owned()),
        Look::Options | Look::Subtables => {
            sides::ask(connector, &spec).await.map_err(|error| error.to_string())
        }
    };
    let rejects = match look {
        Look::Away => Err("the certificate was written without asking the databases".to_owned()),
        Look::Options | Look::Subtables => {
            rejects(connector, &spec, &task).await.map_err(|error| error.to_string())
        }
    };
    let mut tables = Vec::new();
    if look == Look::Subtables {
        sides::sums(connector, &spec, period(&shards), |sums| tables.push(sums)).await?;
    }
    Ok(Facts { written_millis, task, spec, shards, sides, rejects, tables })
}

/// The task, which must have ended.
pub(super) async fn ended(
    admin: &mut AdminServiceClient<Channel>,
    name: &str,
) -> Result<v1::TaskView, Failure> {
    let task = held(answer(admin.get_task(v1::GetTaskRequest { name: name.to_owned() }).await)?.task)?;
    match task.terminal {
        true => Ok(task),
        false => Err(Failure::new(
            Exit::Usage,
            format!("the task `{name}` is {}; a certificate is written of one that has ended", task.state),
        )),
    }
}

async fn shards(
    admin: &mut AdminServiceClient<Channel>,
    task: &str,
) -> Result<Vec<(String, Shard)>, Failure> {
    let mut request =
        v1::ListShardsRequest { task: task.to_owned(), page_size: PAGE, ..v1::ListShardsRequest::default() };
    let mut shards = Vec::new();
    loop {
        let page = answer(admin.list_shards(request.clone()).await)?;
        for view in page.shards {
            let shard =
                view.shard.unwrap_or_default().try_into().map_err(|bad| Failure::new(Exit::Failed, bad))?;
            shards.push((view.stable, shard));
        }
        if page.next_page_token.is_empty() {
            return Ok(shards);
        }
        request.page_token = page.next_page_token;
    }
}

/// Rows that are kept because the target refused them, by reason and stable.
#[derive(Default)]
struct Counts(BTreeMap<(String, String), u64>);

#[async_trait]
impl Visitor for Counts {
    async fn page(&mut self, page: Vec<Kept>) -> PortResult<bool> {
        for Kept { reject, .. } in page {
            let key = (reject.refusal.reason.word().to_owned(), reject.origin.stable);
            *self.0.entry(key).or_default() += 1;
        }
        Ok(true)
    }
}

async fn rejects(
    connector: &dyn Connector,
    spec: &Spec,
    task: &v1::TaskView,
) -> PortResult<BTreeMap<(String, String), u64>> {
    let mut counts = Counts::default();
    let rejected = task.progress.unwrap_or_default().totals.unwrap_or_default().rejected;
    // where none was refused there may be no place for them
    if rejected > 0 {
        reject::open(connector, spec, "certificate").await?.visit(&mut counts).await?;
    }
    Ok(counts.0)
}

/// The time that the task's shards cover.
fn period(shards: &[(String, Shard)]) -> Period {
    let moving = shards.iter().map(|(_, shard)| shard.period).filter(|period| !period.is_empty());
    let whole = moving.reduce(|a, b| Period { from: a.from.min(b.from), to: a.to.max(b.to) });
    whole.unwrap_or(Period { from: 0, to: 0 })
}
