//! The certificate of a run that came to its end: a file and a page beside it.

use std::path::PathBuf;

use tdferry_common::port::Connector;
use tdferry_proto::v1;

use super::Admin;
use super::args::Asking;
use crate::certificate::{self, Look, Places, Written};
use crate::exit::Failure;

/// Writes it; none of a task that goes on. A place that was asked for must be written to, the one in the state folder
/// need not: what was copied stays copied.
pub(super) async fn certify(
    admin: &mut Admin,
    connector: &dyn Connector,
    asking: &Asking,
    last: &v1::TaskView,
) -> Result<Option<Written>, Failure> {
    if !last.terminal {
        return Ok(None);
    }
    let proof = &asking.proof;
    let json = proof.certificate.clone().unwrap_or_else(|| in_state(asking, &last.name));
    let html = json.with_extension("html");
    let look = if proof.certificate_subtables { Look::Subtables } else { Look::Options };
    let places = Places { json: &json, html: Some(&html) };
    match certificate::of(admin, connector, last.clone(), look, places).await {
        Ok(written) => Ok(Some(written)),
        Err(failure) if proof.certificate.is_some() || proof.certificate_subtables => Err(failure),
        Err(failure) => {
            tracing::warn!(error = %failure, "no certificate was written");
            Ok(None)
        }
    }
}

fn in_state(asking: &Asking, task: &str) -> PathBuf {
    asking.state.join(format!("{task}.certificate.json"))
}
