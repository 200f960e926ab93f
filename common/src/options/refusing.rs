//! What a task does with rows that the target refuses, by the reason. What makes no sense for a reason is refused.

use super::OptionValue;
use super::value::Kind;

/// What to do with rows outside of what the target keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnKeep {
    /// Keep them as rejects.
    #[default]
    Reject,
    /// Fail their shard.
    Fail,
    /// Have the target's database keep rows for longer.
    Widen,
}

/// What to do with values that are longer than the target's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTooLong {
    /// Keep their rows as rejects.
    Reject,
    /// Fail their shard.
    Fail,
    /// Write as much of them as fits.
    Truncate,
    /// Write NULL in their place.
    Null,
    /// Make the target's column longer.
    Widen,
}

/// What to do where the target's table lacks a column of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissingColumn {
    /// Fail before the first row, or where the source gets it while it is followed.
    Fail,
    /// Add the column to the target's table.
    Widen,
    /// Leave its values out.
    Null,
}

/// What to do with a table whose name the target does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBadName {
    /// Fail at the survey.
    #[default]
    Fail,
    /// Create no such table, and keep all of its rows as rejects.
    Reject,
}

/// What to do with a row whose place the target has taken already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Write over it.
    #[default]
    Overwrite,
    /// Leave the target's row.
    KeepTarget,
}

impl Kind for OnKeep {
    fn read(value: &OptionValue) -> Result<Self, String> {
        match value.one()?.to_ascii_lowercase().as_str() {
            "reject" => Ok(Self::Reject),
            "fail" => Ok(Self::Fail),
            "widen" => Ok(Self::Widen),
            word @ ("truncate" | "null") => Err(format!(
                "`{word}` makes no sense here: a row without its own timestamp is another row; write reject, fail or widen"
            )),
            word => Err(format!("{word:?} is none of reject, fail, widen")),
        }
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::Reject => "reject",
            Self::Fail => "fail",
            Self::Widen => "widen",
        })
    }
}

impl Kind for OnTooLong {
    fn read(value: &OptionValue) -> Result<Self, String> {
        match value.one()?.to_ascii_lowercase().as_str() {
            "reject" => Ok(Self::Reject),
            "fail" => Ok(Self::Fail),
            "truncate" => Ok(Self::Truncate),
            "null" => Ok(Self::Null),
            "widen" => Ok(Self::Widen),
            word => Err(format!("{word:?} is none of reject, fail, truncate, null, widen")),
        }
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::Reject => "reject",
            Self::Fail => "fail",
            Self::Truncate => "truncate",
            Self::Null => "null",
            Self::Widen => "widen",
        })
    }
}

impl Kind for OnMissingColumn {
    fn read(value: &OptionValue) -> Result<Self, String> {
        match value.one()?.to_ascii_lowercase().as_str() {
            "fail" => Ok(Self::Fail),
            "widen" => Ok(Self::Widen),
            "null" => Ok(Self::Null),
            word @ ("reject" | "truncate") => Err(format!(
                "`{word}` makes no sense here: every row of the table would lack the column alike; write fail, widen or null"
            )),
            word => Err(format!("{word:?} is none of fail, widen, null")),
        }
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::Fail => "fail",
            Self::Widen => "widen",
            Self::Null => "null",
        })
    }
}

impl Kind for OnBadName {
    fn read(value: &OptionValue) -> Result<Self, String> {
        match value.one()?.to_ascii_lowercase().as_str() {
            "fail" => Ok(Self::Fail),
            "reject" => Ok(Self::Reject),
            word @ ("truncate" | "null" | "widen") => Err(format!(
                "`{word}` makes no sense here: no name can be made to fit by itself; write fail or reject, or rename the \
                 table with `transforms` or `dots`"
            )),
            word => Err(format!("{word:?} is none of fail, reject")),
        }
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::Fail => "fail",
            Self::Reject => "reject",
        })
    }
}

impl Kind for OnConflict {
    fn read(value: &OptionValue) -> Result<Self, String> {
        match value.one()?.to_ascii_lowercase().as_str() {
            "overwrite" => Ok(Self::Overwrite),
            "keep-target" => Ok(Self::KeepTarget),
            word => Err(format!("{word:?} is none of overwrite, keep-target")),
        }
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::Overwrite => "overwrite",
            Self::KeepTarget => "keep-target",
        })
    }
}
