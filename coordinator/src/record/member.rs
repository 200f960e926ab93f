//! The records of members: who is there, and what an operator wants of them. Nothing safe rests on them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tdferry_common::id::{SessionId, WorkerId};

use super::frame::{Damage, open, seal};

const VERSION: u8 = 1;
/// The last error of a source or sink is shown on one or two lines.
const MAX_MESSAGE: usize = 400;

/// A worker as it registered, and how it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkerRecord {
    /// Which.
    pub(crate) worker: WorkerId,
    /// Its session: the record vanishes with it.
    pub(crate) session: SessionId,
    /// The machine it runs on.
    pub(crate) host: String,
    /// Its version of tdferry.
    pub(crate) version: String,
    /// How many leases it works on at once.
    pub(crate) slots: u32,
    /// Where it stands, such as `dc=a`.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// It stops and takes nothing more.
    #[serde(default)]
    pub(crate) draining: bool,
    /// What it waits for.
    #[serde(default)]
    pub(crate) waiting: Vec<WaitingRecord>,
    /// What a person must see to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notices: Vec<NoticeRecord>,
}

/// Something a worker waits for, for one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WaitingRecord {
    /// Whose.
    pub(crate) task: String,
    /// Which database.
    pub(crate) what: WaitingFor,
    /// The last error seen.
    pub(crate) message: String,
    /// Wall time in milliseconds since 1970, for display.
    pub(crate) since_millis: i64,
}

/// Something a person must see to, for one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NoticeRecord {
    /// Whose.
    pub(crate) task: String,
    /// Which.
    pub(crate) shard: String,
    /// What it is.
    pub(crate) message: String,
}

/// Which database is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WaitingFor {
    Source,
    Sink,
}

/// A coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CoordinatorRecord {
    /// Where it listens, for people.
    pub(crate) address: String,
    /// Its version of tdferry.
    pub(crate) version: String,
}

/// Which workers an operator wants to hold nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drains {
    /// By their ids, until they end.
    #[serde(default)]
    pub(crate) workers: BTreeSet<WorkerId>,
    /// Key and value that they carry, those that come later too.
    #[serde(default)]
    pub(crate) labels: BTreeSet<(String, String)>,
}

/// An operator's wish that idle workers get part of what others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rebalance {
    /// Wall time in milliseconds since 1970, for display.
    pub(crate) asked_millis: i64,
}

impl Drains {
    /// Whether a worker is to hold nothing.
    pub(crate) fn concern(&self, worker: &WorkerRecord) -> bool {
        let carried = |(key, value): &(String, String)| worker.labels.get(key) == Some(value);
        self.workers.contains(&worker.worker) || self.labels.iter().any(carried)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        encode_json(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        decode_json(bytes)
    }
}

impl Rebalance {
    pub(crate) fn encode(self) -> Vec<u8> {
        encode_json(&self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        decode_json(bytes)
    }
}

impl WorkerRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut record = self.clone();
        for waiting in &mut record.waiting {
            waiting.message.truncate(waiting.message.floor_char_boundary(MAX_MESSAGE));
        }
        encode_json(&record)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        decode_json(bytes)
    }
}

impl CoordinatorRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode_json(self)
    }

    #[cfg(test)]
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        decode_json(bytes)
    }
}

fn encode_json(record: &impl Serialize) -> Vec<u8> {
    // plain fields always have a JSON form; an empty payload would be refused when read
    seal(VERSION, &serde_json::to_vec(record).unwrap_or_default())
}

fn decode_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damage> {
    serde_json::from_slice(open(VERSION, bytes)?).map_err(|_| Damage::Field("json"))
}
