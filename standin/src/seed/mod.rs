//! Ready-made databases: meters of any size, the demo's database, and one of everything awkward.

mod demo;
mod meters;
mod torture;

pub(crate) use demo::demo;
pub use meters::MetersSeed;
pub(crate) use meters::meters;
pub use torture::TortureSeed;
pub(crate) use torture::torture;

use std::sync::Arc;

use crate::SqlError;
use crate::exec::{Context, Engine};

/// Why a seed did not grow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// The text is none that is known.
    #[error(
        "seed '{0}' is not understood: write meters:SUBTABLESxROWS (meters:1000x10000, with /100 behind it for a row every 100 ms), demo or torture, and @database behind it if you like"
    )]
    Malformed(String),
    /// The server refused a statement of the seed.
    #[error("seeding stopped at '{sql}': {error}")]
    Refused {
        /// The statement, cut to its beginning.
        sql: String,
        /// What the server said.
        error: SqlError,
    },
}

/// Runs statements one after the other.
fn run(engine: &Arc<Engine>, statements: impl IntoIterator<Item = String>) -> Result<(), SeedError> {
    let mut context = Context::default();
    for sql in statements {
        if let Err(error) = engine.execute(&mut context, &sql) {
            return Err(SeedError::Refused { sql: sql.chars().take(120).collect(), error });
        }
    }
    Ok(())
}
