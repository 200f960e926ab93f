//! Watches: which events a watcher gets, in which portions, and when it is told that it is too late.
//! Watchers read the history at their own pace, so a slow one costs no memory and delays nobody.

mod stream;
mod watcher;
mod watchers;

pub(crate) use stream::{ANSWERS, serve};
