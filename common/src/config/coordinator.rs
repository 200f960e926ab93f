//! The configuration of a coordinator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{COORDINATOR_PORT, ConfigError, ConfigKey, RoleConfig, fields};
use crate::secret::SecretRef;
use crate::timing::{DEFAULT_HEARTBEAT, MAX_HEARTBEAT, MIN_HEARTBEAT};

/// What a coordinator needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CoordinatorConfig {
    /// Where workers and people reach it.
    pub listen: String,
    /// The address other machines reach it by; `listen` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    /// Where tasks and shards are kept: `etcd://host:port[,…]`, or a folder for a coordinator that stands alone.
    pub store: String,
    /// The certificate authority of etcd's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_ca: Option<PathBuf>,
    /// The certificate shown to etcd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_cert: Option<PathBuf>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_key: Option<PathBuf>,
    /// The user of etcd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_user: Option<String>,
    /// Where that user's password is.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "fields::secret_ref",
        serialize_with = "fields::write_ref"
    )]
    pub store_password: Option<SecretRef>,
    /// The heartbeat all other durations follow from; the same on all coordinators of a store.
    #[serde(deserialize_with = "fields::duration", serialize_with = "fields::write_duration")]
    pub heartbeat: Duration,
}

/// Where a coordinator keeps everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// The members of an etcd cluster, each `host:port`.
    Etcd(Vec<String>),
    /// A folder; the store runs inside this process.
    Folder(PathBuf),
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self {
            listen: format!("127.0.0.1:{COORDINATOR_PORT}"),
            advertise: None,
            store: "etcd://127.0.0.1:2379".to_owned(),
            store_ca: None,
            store_cert: None,
            store_key: None,
            store_user: None,
            store_password: None,
            heartbeat: DEFAULT_HEARTBEAT,
        }
    }
}

impl CoordinatorConfig {
    /// Where the store is.
    pub fn store_location(&self) -> Result<StoreLocation, ConfigError> {
        let bad = |what: &str| Err(ConfigError::new("store", what));
        match self.store.split_once("://") {
            Some(("etcd", members)) => {
                let members: Vec<_> = members.split(',').map(|member| member.trim().to_owned()).collect();
                match members.iter().all(|member| is_host_and_port(member)) {
                    true => Ok(StoreLocation::Etcd(members)),
                    false => bad(
                        "write each member of etcd as host:port, with commas between them and nothing else",
                    ),
                }
            }
            Some(_) => bad("write `etcd://host:port[,…]` or the path of a folder"),
            None if self.store.trim().is_empty() => {
                bad("it is empty; write `etcd://host:port[,…]` or a folder")
            }
            None => Ok(StoreLocation::Folder(PathBuf::from(&self.store))),
        }
    }

    /// The address to listen on.
    pub fn listen_address(&self) -> Result<SocketAddr, ConfigError> {
        let wanted = "not an address with a port; write it as 0.0.0.0:7410 or [::]:7410";
        self.listen.parse().map_err(|_| ConfigError::new("listen", format!("{:?} is {wanted}", self.listen)))
    }
}

impl RoleConfig for CoordinatorConfig {
    const KEYS: &'static [ConfigKey] = &[
        ConfigKey { name: "listen", help: "address and port to listen on" },
        ConfigKey { name: "advertise", help: "address other machines reach it by; `listen` if not set" },
        ConfigKey { name: "store", help: "etcd://host:port[,…], or a folder" },
        ConfigKey { name: "store-ca", help: "file with the authority of etcd's certificate" },
        ConfigKey { name: "store-cert", help: "file with the certificate to show etcd" },
        ConfigKey { name: "store-key", help: "file with that certificate's key" },
        ConfigKey { name: "store-user", help: "user of etcd" },
        ConfigKey { name: "store-password", help: "where its password is: ${env:NAME} or ${file:/PATH}" },
        ConfigKey { name: "heartbeat", help: "how often workers report; all other durations follow from it" },
    ];

    fn check(&self) -> Result<(), ConfigError> {
        self.listen_address()?;
        together("store-cert", self.store_cert.is_some(), "store-key", self.store_key.is_some())?;
        together("store-user", self.store_user.is_some(), "store-password", self.store_password.is_some())?;
        let secured = self.store_ca.is_some() || self.store_cert.is_some() || self.store_user.is_some();
        if secured && matches!(self.store_location()?, StoreLocation::Folder(_)) {
            return Err(ConfigError::new(
                "store",
                "a folder takes no certificate and no user; leave the store-… keys out",
            ));
        }
        match (MIN_HEARTBEAT..=MAX_HEARTBEAT).contains(&self.heartbeat) {
            true => self.store_location().map(drop),
            false => {
                Err(ConfigError::new("heartbeat", "it must lie between 50ms and 5m; 5s suits most networks"))
            }
        }
    }
}

fn together(a: &str, has_a: bool, b: &str, has_b: bool) -> Result<(), ConfigError> {
    match (has_a, has_b) {
        (true, false) => Err(ConfigError::new(b, format!("it is needed beside `{a}`"))),
        (false, true) => Err(ConfigError::new(a, format!("it is needed beside `{b}`"))),
        _ => Ok(()),
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let no_syntax = !host.is_empty() && !host.contains(['/', '@', ' ']);
        no_syntax && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
