//! The mirror against what the store really holds.
