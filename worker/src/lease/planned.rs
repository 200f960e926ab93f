//! What the plan has of what a tail follows, as a coordinator tells it.

use tdferry_proto::v1;

use super::attempt::Attempt;
use super::ended::{Ended, Worked};

/// A part of it.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    /// Subtables of the tail's stable; to the database's tail the normal tables.
    pub(crate) names: Vec<String>,
    /// To the database's tail: the stables that are followed.
    pub(crate) stables: Vec<String>,
    /// After which the next part comes; `None`: that was all.
    pub(crate) group: Option<u32>,
}

impl Attempt {
    /// The part behind this one, or the first.
    pub(crate) async fn planned(&self, after: Option<u32>) -> Worked<Planned> {
        let key = Some(self.claimed.lease.key.clone().into());
        let answer = self.session.client.names(v1::NamesRequest { key, after }).await;
        let v1::NamesResponse { names, group, stables } =
            answer.map_err(|error| Ended::at_coordinator(&error))?;
        Ok(Planned { names, stables, group })
    }
}
