//! What goes on by itself: phases end, tasks complete, what is deleted is swept, leases that stalled are ended, etcd is
//! looked after. No coordinator leads: each tries, the store's guards decide, losing a race is normal.

mod advance;
mod member;
mod recut;
mod sample;
mod stall;
mod sweep;
mod upkeep;

use std::sync::Arc;

use tdferry_common::shutdown::StopToken;

use crate::shared::Core;
use crate::store::StoreError;
use crate::view;

pub(crate) use sweep::sweep_task;

/// Runs everything until the token stops it.
pub(crate) async fn run(core: Arc<Core>, stop: StopToken) {
    let core = &*core;
    let loops = async {
        tokio::join!(
            follow(core),
            advance::run(core),
            sweep::run(core),
            sample::run(core),
            stall::run(core),
            recut::run(core),
            upkeep::run(core),
            member::run(core),
        )
    };
    tokio::select! {
        () = stop.stopping() => {}
        _ = loops => {}
    }
}

/// Keeps the mirror, also over times in which the store cannot be used.
async fn follow(core: &Core) {
    loop {
        let err = view::follow(&core.store).await;
        tracing::error!(error = %err, "the store cannot be used");
        tokio::time::sleep(core.timing().session_ttl).await;
    }
}

/// For loops: an error is told, and the next round tries again.
fn told(what: &'static str, done: Result<(), StoreError>) {
    if let Err(err) = done {
        tracing::warn!(what, error = %err, "background work is tried again");
    }
}
