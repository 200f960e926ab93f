//! The WebSocket protocol of taosAdapter: which paths are open, what is said, how rows travel.

mod listener;
mod message;
mod quickack;
mod raw_block;
mod session;

pub(crate) use listener::Listener;
