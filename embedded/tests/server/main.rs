//! The server beyond etcd's answers: its ways in, its storage, its time, its place in a simulation.

mod services;
mod simulation;
mod smoke;
mod storage;
mod time;
