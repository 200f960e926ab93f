//! Looks once a heartbeat which leases are to be cut; the workers hear of it with their heartbeats.

use crate::leases::Seen;
use crate::shared::Core;

pub(super) async fn run(core: &Core) {
    loop {
        tokio::time::sleep(core.jittered(core.timing().heartbeat)).await;
        let seen = core.view().read(Seen::of);
        core.cuts.look(&seen, core.clock.monotonic(), core.timing());
    }
}
