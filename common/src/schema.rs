//! What a source holds besides rows: databases with their options, stables, columns, tags.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::{Period, Precision};

/// The type of a column or tag, with the numbers the databases use for them on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the databases' own")]
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
    Nchar = 10,
    UTinyInt = 11,
    USmallInt = 12,
    UInt = 13,
    UBigInt = 14,
    Json = 15,
}

impl DataType {
    /// Every type that a 2.x database can hold.
    pub const ALL: [Self; 15] = [
        Self::Bool,
        Self::TinyInt,
        Self::SmallInt,
        Self::Int,
        Self::BigInt,
        Self::Float,
        Self::Double,
        Self::Binary,
        Self::Timestamp,
        Self::Nchar,
        Self::UTinyInt,
        Self::USmallInt,
        Self::UInt,
        Self::UBigInt,
        Self::Json,
    ];

    /// The number on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The type of a number on the wire.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.code() == code)
    }

    /// The word for it in SQL that both 2.x and 3.x take.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::TinyInt => "TINYINT",
            Self::SmallInt => "SMALLINT",
            Self::Int => "INT",
            Self::BigInt => "BIGINT",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::Binary => "BINARY",
            Self::Timestamp => "TIMESTAMP",
            Self::Nchar => "NCHAR",
            Self::UTinyInt => "TINYINT UNSIGNED",
            Self::USmallInt => "SMALLINT UNSIGNED",
            Self::UInt => "INT UNSIGNED",
            Self::UBigInt => "BIGINT UNSIGNED",
            Self::Json => "JSON",
        }
    }

    /// Reads the word that `describe` answers; 3.x says VARCHAR for BINARY.
    pub fn from_sql(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("VARCHAR") {
            return Some(Self::Binary);
        }
        Self::ALL.into_iter().find(|one| one.sql().eq_ignore_ascii_case(word))
    }

    /// Bytes of one value, or `None` where each value has its own length.
    pub const fn width(self) -> Option<usize> {
        match self {
            Self::Bool | Self::TinyInt | Self::UTinyInt => Some(1),
            Self::SmallInt | Self::USmallInt => Some(2),
            Self::Int | Self::UInt | Self::Float => Some(4),
            Self::BigInt | Self::UBigInt | Self::Double | Self::Timestamp => Some(8),
            Self::Binary | Self::Nchar | Self::Json => None,
        }
    }
}

/// A column or a tag as declared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// Its name, verbatim.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Declared length: bytes for BINARY, characters for NCHAR, else the width of the type.
    pub length: u32,
}

impl Column {
    /// Its type as SQL declares it, such as `NCHAR(10)`.
    pub fn sql_type(&self) -> String {
        match self.data_type {
            DataType::Binary | DataType::Nchar => format!("{}({})", self.data_type.sql(), self.length),
            other => other.sql().to_owned(),
        }
    }
}

/// A stable: the columns and tags that its subtables share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stable {
    /// Its name, verbatim.
    pub name: String,
    /// Columns in order, the timestamp first.
    pub columns: Vec<Column>,
    /// Tags in order.
    pub tags: Vec<Column>,
}

/// A table without a stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NormalTable {
    /// Its name, verbatim.
    pub name: String,
    /// Columns in order, the timestamp first.
    pub columns: Vec<Column>,
}

/// A database's options as its `show databases` gave them, by the source's own names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// What one unit of its timestamps is.
    pub precision: Precision,
    /// Every option by the name the server gave it, such as `keep`, `days`, `cachelast`.
    pub options: BTreeMap<String, String>,
}

/// How much a stable or table holds, as cheaply as it could be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Rows; an estimate unless `exact`.
    pub rows: u64,
    /// From its first row to just past its last; `None` where it is empty or not known.
    pub period: Option<Period>,
    /// Whether `rows` was counted.
    pub exact: bool,
}

impl Extent {
    /// Nothing in it.
    pub const EMPTY: Self = Self { rows: 0, period: None, exact: true };
}

/// How many tables a database has: what changes where one is created or dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Census {
    /// Subtables by their stable.
    pub stables: BTreeMap<String, u64>,
    /// Tables without a stable.
    pub normal: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_its_number_and_its_word() {
        for one in DataType::ALL {
            assert_eq!(DataType::from_code(one.code()), Some(one));
            assert_eq!(DataType::from_sql(one.sql()), Some(one));
        }
        assert_eq!(DataType::from_sql("varchar"), Some(DataType::Binary));
        assert_eq!(DataType::from_code(0), None);
    }
}
