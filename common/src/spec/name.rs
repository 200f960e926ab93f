//! The name of a task: chosen by a person, part of keys in the store and of file names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Fits into keys, file names and a column of a table on a screen.
const MAX_LEN: usize = 64;

/// A checked name: a letter or digit, then up to 63 of letters, digits, `_`, `.` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskName(String);

/// A text that is no name of a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a task; write 1 to 64 letters, digits, `_`, `.` or `-`, a letter or digit first"
)]
pub struct BadTaskName(String);

impl TaskName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskName {
    type Err = BadTaskName;

    fn from_str(text: &str) -> Result<Self, BadTaskName> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        match starts && text.len() <= MAX_LEN && text.chars().all(good) {
            true => Ok(Self(text.to_owned())),
            false => Err(BadTaskName(text.chars().take(MAX_LEN + 1).collect())),
        }
    }
}

impl TryFrom<String> for TaskName {
    type Error = BadTaskName;

    fn try_from(text: String) -> Result<Self, BadTaskName> {
        text.parse()
    }
}

impl From<TaskName> for String {
    fn from(name: TaskName) -> Self {
        name.0
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
