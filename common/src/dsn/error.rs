//! What is wrong with a DSN: the field, the place, and what to do. It never holds a value that may be a secret.

use std::fmt;

/// A DSN that cannot be used as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DsnError {
    /// Which part: driver, user, password, host, port, database, parameters, token, or a parameter's name.
    pub field: String,
    /// The place, counted in characters from 1.
    pub at: Option<usize>,
    what: String,
    help: &'static str,
}

impl DsnError {
    pub(crate) fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), at: None, what: what.into(), help: "" }
    }

    pub(crate) fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    pub(crate) fn at(mut self, character: usize) -> Self {
        self.at = Some(character);
        self
    }
}

impl fmt::Display for DsnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field)?;
        if let Some(at) = self.at {
            write!(f, " (character {at})")?;
        }
        write!(f, ": {}", self.what)?;
        if !self.help.is_empty() {
            write!(f, "; {}", self.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for DsnError {}
