//! A value by itself: the owned twin of [`Cell`](super::Cell), for tags, builders and tests.

/// An owned value. Equal by bits, as cells are.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the types'")]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    Timestamp(i64),
    Binary(Vec<u8>),
    Nchar(String),
    Json(String),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) | (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::UInt(a), Self::UInt(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::Binary(a), Self::Binary(b)) => a == b,
            (Self::Nchar(a), Self::Nchar(b)) | (Self::Json(a), Self::Json(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

/// A subtable's name and the values of its tags, in the order of the stable's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRow {
    /// The subtable's name, verbatim.
    pub name: String,
    /// One value a tag.
    pub tags: Vec<Value>,
}
