//! Which workers a coordinator takes, by their version of tdferry: those of the same major version.
//!
//! Messages and records only grow within a major version, so that a rolling upgrade may go in any order. One minor
//! version apart is what is tested; more is taken and told.

/// Minor versions that may lie between a coordinator and its workers.
const TESTED_APART: u64 = 1;

/// How a worker's version stands to the coordinator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fit {
    /// As tested.
    Good,
    /// Further apart than is tested.
    FarApart,
}

/// A worker that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a worker of version {worker:?} does not work with this coordinator of version {coordinator}: both must have the \
     same major version; upgrade the older one, nothing that was copied is lost"
)]
pub(crate) struct Unfit {
    worker: String,
    coordinator: &'static str,
}

/// Holds a worker's version against this coordinator's own.
pub(crate) fn check(worker: &str) -> Result<Fit, Unfit> {
    fit(worker, env!("CARGO_PKG_VERSION"))
}

fn fit(worker: &str, coordinator: &'static str) -> Result<Fit, Unfit> {
    match (parse(worker), parse(coordinator)) {
        (Some((theirs, minor)), Some((ours, own))) if theirs == ours => {
            Ok(if minor.abs_diff(own) <= TESTED_APART { Fit::Good } else { Fit::FarApart })
        }
        _ => Err(Unfit { worker: worker.chars().take(40).collect(), coordinator }),
    }
}

/// Major and minor.
fn parse(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.');
    let mut part = || parts.next()?.parse().ok();
    Some((part()?, part()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minor_version_apart_is_good_and_another_major_version_is_refused() {
        let own = "3.5.2";
        for worker in ["3.5.2", "3.5.0", "3.4.9", "3.6.0-rc.1"] {
            assert_eq!(fit(worker, own), Ok(Fit::Good), "{worker}");
        }
        for worker in ["3.3.0", "3.7.1"] {
            assert_eq!(fit(worker, own), Ok(Fit::FarApart), "{worker}");
        }
        for worker in ["2.5.2", "4.0.0", "", "3", "new", "x.y.z"] {
            let refused = fit(worker, own).unwrap_err().to_string();
            assert!(refused.contains("same major version") && refused.contains("3.5.2"), "{refused}");
        }
    }

    #[test]
    fn a_worker_of_this_very_build_is_taken() {
        assert_eq!(check(env!("CARGO_PKG_VERSION")), Ok(Fit::Good));
    }
}
