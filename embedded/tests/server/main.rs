//! The server beyond etcd's answers: its ways in, its storage, its time, its place in a simulation.

#![expect(clippy::expect_used, reason = "in a test a failed expectation is the answer")]

mod services;
mod simulation;
mod smoke;
mod storage;
mod time;
