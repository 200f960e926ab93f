//! TDengine's data types with their codes, widths and names, and the precision of timestamps.

use crate::config::Flavor;

/// A data type; the number is TDengine's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are TDengine's own")]
pub enum DataType {
    Bool = 1,
    TinyInt = 2,
    SmallInt = 3,
    Int = 4,
    BigInt = 5,
    Float = 6,
    Double = 7,
    Binary = 8,
    Timestamp = 9,
    NChar = 10,
    UTinyInt = 11,
    USmallInt = 12,
    UInt = 13,
    UBigInt = 14,
    Json = 15,
}

use DataType::{
    BigInt, Binary, Bool, Double, Float, Int, Json, NChar, SmallInt, Timestamp, TinyInt, UBigInt, UInt,
    USmallInt, UTinyInt,
};

const ALL: [DataType; 15] = [
    Bool, TinyInt, SmallInt, Int, BigInt, Float, Double, Binary, Timestamp, NChar, UTinyInt, USmallInt, UInt,
    UBigInt, Json,
];

impl DataType {
    /// TDengine's code of the type.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        ALL.into_iter().find(|ty| ty.code() == code)
    }

    /// Bytes of one value, for types whose values all have the same width.
    #[must_use]
    pub const fn fixed_width(self) -> Option<usize> {
        match self {
            Bool | TinyInt | UTinyInt => Some(1),
            SmallInt | USmallInt => Some(2),
            Int | UInt | Float => Some(4),
            BigInt | UBigInt | Double | Timestamp => Some(8),
            Binary | NChar | Json => None,
        }
    }

    /// The name `describe` and DDL use.
    #[must_use]
    pub const fn sql_name(self, flavor: Flavor) -> &'static str {
        match (self, flavor) {
            (Binary, Flavor::V26) => "BINARY",
            (Binary, Flavor::V3) => "VARCHAR",
            (Bool, _) => "BOOL",
            (TinyInt, _) => "TINYINT",
            (SmallInt, _) => "SMALLINT",
            (Int, _) => "INT",
            (BigInt, _) => "BIGINT",
            (Float, _) => "FLOAT",
            (Double, _) => "DOUBLE",
            (Timestamp, _) => "TIMESTAMP",
            (NChar, _) => "NCHAR",
            (UTinyInt, _) => "TINYINT UNSIGNED",
            (USmallInt, _) => "SMALLINT UNSIGNED",
            (UInt, _) => "INT UNSIGNED",
            (UBigInt, _) => "BIGINT UNSIGNED",
            (Json, _) => "JSON",
        }
    }

    /// The smallest and largest value a signed integer column takes, by the rules of the flavour: 2.x keeps
    /// the lowest one for NULL.
    pub(crate) const fn signed_range(self, flavor: Flavor) -> Option<(i64, i64)> {
        let (low, high) = match self {
            TinyInt => (i8::MIN as i64, i8::MAX as i64),
            SmallInt => (i16::MIN as i64, i16::MAX as i64),
            Int => (i32::MIN as i64, i32::MAX as i64),
            BigInt | Timestamp => (i64::MIN, i64::MAX),
            _ => return None,
        };
        Some((if matches!(flavor, Flavor::V26) { low + 1 } else { low }, high))
    }

    /// The largest value an unsigned column takes; 2.x keeps the highest one for NULL.
    pub(crate) const fn unsigned_max(self, flavor: Flavor) -> Option<u64> {
        let high = match self {
            UTinyInt => u8::MAX as u64,
            USmallInt => u16::MAX as u64,
            UInt => u32::MAX as u64,
            UBigInt => u64::MAX,
            _ => return None,
        };
        Some(if matches!(flavor, Flavor::V26) { high - 1 } else { high })
    }
}

/// The unit of a database's timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Precision {
    /// Milliseconds.
    #[default]
    Milli,
    /// Microseconds.
    Micro,
    /// Nanoseconds.
    Nano,
}

impl Precision {
    /// The number that travels in query answers.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Milli => 0,
            Self::Micro => 1,
            Self::Nano => 2,
        }
    }

    /// The word used in DDL.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Milli => "ms",
            Self::Micro => "us",
            Self::Nano => "ns",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Milli, Self::Micro, Self::Nano].into_iter().find(|p| p.word().eq_ignore_ascii_case(word))
    }

    /// How many ticks a millisecond has.
    #[must_use]
    pub const fn per_milli(self) -> i64 {
        match self {
            Self::Milli => 1,
            Self::Micro => 1_000,
            Self::Nano => 1_000_000,
        }
    }
}

/// One column of a result, or of a table: `bytes` is the declared length (characters for NCHAR).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// Its type.
    pub ty: DataType,
    /// Its declared length.
    pub bytes: u32,
}

impl Field {
    pub(crate) fn new(name: impl Into<String>, ty: DataType, bytes: u32) -> Self {
        Self { name: name.into(), ty, bytes }
    }

    pub(crate) fn fixed(name: impl Into<String>, ty: DataType) -> Self {
        // fixed widths are at most 8
        let bytes = ty.fixed_width().map_or(0, |width| u32::try_from(width).unwrap_or(8));
        Self::new(name, ty, bytes)
    }

    pub(crate) fn text(name: impl Into<String>, bytes: u32) -> Self {
        Self::new(name, Binary, bytes)
    }
}
