//! Tests of the stored bytes.
