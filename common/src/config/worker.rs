//! The configuration of a worker. It holds nothing about databases: those come with the leases.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{COORDINATOR_PORT, ConfigError, ConfigKey, RoleConfig, fields};

/// More leases at once help no machine.
const MAX_SLOTS: u32 = 1024;

/// What a worker needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WorkerConfig {
    /// The coordinators, each a URL; any of them will do.
    #[serde(deserialize_with = "fields::list")]
    pub coordinators: Vec<String>,
    /// Where it stands, such as `dc=a`: leases go first to the workers nearest to their source.
    #[serde(deserialize_with = "fields::labels")]
    pub labels: BTreeMap<String, String>,
    /// How many leases it copies at once; its CPU cores if not set.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "fields::number")]
    pub slots: Option<u32>,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            coordinators: vec![format!("http://127.0.0.1:{COORDINATOR_PORT}")],
            labels: BTreeMap::new(),
            slots: None,
        }
    }
}

impl RoleConfig for WorkerConfig {
    const KEYS: &'static [ConfigKey] = &[
        ConfigKey { name: "coordinators", help: "URLs of coordinators, as http://host:7410" },
        ConfigKey { name: "labels", help: "where this worker stands, as dc=a,rack=7" },
        ConfigKey { name: "slots", help: "leases copied at once; the CPU cores if not set" },
    ];

    fn check(&self) -> Result<(), ConfigError> {
        let is_url = |url: &&String| {
            let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            host.is_some_and(|host| !host.is_empty() && !host.contains(['@', ' ', '?', '#']))
        };
        if self.coordinators.is_empty() || !self.coordinators.iter().all(|url| is_url(&url)) {
            return Err(ConfigError::new("coordinators", "write at least one URL, as http://host:7410"));
        }
        if self.labels.iter().any(|(key, value)| key.is_empty() || value.is_empty()) {
            return Err(ConfigError::new("labels", "a label lacks its key or its value; write key=value"));
        }
        match self.slots.is_none_or(|slots| (1..=MAX_SLOTS).contains(&slots)) {
            true => Ok(()),
            false => Err(ConfigError::new("slots", format!("write a number from 1 to {MAX_SLOTS}"))),
        }
    }
}
