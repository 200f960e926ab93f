//! How a role is configured: one documented struct per role, filled from file < environment < flags.
//!
//! Loading is a pure function of the three layers; reading the file is the caller's one call to [`read_file`].

mod coordinator;
mod error;
mod fields;
mod load;
#[cfg(test)]
mod tests;
mod worker;

pub use coordinator::{CoordinatorConfig, StoreLocation};
pub use error::ConfigError;
pub use load::{ConfigFile, Layers, load, read_file};
pub use worker::WorkerConfig;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The environment's name for the key `store-ca` is `TDFERRY_STORE_CA`.
pub const ENV_PREFIX: &str = "TDFERRY_";

/// The port a coordinator listens on unless told otherwise.
pub const COORDINATOR_PORT: u16 = 7410;

/// One key of a role's configuration, in the spelling of the file; `--` before it makes the flag.
#[derive(Debug, Clone, Copy)]
pub struct ConfigKey {
    /// The key.
    pub name: &'static str,
    /// One line for help and samples.
    pub help: &'static str,
}

/// A role's configuration. Every field has a default, so that each layer may leave anything out.
pub trait RoleConfig: Default + DeserializeOwned + Serialize {
    /// All keys, in the order of the documentation.
    const KEYS: &'static [ConfigKey];

    /// What fields must satisfy alone and together; run once all layers are laid over each other.
    fn check(&self) -> Result<(), ConfigError>;
}
