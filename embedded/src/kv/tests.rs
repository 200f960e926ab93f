//! Tests of the history's own rules: what compaction keeps and what a bound costs.
