//! Which workers an operator wants to hold nothing: they claim nothing, and what they hold they commit and release.

use std::fmt;
use std::str::FromStr;

use tdferry_common::id::WorkerId;

use crate::record::{Drains, WorkerRecord};
use crate::shared::Core;
use crate::store::StoreError;
use crate::view::Mirror;

/// Drained workers and labels in one record; beyond it workers that are not there any more are forgotten.
const MOST_WORKERS: usize = 1_000;

/// Who is drained, or works again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Worker(WorkerId),
    /// All that carry it, those that come later too.
    Label(Label),
}

/// Something that workers carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    key: String,
    value: String,
}

/// A text that is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no label; write key=value")]
pub(crate) struct BadLabel(String);

impl FromStr for Label {
    type Err = BadLabel;

    fn from_str(text: &str) -> Result<Self, BadLabel> {
        let parts = text.split_once('=').filter(|(key, value)| !key.is_empty() && !value.is_empty());
        let (key, value) = parts.ok_or_else(|| BadLabel(text.chars().take(80).collect()))?;
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(worker) => write!(f, "worker {worker}"),
            Self::Label(Label { key, value }) => write!(f, "label {key}={value}"),
        }
    }
}

impl Who {
    fn is(&self, worker: &WorkerRecord) -> bool {
        match self {
            Self::Worker(id) => worker.worker == *id,
            Self::Label(Label { key, value }) => worker.labels.get(key) == Some(value),
        }
    }
}

/// Drains workers or lets them work again; those whom it concerns now.
pub(crate) async fn set_drain(core: &Core, who: &Who, drain: bool) -> Result<Vec<WorkerId>, StoreError> {
    let there = |mirror: &Mirror| {
        mirror.workers().filter(|worker| who.is(worker)).map(|worker| worker.worker).collect()
    };
    let present: Vec<WorkerId> =
        core.view().read(|mirror| mirror.workers().map(|worker| worker.worker).collect());
    core.store.change_drains(|drains| change(drains, who, drain, &present)).await?;
    tracing::info!(%who, drain, "drain set");
    Ok(core.view().read(there))
}

fn change(drains: &mut Drains, who: &Who, drain: bool, present: &[WorkerId]) {
    let label = |label: &Label| (label.key.clone(), label.value.clone());
    let _changed = match (who, drain) {
        (Who::Worker(worker), true) => drains.workers.insert(*worker),
        (Who::Worker(worker), false) => drains.workers.remove(worker),
        (Who::Label(carried), true) => drains.labels.insert(label(carried)),
        (Who::Label(carried), false) => drains.labels.remove(&label(carried)),
    };
    if drains.workers.len() > MOST_WORKERS {
        drains.workers.retain(|worker| present.contains(worker));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tdferry_common::id::SessionId;

    use super::*;

    fn worker(id: u64, dc: &str) -> WorkerRecord {
        WorkerRecord {
            worker: WorkerId(id),
            session: SessionId(1),
            host: "h".into(),
            version: "0.1.0".into(),
            slots: 1,
            labels: BTreeMap::from([("dc".into(), dc.into())]),
            draining: false,
            waiting: Vec::new(),
            notices: Vec::new(),
        }
    }

    #[test]
    fn a_label_drains_all_that_carry_it_and_an_id_its_worker() {
        let mut drains = Drains::default();
        let label = Who::Label("dc=a".parse().unwrap());
        change(&mut drains, &label, true, &[]);
        change(&mut drains, &Who::Worker(WorkerId(7)), true, &[]);
        let concerned = |drains: &Drains| {
            [worker(1, "a"), worker(2, "b"), worker(7, "b")].map(|worker| drains.concern(&worker))
        };
        assert_eq!(concerned(&drains), [true, false, true]);
        change(&mut drains, &label, false, &[]);
        assert_eq!(concerned(&drains), [false, false, true]);
        change(&mut drains, &Who::Worker(WorkerId(7)), false, &[]);
        assert_eq!(drains, Drains::default());
    }

    #[test]
    fn workers_long_gone_are_forgotten_when_there_are_too_many() {
        let mut drains = Drains::default();
        for id in 0..1_001 {
            change(&mut drains, &Who::Worker(WorkerId(id)), true, &[WorkerId(5)]);
        }
        assert_eq!(drains.workers.into_iter().collect::<Vec<_>>(), [WorkerId(5)]);
    }

    #[test]
    fn what_is_no_label_is_refused() {
        for text in ["", "dc", "=a", "dc="] {
            assert!(text.parse::<Label>().is_err(), "{text}");
        }
    }
}
