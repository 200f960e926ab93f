//! One finding: what kind, where, and what was seen there.

use std::fmt;

use tdferry_common::port::Side;

use super::kinds::Kind;

/// Where something was found; what is `None` is not narrowed down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which side.
    pub side: Side,
    /// The database.
    pub database: Option<String>,
    /// The stable.
    pub stable: Option<String>,
    /// The subtable or normal table.
    pub table: Option<String>,
    /// The column or tag.
    pub column: Option<String>,
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub kind: &'static Kind,
    /// Where.
    pub place: Place,
    /// What was seen.
    pub what: String,
}

impl Place {
    /// A server.
    pub const fn server(side: Side) -> Self {
        Self { side, database: None, stable: None, table: None, column: None }
    }

    pub(super) fn database(side: Side, name: &str) -> Self {
        Self { database: Some(name.to_owned()), ..Self::server(side) }
    }

    pub(super) fn stable(mut self, name: &str) -> Self {
        self.stable = Some(name.to_owned());
        self
    }

    pub(super) fn table(mut self, name: &str) -> Self {
        self.table = Some(name.to_owned());
        self
    }

    pub(super) fn column(mut self, name: &str) -> Self {
        self.column = Some(name.to_owned());
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.side {
            Side::Source => "source",
            Side::Sink => "target",
        })?;
        let parts: Vec<_> = [&self.database, &self.stable, &self.table, &self.column]
            .into_iter()
            .flatten()
            .map(|name| format!("`{name}`"))
            .collect();
        if parts.is_empty() { Ok(()) } else { write!(f, " {}", parts.join(".")) }
    }
}

impl Finding {
    pub(super) fn new(kind: &'static Kind, place: Place, what: impl fmt::Display) -> Self {
        Self { kind, place, what: what.to_string() }
    }
}
