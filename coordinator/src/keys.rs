//! Every key of the store, in one place. Nothing else builds or takes apart a key.
//!
//! ```text
//! /tdferry/v1/format                                   format version, store id, feature gates
//! /tdferry/v1/coordinator/{id}  worker/{id}            who is there; attached to the member's session
//! /tdferry/v1/drains                                   which workers are to hold nothing
//! /tdferry/v1/rebalance/{task}                         a wish; attached to a session of its own
//! /tdferry/v1/task/{task}/spec                         what was asked
//! /tdferry/v1/task/{task}/state                        phase and plan; whoever adds or reopens a shard puts it too
//! /tdferry/v1/task/{task}/control                      run, pause or stop: compared by claims only
//! /tdferry/v1/task/{task}/fence                        a number that only rises; the last key of a task to be swept
//! /tdferry/v1/task/{task}/plan/{plan}/group/{group}    names of subtables
//! /tdferry/v1/task/{task}/plan/{plan}/shard/{shard}    place in the plan and record
//! /tdferry/v1/task/{task}/lease/{shard}                worker, session; its create_revision is the epoch
//! ```

use tdferry_common::id::{GroupId, PlanId, ShardId, WorkerId};
use tdferry_common::spec::TaskName;

/// Everything of ours lies under it, so that an etcd can be shared.
pub(crate) const ROOT: &str = "/tdferry/v1/";
/// Format version and store id.
pub(crate) const FORMAT: &str = "/tdferry/v1/format";
/// Which workers are to hold nothing.
pub(crate) const DRAINS: &str = "/tdferry/v1/drains";
const REBALANCE: &str = "/tdferry/v1/rebalance/";
const COORDINATOR: &str = "/tdferry/v1/coordinator/";
const WORKER: &str = "/tdferry/v1/worker/";
const TASK: &str = "/tdferry/v1/task/";

/// A key taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Format,
    Drains,
    Rebalance(TaskName),
    Coordinator(String),
    Worker(WorkerId),
    Spec(TaskName),
    State(TaskName),
    Control(TaskName),
    Fence(TaskName),
    Group(TaskName, PlanId, GroupId),
    Shard(TaskName, PlanId, ShardId),
    Lease(TaskName, ShardId),
}

impl Key {
    /// Takes a key apart; `None` for one that this version does not know.
    pub(crate) fn parse(key: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(key).ok()?.strip_prefix(ROOT)?.split('/');
        let parsed = match parts.next()? {
            "format" => Self::Format,
            "drains" => Self::Drains,
            "rebalance" => Self::Rebalance(parts.next()?.parse().ok()?),
            "coordinator" => Self::Coordinator(parts.next().filter(|id| !id.is_empty())?.to_owned()),
            "worker" => Self::Worker(parts.next()?.parse().ok()?),
            "task" => Self::of_task(&mut parts)?,
            _ => return None,
        };
        parts.next().is_none().then_some(parsed)
    }

    fn of_task<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        let task: TaskName = parts.next()?.parse().ok()?;
        match parts.next()? {
            "spec" => Some(Self::Spec(task)),
            "state" => Some(Self::State(task)),
            "control" => Some(Self::Control(task)),
            "fence" => Some(Self::Fence(task)),
            "lease" => Some(Self::Lease(task, parts.next()?.parse().ok()?)),
            "plan" => Self::of_plan(task, parts.next()?.parse().ok()?, parts),
            _ => None,
        }
    }

    fn of_plan<'a>(task: TaskName, plan: PlanId, parts: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        match (parts.next()?, parts.next()?) {
            ("group", group) => Some(Self::Group(task, plan, group.parse().ok()?)),
            ("shard", shard) => Some(Self::Shard(task, plan, shard.parse().ok()?)),
            _ => None,
        }
    }
}

pub(crate) fn coordinator(id: &str) -> String {
    format!("{COORDINATOR}{id}")
}

pub(crate) fn worker(id: WorkerId) -> String {
    format!("{WORKER}{id}")
}

/// A wish of an operator. Not among the keys of the task, since nobody sweeps it.
pub(crate) fn rebalance(task: &TaskName) -> String {
    format!("{REBALANCE}{task}")
}

