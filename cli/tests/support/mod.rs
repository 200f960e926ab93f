//! What the tests of the whole program share: two servers, a database to move, the program as a process.
#![allow(dead_code, reason = "each test binary uses the part it needs")]

pub(crate) mod live;
pub(crate) mod load;
pub(crate) mod process;
pub(crate) mod servers;
