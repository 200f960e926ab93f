//! How a stable's rows are shared among tails.

use super::value::{Kind, OptionValue, one_of};

/// What one tail follows of a stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TailBy {
    /// All of it, whatever subtables it gets.
    #[default]
    Stable,
    /// A list of its subtables: each group of them has a tail, so that several workers share a stable.
    Names,
}

impl Kind for TailBy {
    fn read(value: &OptionValue) -> Result<Self, String> {
        one_of(value, &[("stable", Self::Stable), ("names", Self::Names)])
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::Stable => "stable",
            Self::Names => "names",
        })
    }
}
