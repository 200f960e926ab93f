//! Who would work on a plan and how fast: by flags, by a running cluster, else by documented defaults.

use tdferry_common::spec::Spec;
use tdferry_coordinator::outline::{DEFAULTS, Fleet, Rates};
use tdferry_proto::v1;

use super::PlanArgs;
use crate::exit::Failure;
use crate::remote::{self, RemoteArgs};
use crate::run::cores;
use crate::task::answer;

/// Workers and rates, and where the rates come from.
pub(super) struct Pace {
    pub(super) fleet: Fleet,
    pub(super) rates: Rates,
    pub(super) origin: Origin,
}

/// Where rates come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Origin {
    /// The documented ones.
    Defaults,
    /// A cluster that copies nothing now, so the documented ones.
    IdleCluster,
    /// Told: rows a second of one worker.
    Told { rows: u64 },
    /// What a cluster's slots copy now.
    Learnt { rows_per_slot: f64 },
}

/// What a cluster is and does.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Cluster {
    workers: u32,
    slots: u32,
    rows_per_slot: Option<f64>,
}

pub(super) async fn of(args: &PlanArgs, spec: &Spec) -> Result<Pace, Failure> {
    let cluster = match args.coordinators.as_slice() {
        [] => None,
        coordinators => Some(ask(&RemoteArgs { coordinators: coordinators.to_vec() }).await?),
    };
    let found = cluster.unwrap_or_default();
    let slots = match found.slots {
        0 => spec.options.workers.unwrap_or_else(cores),
        slots => slots,
    };
    let fleet =
        Fleet { workers: args.workers.unwrap_or(found.workers).max(1), slots: args.slots.unwrap_or(slots) };
    let (rates, origin) = match (args.rate, cluster.map(|cluster| cluster.rows_per_slot)) {
        (Some(rows), _) => {
            (Rates::measured(approximate(rows) / f64::from(fleet.slots)), Origin::Told { rows })
        }
        (None, Some(Some(rows_per_slot))) => {
            (Rates::measured(rows_per_slot), Origin::Learnt { rows_per_slot })
        }
        (None, Some(None)) => (DEFAULTS, Origin::IdleCluster),
        (None, None) => (DEFAULTS, Origin::Defaults),
    };
    Ok(Pace { fleet, rates, origin })
}

async fn ask(remote: &RemoteArgs) -> Result<Cluster, Failure> {
    let mut admin = remote::connect(remote).await?;
    let workers = answer(admin.list_workers(v1::ListWorkersRequest {}).await)?;
    let tasks = answer(admin.list_tasks(v1::ListTasksRequest {}).await)?;
    Ok(learnt(&workers.workers, &tasks.tasks))
}

/// What those workers are that take work, and what a slot of those copies that are at it.
fn learnt(workers: &[v1::WorkerView], tasks: &[v1::TaskView]) -> Cluster {
    let taking: Vec<_> = workers.iter().filter(|worker| !worker.draining && !worker.drained).collect();
    let count = u32::try_from(taking.len()).unwrap_or(u32::MAX);
    let slots: u32 = taking.iter().map(|worker| worker.slots).fold(0, u32::saturating_add);
    let copying = tasks.iter().filter(|task| task.phase == "copy").filter_map(|task| task.progress.as_ref());
    let (rows, leases) = copying
        .filter(|progress| progress.rows_per_second > 0.0 && progress.shards_leased > 0)
        .fold((0.0, 0), |(rows, leases), one| (rows + one.rows_per_second, leases + one.shards_leased));
    Cluster {
        workers: count,
        slots: slots.checked_div(count).unwrap_or(0),
        rows_per_slot: (leases > 0).then(|| rows / approximate(leases)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
const fn approximate(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_known_by_the_workers_that_take_work_and_the_leases_that_copy() {
        let worker = |slots, draining, drained| v1::WorkerView {
            slots,
            draining,
            drained,
            ..v1::WorkerView::default()
        };
        let task = |phase: &str, rows_per_second, shards_leased| v1::TaskView {
            phase: phase.into(),
            progress: Some(v1::Progress { rows_per_second, shards_leased, ..v1::Progress::default() }),
            ..v1::TaskView::default()
        };
        let workers = [
            worker(4, false, false),
            worker(8, false, false),
            worker(64, true, false),
            worker(64, false, true),
        ];
        let tasks = [
            task("copy", 900.0, 2),
            task("copy", 300.0, 2),
            task("schema", 5_000.0, 9),
            task("copy", 0.0, 7),
        ];
        assert_eq!(learnt(&workers, &tasks), Cluster { workers: 2, slots: 6, rows_per_slot: Some(300.0) });
        assert_eq!(learnt(&[], &tasks[2..]), Cluster::default());
    }
}
