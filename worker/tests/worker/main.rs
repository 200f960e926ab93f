//! The worker from outside: real gRPC over memory, a coordinator that follows a script, databases in memory.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod any_database;
mod changing;
mod check;
mod conditions;
mod coordinator;
mod copying;
mod creating;
mod cutting;
mod diffing;
mod ending;
mod extra_tables;
mod faults;
mod following;
mod lacking;
mod late_rows;
mod leases;
mod marks;
mod new_subtables;
mod policies;
mod production;
mod rejecting;
mod serve;
mod shaping;
mod stage;
mod structure;
mod surveys;
mod truncating;
mod verifying;
