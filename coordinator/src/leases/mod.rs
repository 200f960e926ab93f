//! Leases above the store: who may claim what, what a commit belongs to, and what a heartbeat brings back.
//!
//! The mirror only picks; whether a claim or a commit holds is decided by the store's guards alone.

mod candidates;
mod claim;
mod commit;
mod cooling;
mod cut;
mod cuts;
mod drain;
mod former;
mod grow;
mod heartbeat;
mod news;
mod place;
mod release;
mod strays;
mod trying;

pub(crate) use claim::{Claimant, Granted, Grants, claim};
pub(crate) use commit::{Asked, commit};
pub(crate) use cooling::Cooling;
pub(crate) use cut::{CutAsked, cut};
pub(crate) use cuts::{Cuts, Found as CutsFound, Seen};
pub(crate) use drain::{BadLabel, Who, set_drain};
pub(crate) use former::end_former_sessions;
pub(crate) use grow::{GrowAsked, Named, grow, names};
pub(crate) use heartbeat::{Beaten, Beating, Directive, heartbeat};
pub(crate) use place::shard_of;
pub(crate) use release::release;
pub(crate) use strays::Strays;
pub(crate) use trying::Trying;
