//! The only file that prints: data to stdout, talk to stderr.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

/// Data for whoever reads stdout.
pub(crate) fn data(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// One JSON document on one line.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    data(&serde_json::to_string(value)?)
}

/// A word to the person at the terminal, who may have gone.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
