//! One cell outside of a column: what tags, comparisons and tests work with.

use std::cmp::Ordering;

use super::types::DataType;

/// One value; its exact type is the column's.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer or a timestamp in its database's precision.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A float (exact in an f64) or a double.
    Float(f64),
    /// BINARY bytes, or the UTF-8 of NCHAR and JSON.
    Bytes(Box<[u8]>),
}

impl Value {
    pub(crate) fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Bytes(text.as_ref().into())
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The bytes, where the value is text.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number, where the value is a signed integer or a timestamp.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            Self::UInt(int) => i64::try_from(*int).ok(),
            _ => None,
        }
    }

    pub(crate) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Bool(flag) => Some(f64::from(u8::from(*flag))),
            Self::Int(int) => Some(*int as f64),
            Self::UInt(int) => Some(*int as f64),
            Self::Float(float) => Some(*float),
            Self::Null | Self::Bytes(_) => None,
        }
    }

    /// How two values of a predicate compare; `None` where either is NULL or they are of unlike kinds.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::UInt(a), Self::UInt(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::UInt(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::UInt(a), Self::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            _ => self.as_f64()?.partial_cmp(&other.as_f64()?),
        }
    }

    /// How `ins_tags` shows a value.
    pub(crate) fn display(&self, ty: DataType) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(flag) => flag.to_string(),
            Self::Int(int) => int.to_string(),
            Self::UInt(int) => int.to_string(),
            Self::Float(float) if ty == DataType::Float => format!("{float:.5}"),
            Self::Float(float) => format!("{float:.9}"),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}
