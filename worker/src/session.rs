//! What all leases of one session share: the way to coordinators and databases, and when the session was last good.

use std::sync::Arc;

use tdferry_common::clock::Clock;
use tdferry_common::id::{SessionId, WorkerId};
use tdferry_common::port::Connector;
use tdferry_common::timing::Timing;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::Client;
use crate::created::Created;
use crate::held::Held;
use crate::limits::WriteLimits;
use crate::notices::Notices;
use crate::rejects::RejectStores;
use crate::structure::Structures;
use crate::tags::StableTags;
use crate::waiting::Waiting;

/// One session of this worker.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) worker: WorkerId,
    pub(crate) client: Client,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) clock: Clock,
    pub(crate) timing: Timing,
    pub(crate) held: Held,
    pub(crate) waiting: Waiting,
    pub(crate) notices: Notices,
    pub(crate) structures: Structures,
    pub(crate) stable_tags: StableTags,
    pub(crate) created: Created,
    pub(crate) write_limits: WriteLimits,
    pub(crate) rejects: RejectStores,
    /// When the last heartbeat was sent that a coordinator answered well.
    pub(crate) heard: watch::Sender<Instant>,
}

impl Session {
    /// A heartbeat sent at this moment was answered well.
    pub(crate) fn heard(&self, sent: Instant) {
        self.heard.send_replace(sent);
    }

    /// Returns once a write may be started: one that the session would not outlive is not worth its while. Safety
    /// does not rest on it.
    pub(crate) async fn writable(&self) {
        let mut heard = self.heard.subscribe();
        let in_time = |sent: &Instant| Instant::now() < self.timing.write_deadline(*sent);
        // the sender lives as long as the session
        let _ = heard.wait_for(in_time).await;
    }
}