pub(crate) fn spec(task: &TaskName) -> String {
    format!("{TASK}{task}/spec")
}

pub(crate) fn state(task: &TaskName) -> String {
    format!("{TASK}{task}/state")
}

pub(crate) fn control(task: &TaskName) -> String {
    format!("{TASK}{task}/control")
}

pub(crate) fn fence(task: &TaskName) -> String {
    format!("{TASK}{task}/fence")
}

/// All plans of a task.
pub(crate) fn plans(task: &TaskName) -> String {
    format!("{TASK}{task}/plan/")
}

/// All groups and shards of a plan.
pub(crate) fn plan(task: &TaskName, plan: PlanId) -> String {
    format!("{TASK}{task}/plan/{plan}/")
}

/// All groups of a plan.
pub(crate) fn groups(task: &TaskName, plan: PlanId) -> String {
    format!("{TASK}{task}/plan/{plan}/group/")
}

pub(crate) fn group(task: &TaskName, plan: PlanId, group: GroupId) -> String {
    format!("{TASK}{task}/plan/{plan}/group/{group}")
}

/// All shards of a plan.
pub(crate) fn shards(task: &TaskName, plan: PlanId) -> String {
    format!("{TASK}{task}/plan/{plan}/shard/")
}

pub(crate) fn shard(task: &TaskName, plan: PlanId, shard: &ShardId) -> String {
    format!("{TASK}{task}/plan/{plan}/shard/{shard}")
}

/// All leases of a task.
pub(crate) fn leases(task: &TaskName) -> String {
    format!("{TASK}{task}/lease/")
}

pub(crate) fn lease(task: &TaskName, shard: &ShardId) -> String {
    format!("{TASK}{task}/lease/{shard}")
}

/// The end of the range of all keys that start with `prefix`, which ends with a slash.
pub(crate) fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1; // '/' becomes '0'
    }
    end
}

/// The first key after `key`.
pub(crate) fn after(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_taken_apart_into_what_it_was_built_from() {
        let task: TaskName = "migrate-test.1".parse().unwrap();
        let (plan_id, group_id, shard_id) = (PlanId(7), GroupId(3), ShardId::copy(GroupId(3), 1).child(2));
        let cases = [
            (FORMAT.to_owned(), Key::Format),
            (coordinator("c1"), Key::Coordinator("c1".into())),
            (worker(WorkerId(5)), Key::Worker(WorkerId(5))),
            (DRAINS.to_owned(), Key::Drains),
            (rebalance(&task), Key::Rebalance(task.clone())),
            (spec(&task), Key::Spec(task.clone())),
            (state(&task), Key::State(task.clone())),
            (control(&task), Key::Control(task.clone())),
            (fence(&task), Key::Fence(task.clone())),
            (group(&task, plan_id, group_id), Key::Group(task.clone(), plan_id, group_id)),
            (shard(&task, plan_id, &shard_id), Key::Shard(task.clone(), plan_id, shard_id.clone())),
            (lease(&task, &shard_id), Key::Lease(task.clone(), shard_id.clone())),
        ];
        for (text, key) in cases {
            assert!(text.starts_with(ROOT));
            assert_eq!(Key::parse(text.as_bytes()), Some(key), "{text}");
        }
    }

    #[test]
    fn keys_of_another_shape_are_not_ours() {
        for text in [
            "",
            "/tdferry/v2/format",
            "/tdferry/v1/format/x",
            "/tdferry/v1/task/a/other",
            "/tdferry/v1/worker/1",
        ] {
            assert_eq!(Key::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_range_holds_what_starts_with_its_prefix_and_nothing_else() {
        let (a, ab): (TaskName, TaskName) = ("a".parse().unwrap(), "a.b".parse().unwrap());
        let within = |prefix: &str, key: &str| {
            prefix.as_bytes() <= key.as_bytes() && key.as_bytes() < &*end_of(prefix)
        };
        assert!(within(&leases(&a), &lease(&a, &ShardId::survey())));
        assert!(!within(&leases(&a), &lease(&ab, &ShardId::survey())));
        assert!(!within(&groups(&a, PlanId(1)), &shard(&a, PlanId(1), &ShardId::schema())));
    }
}
