//! One cell of a block, borrowed from its bytes.
//!
//! Two cells are equal if their bits are: a NaN equals itself, and 0.0 differs from -0.0.

use super::value::Value;

/// A value where it lies. NULL has no type.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names are the types'")]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    Timestamp(i64),
    Binary(&'a [u8]),
    Nchar(Nchar<'a>),
    Json(&'a [u8]),
}

impl Cell<'_> {
    /// Whether it is NULL.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The same, owned. What is no character in NCHAR or JSON becomes U+FFFD.
    pub fn to_value(&self) -> Value {
        match *self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::UInt(value) => Value::UInt(value),
            Self::Float(value) => Value::Float(value),
            Self::Double(value) => Value::Double(value),
            Self::Timestamp(value) => Value::Timestamp(value),
            Self::Binary(bytes) => Value::Binary(bytes.to_vec()),
            Self::Nchar(text) => Value::Nchar(text.to_string_lossy()),
            Self::Json(bytes) => Value::Json(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

impl PartialEq for Cell<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) | (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::UInt(a), Self::UInt(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::Binary(a), Self::Binary(b)) | (Self::Json(a), Self::Json(b)) => a == b,
            (Self::Nchar(a), Self::Nchar(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Cell<'_> {}

/// Text as the databases keep NCHAR: four bytes a character, little endian, not always valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nchar<'a> {
    bytes: &'a [u8],
}

impl<'a> Nchar<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Its bytes as they are stored.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Its numbers, whether or not they are characters.
    pub fn codes(self) -> impl Iterator<Item = u32> + 'a {
        self.bytes.as_chunks::<4>().0.iter().map(|code| u32::from_le_bytes(*code))
    }

    /// Its characters; U+FFFD for what is none.
    pub fn chars(self) -> impl Iterator<Item = char> + 'a {
        self.codes().map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// As text, with U+FFFD for what is no character.
    pub fn to_string_lossy(self) -> String {
        self.chars().collect()
    }

    /// As text, or `None` if anything in it is no character.
    pub fn to_string_strict(self) -> Option<String> {
        self.codes().map(char::from_u32).collect()
    }
}
