//! A spec as the store keeps it: JSON with a version, secrets by reference, names of files replaced by what they list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Spec, SpecError, TaskName};
use crate::dsn::Dsn;
use crate::options::{Names, OptionValue, Options};
use crate::secret::{Secret, SecretRef, SecretValue};

/// The form written below. Raise it when the form changes, and keep reading the older ones.
const VERSION: u32 = 1;
/// Well below the 1.5 MiB that etcd takes in one request.
pub(super) const MAX_STORED_BYTES: usize = 1024 * 1024;
const FIELD: &str = "stored task";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    name: TaskName,
    #[serde(rename = "type")]
    kind: String,
    from: String,
    to: String,
    #[serde(default)]
    options: BTreeMap<String, OptionValue>,
}

/// Read before the rest, which another version may have laid out otherwise.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Spec {
    /// Whether it may be stored: every secret by reference, no file that only the user's machine has.
    pub fn check_stored(&self) -> Result<(), SpecError> {
        for (field, dsn) in [("from", &self.from), ("to", &self.to)] {
            if let Some((secret, _)) = dsn.secrets().find(|(_, value)| value.is_clear()) {
                let what = format!(
                    "a stored task must not hold a {secret}; write `${{env:NAME}}` or `${{file:PATH}}` in its place"
                );
                return Err(SpecError::new(field, what));
            }
        }
        let unread = |is_file: bool, option| match is_file {
            true => Err(SpecError::new(option, "its file was not read; pass the names themselves")),
            false => Ok(()),
        };
        unread(matches!(self.options.stables, Names::File(_)), "options.stables")?;
        unread(matches!(self.options.tables, Names::File(_)), "options.tables")?;
        unread(matches!(self.options.columns, Names::File(_)), "options.columns")?;
        unread(self.options.transforms.has_file(), "options.transforms")
    }

    /// What the store keeps; refused as [`Spec::check_stored`] says, or when it is too long.
    pub fn to_json(&self) -> Result<String, SpecError> {
        self.check_stored()?;
        let stored = Stored {
            version: VERSION,
            name: self.name.clone(),
            kind: self.kind.to_string(),
            from: self.from.to_string(),
            to: self.to.to_string(),
            options: self.options.asked().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let json = serde_json::to_string(&stored).map_err(|err| SpecError::new(FIELD, err))?;
        if json.len() > MAX_STORED_BYTES {
            let what = format!(
                "lists and maps of names make it longer than {MAX_STORED_BYTES} bytes; name stables, or write globs or expressions"
            );
            return Err(SpecError::new("options.tables", what));
        }
        Ok(json)
    }

    /// Reads what [`Spec::to_json`] wrote. Damage and forms of newer versions are refused.
    pub fn from_json(json: &str) -> Result<Self, SpecError> {
        let damaged = |err: serde_json::Error| SpecError::new(FIELD, format!("it cannot be read: {err}"));
        let Versioned { version } = serde_json::from_str(json).map_err(damaged)?;
        if version != VERSION {
            let what = format!("version {version} of its form is not known here; upgrade this tdferry");
            return Err(SpecError::new(FIELD, what));
        }
        let stored: Stored = serde_json::from_str(json).map_err(damaged)?;
        let dsn = |field, text: &str| text.parse::<Dsn>().map_err(|err| SpecError::new(field, err));
        let spec = Self {
            kind: stored.kind.parse().map_err(|what: String| SpecError::new("type", what))?,
            from: dsn("from", &stored.from)?,
            to: dsn("to", &stored.to)?,
            options: Options::try_from(stored.options).map_err(|err| SpecError::new("options", err))?,
            name: stored.name,
        };
        spec.check_databases()?;
        Ok(spec)
    }

    /// For `tdferry run`: takes clear secrets out, puts `${memory:…}` in their places, and returns them by name.
    #[must_use = "the secrets are nowhere else"]
    pub fn keep_secrets_in_memory(&mut self) -> BTreeMap<String, Secret> {
        let mut kept = BTreeMap::new();
        for (side, dsn) in [("from", &mut self.from), ("to", &mut self.to)] {
            for (field, value) in dsn.secrets_mut() {
                let name = format!("{}.{side}.{field}", self.name);
                if let SecretValue::Clear(secret) = value {
                    kept.insert(name.clone(), secret.clone());
                    *value = SecretValue::Ref(SecretRef::Memory(name));
                }
            }
        }
        kept
    }

    /// No other process has this one's memory, so a task file that names it could never run.
    pub(super) fn refuse_memory(&self) -> Result<(), SpecError> {
        for (field, dsn) in [("from", &self.from), ("to", &self.to)] {
            if dsn.secrets().any(|(_, value)| matches!(value, SecretValue::Ref(SecretRef::Memory(_)))) {
                let what =
                    "`${memory:…}` means the process that made it; write `${env:NAME}` or `${file:PATH}`";
                return Err(SpecError::new(field, what));
            }
        }
        Ok(())
    }
}
