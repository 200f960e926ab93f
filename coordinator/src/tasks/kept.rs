//! A task's spec as the store keeps it: the JSON of the spec in an envelope that tells when it was created.

use serde::{Deserialize, Serialize};
use tdferry_common::spec::Spec;
use tdferry_proto::status::ApiError;

/// The form written below; a newer one is refused.
const VERSION: u32 = 1;

/// A spec and when it was stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    version: u32,
    /// Wall time in milliseconds since 1970, for display.
    pub(crate) created_unix_millis: i64,
    spec: serde_json::Value,
}

impl Kept {
    /// Puts a spec, already JSON, into its envelope.
    pub(crate) fn new(spec: &str, created_unix_millis: i64) -> Result<Self, ApiError> {
        Ok(Self { version: VERSION, created_unix_millis, spec: serde_json::from_str(spec).map_err(damaged)? })
    }

    /// Opens an envelope.
    pub(crate) fn open(stored: &str) -> Result<Self, ApiError> {
        let kept: Self = serde_json::from_str(stored).map_err(damaged)?;
        if kept.version == VERSION { Ok(kept) } else { Err(damaged(format!("version {}", kept.version))) }
    }

    /// The envelope as stored.
    pub(crate) fn seal(&self) -> Result<String, ApiError> {
        serde_json::to_string(self).map_err(damaged)
    }

    /// The JSON of the spec alone, as workers and exports get it.
    pub(crate) fn json(&self) -> String {
        self.spec.to_string()
    }

    /// The spec.
    pub(crate) fn spec(&self) -> Result<Spec, ApiError> {
        Spec::from_json(&self.json()).map_err(damaged)
    }
}

fn damaged(why: impl std::fmt::Display) -> ApiError {
    ApiError::Internal(format!(
        "the stored spec of the task cannot be read: {why}; it is kept as it is, upgrade this coordinator or delete the task"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_gives_back_what_was_put_in() {
        let kept = Kept::new(r#"{"version":1,"name":"a"}"#, 5).unwrap();
        let opened = Kept::open(&kept.seal().unwrap()).unwrap();
        assert_eq!(opened, kept);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&opened.json()).unwrap()["name"], "a");
    }

    #[test]
    fn an_envelope_of_another_form_is_refused() {
        for stored in ["", "{}", r#"{"version":2,"created_unix_millis":5,"spec":{}}"#] {
            assert!(matches!(Kept::open(stored), Err(ApiError::Internal(_))), "{stored}");
        }
    }
}
