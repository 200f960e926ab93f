//! The heartbeat: tells what is held, waited for and lacking, and passes on what is to be done about it.

use tdferry_common::lease::LeaseKey;
use tdferry_common::shutdown::StopToken;
use tdferry_proto::v1;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::held::{CutOrder, Order};
use crate::session::Session;

/// Beats until a coordinator says that the session is over.
pub(crate) async fn keep(session: &Session, slots: u32, stop: &StopToken) {
    let pace = session.timing.heartbeat;
    let mut beats = interval_at(Instant::now() + pace, pace);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        // the session was alive when this was sent, not when the answer arrived
        let sent = Instant::now();
        match session.client.heartbeat(beat(session, slots, stop)).await {
            Ok(answer) if answer.session_lost => return,
            Ok(answer) => {
                session.heard(sent);
                answer.directives.into_iter().for_each(|directive| obey(session, directive));
            }
            Err(error) => tracing::warn!(%error, "heartbeat not answered"),
        }
    }
}

fn beat(session: &Session, slots: u32, stop: &StopToken) -> v1::HeartbeatRequest {
    let held = session.held.keys();
    let used = u32::try_from(held.len()).unwrap_or(u32::MAX);
    v1::HeartbeatRequest {
        session: session.id.0,
        worker: session.worker.0,
        held: held.into_iter().map(Into::into).collect(),
        free_slots: slots.saturating_sub(used),
        waiting: session.waiting.list(),
        notices: session.notices.list(),
        draining: stop.is_stopping(),
    }
}

fn obey(session: &Session, told: v1::LeaseDirective) {
    let directive = told.directive();
    let Some(Ok(key)) = told.lease.map(LeaseKey::try_from) else {
        return tracing::warn!(?directive, "a directive names no lease");
    };
    if let Some(end) = told.ends_at {
        session.held.end_at(&key, end);
    }
    match directive {
        v1::Directive::Drain => session.held.order(&key, Order::Drain),
        v1::Directive::Abandon => session.held.order(&key, Order::Abandon),
        v1::Directive::Cut => {
            let v1::CutOrder { children, least_rows } = told.cut.unwrap_or_default();
            session.held.order_cut(&key, CutOrder { children, least_rows });
        }
        // a directive of a later version is none for this one
        v1::Directive::Continue | v1::Directive::Unspecified => {}
    }
}
