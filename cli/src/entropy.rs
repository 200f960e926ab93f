//! The one place where the program draws real randomness: everything below takes a seed.

use rand::{RngCore, TryRngCore};

/// A seed for one coordinator or worker.
pub(crate) fn seed() -> u64 {
    rand::rngs::OsRng.unwrap_err().next_u64()
}
