//! Names and numbers that stand for things: which plan, which group, which shard, which epoch.
//!
//! Identifiers are opaque outside this file; whoever needs their text form uses `Display` and `FromStr`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {rule}")]
pub struct BadId {
    kind: &'static str,
    text: String,
    rule: &'static str,
}

impl BadId {
    fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        Self { kind, text: text.chars().take(80).collect(), rule }
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                u64::from_str_radix(text, 16)
                    .ok()
                    .filter(|_| text.len() == 16)
                    .map(Self)
                    .ok_or_else(|| BadId::new($kind, text, "16 hexadecimal digits are wanted"))
            }
        }
    };
}

hex_id!(
    /// One attempt at a plan. Each survey writes under an id of its own; the task's state names the one that counts.
    PlanId, "plan id"
);
hex_id!(
    /// Chosen at random for every claim, so that a claim whose answer was lost is recognised as one's own.
    ClaimId, "claim id"
);
hex_id!(
    /// A worker process, from its registration to its end.
    WorkerId, "worker id"
);

impl PlanId {
    /// Holds the survey shard itself, before there is any plan.
    pub const SURVEY: Self = Self(0);
}

/// A worker's liveness: the id of its lease in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub i64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The fencing token of a lease: the revision at which the store created the lease's key.
///
/// Only the store mints one; a later lease of the same shard has a greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number of a group inside its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub u32);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for GroupId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        u32::from_str_radix(text, 16)
            .ok()
            .filter(|_| text.len() == 8)
            .map(Self)
            .ok_or_else(|| BadId::new("group id", text, "8 hexadecimal digits are wanted"))
    }
}

/// The name of a shard inside its task: a word for its kind, numbers, and one `.n` for every time it was cut.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShardId(String);

/// A child's id is its parent's with some four more characters, so this allows some twenty generations of cuts.
const LONGEST_SHARD_ID: usize = 96;
/// What the longer words for comparing and a round add.
const LONGEST_ROUND: usize = 20;
/// A dot and a number in hexadecimal digits.
const LONGEST_CHILD: usize = 17;

impl ShardId {
    /// The one survey shard of a task.
    pub fn survey() -> Self {
        Self("survey".into())
    }

    /// The one schema shard of a plan.
    pub fn schema() -> Self {
        Self("schema".into())
    }

    /// The create shard of a group.
    pub fn create(group: GroupId) -> Self {
        Self(format!("create-{group}"))
    }

    /// The `n`th copy shard of a group.
    pub fn copy(group: GroupId, n: u32) -> Self {
        Self(format!("copy-{group}-{n:04x}"))
    }

    /// The tail of the whole database: it follows what stables and normal tables there are.
    pub fn database_tail() -> Self {
        Self("tail".into())
    }

    /// The tail of a group.
    pub fn tail(group: GroupId) -> Self {
        Self(format!("tail-{group}"))
    }

    /// The shard that compares the tags of a group in a round.
    pub fn tags(group: GroupId, round: u32) -> Self {
        Self(format!("tags-{round}-{group}"))
    }

    /// The shard that looks for tables that only the target has.
    pub fn tables() -> Self {
        Self("tables".into())
    }

    /// The shard that compares in a round what this one copied, repaired or compared.
    pub fn verify(&self, round: u32) -> Self {
        Self(format!("verify-{round}-{}", self.place()))
    }

    /// The shard that repairs in a round what this one found to differ.
    pub fn repair(&self, round: u32) -> Self {
        Self(format!("repair-{round}-{}", self.place()))
    }

    /// The id less its word and its round.
    fn place(&self) -> &str {
        let rest = |word: &str| self.0.strip_prefix(word);
        let of_round = rest("verify-").or_else(|| rest("repair-")).or_else(|| rest("tags-"));
        let less_round = of_round.and_then(|rest| rest.split_once('-')).map(|(_, place)| place);
        less_round.or_else(|| rest("copy-")).unwrap_or(&self.0)
    }

    /// The `n`th child of a shard that is cut: it follows from the parent's id, so that two who cut agree.
    pub fn child(&self, n: u64) -> Self {
        Self(format!("{}.{n:x}", self.0))
    }

    /// Whether a child's id would still be one.
    pub fn may_have_children(&self) -> bool {
        self.0.len() + LONGEST_CHILD <= LONGEST_SHARD_ID
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ShardId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if text.is_empty() || text.len() > LONGEST_SHARD_ID + LONGEST_ROUND || !text.chars().all(allowed) {
            return Err(BadId::new("shard id", text, "1 to 116 of a-z, 0-9, '-' and '.' are wanted"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ShardId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<ShardId> for String {
    fn from(id: ShardId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_print() {
        assert_eq!(PlanId(0xabc).to_string().parse(), Ok(PlanId(0xabc)));
        assert_eq!(GroupId(31).to_string().parse(), Ok(GroupId(31)));
        let child = ShardId::copy(GroupId(1), 2).child(0).child(2);
        assert_eq!(child.to_string(), "copy-00000001-0002.0.2");
        assert_eq!(child.to_string().parse(), Ok(child));
    }

    #[test]
    fn what_is_compared_and_repaired_is_named_after_its_place() {
        let copied = ShardId::copy(GroupId(1), 2).child(0);
        let verified = copied.verify(0);
        assert_eq!(verified.to_string(), "verify-0-00000001-0002.0");
        assert_eq!(verified.repair(1).to_string(), "repair-1-00000001-0002.0");
        assert_eq!(verified.repair(1).verify(1).to_string(), "verify-1-00000001-0002.0");
        assert_eq!(ShardId::tables().repair(1).verify(1).to_string(), "verify-1-tables");
        assert_eq!(ShardId::tables().verify(1).repair(2).to_string(), "repair-2-tables");
        let tags = ShardId::tags(GroupId(1), 0);
        assert_eq!(tags.repair(1).to_string(), "repair-1-00000001");
    }

    #[test]
    fn texts_of_another_shape_are_refused() {
        for text in ["", "Copy-1", "copy/1", "copy 1"] {
            assert!(text.parse::<ShardId>().is_err(), "{text}");
        }
        for text in ["", "12", "zzzzzzzzzzzzzzzz", "00000000000000001"] {
            assert!(text.parse::<PlanId>().is_err(), "{text}");
        }
    }
}
