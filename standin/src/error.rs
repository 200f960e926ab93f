//! The one error a statement can end in: TDengine's code and the words that go with it.

use crate::config::Flavor;

/// A refusal, as a real server would word it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[0x{code:04X}] {message}")]
pub struct SqlError {
    /// TDengine's error code, low 16 bits.
    pub code: u32,
    /// The text that travels with it.
    pub message: String,
}

pub(crate) type SqlResult<T> = Result<T, SqlError>;

impl SqlError {
    /// An error with a code of your choice; faults on demand use it.
    #[must_use]
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn syntax(flavor: Flavor, near: &str) -> Self {
        let message = if near.trim().is_empty() {
            "syntax error near 'Incomplete SQL statement'".to_owned()
        } else {
            format!("syntax error near \"{}\"", near.trim_end())
        };
        Self::new(pick(flavor, 0x0216, 0x2600), message)
    }

    /// What 2.x calls an invalid operation and 3.x names more exactly.
    pub(crate) fn invalid(flavor: Flavor, v3_code: u32, message: impl Into<String>) -> Self {
        let message = message.into();
        match flavor {
            Flavor::V26 => Self::new(0x0200, format!("invalid operation: {message}")),
            Flavor::V3 => Self::new(v3_code, message),
        }
    }

    pub(crate) fn no_database(flavor: Flavor) -> Self {
        match flavor {
            Flavor::V26 => Self::new(0x0383, "Invalid database name"),
            Flavor::V3 => Self::new(0x0388, "Database not exist"),
        }
    }

    pub(crate) fn database_unset(flavor: Flavor) -> Self {
        match flavor {
            Flavor::V26 => Self::new(0x0217, "Database not specified or available"),
            Flavor::V3 => Self::new(0x2616, "Database not specified"),
        }
    }

    pub(crate) fn database_exists() -> Self {
        Self::new(0x0381, "Database already exists")
    }

    pub(crate) fn no_table_to_read(flavor: Flavor, reason: &str) -> Self {
        match flavor {
            Flavor::V26 => Self::new(0x0362, "Table does not exist"),
            Flavor::V3 => Self::new(0x2662, format!("Fail to get table info, error: {reason}")),
        }
    }

    pub(crate) fn no_table_to_write(flavor: Flavor) -> Self {
        Self::new(pick(flavor, 0x0362, 0x2603), "Table does not exist")
    }

    pub(crate) fn no_column(flavor: Flavor, name: &str) -> Self {
        match flavor {
            Flavor::V26 => Self::new(0x0200, "invalid operation: invalid column name"),
            Flavor::V3 => Self::new(0x2602, format!("Invalid column name: {name}")),
        }
    }

    pub(crate) fn out_of_range() -> Self {
        Self::new(0x060B, "Timestamp data out of range")
    }

    pub(crate) fn too_long(flavor: Flavor, column: &str) -> Self {
        match flavor {
            Flavor::V26 => Self::new(0x0216, format!("invalid operation: '{column}' (string data overflow)")),
            Flavor::V3 => Self::new(0x2653, format!("Value too long for column/tag: {column}")),
        }
    }

    pub(crate) fn no_rights(flavor: Flavor, writing_rows: bool) -> Self {
        match (flavor, writing_rows) {
            (Flavor::V26, true) => Self::new(0x0512, "Database write operation denied"),
            (Flavor::V3, true) => Self::new(0x2644, "Permission denied or target object not exist"),
            (_, false) => Self::new(0x0303, "Insufficient privilege for operation"),
        }
    }

    pub(crate) fn unsupported(flavor: Flavor, what: impl AsRef<str>) -> Self {
        Self::new(pick(flavor, 0x0200, 0x2600), format!("the stand-in does not support {}", what.as_ref()))
    }
}

/// The 2.x or the 3.x variant of something.
pub(crate) fn pick<T>(flavor: Flavor, v26: T, v3: T) -> T {
    match flavor {
        Flavor::V26 => v26,
        Flavor::V3 => v3,
    }
}
