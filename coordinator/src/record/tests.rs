//! Golden files, round trips and damage.
