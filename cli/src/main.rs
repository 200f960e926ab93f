//! tdferry
fn main() {}
