//! What the tests of the whole program share: two servers, a database to move, the program as a process.
#![allow(dead_code, reason = "each test binary uses the part it needs")]

pub mod load;
pub mod process;
pub mod servers;
