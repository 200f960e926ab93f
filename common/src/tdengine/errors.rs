//! What a database's error code asks for: one table, from code (and, where one code hides several faults, words)
//! to what to do. Source: codes seen on 2.7.0 and 3.3.1, see `docs/tdengine.md`.

use crate::port::{PortError, RefusedRow, Side};

/// What to do about an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Wait and try again; the connection is good.
    Retry,
    /// Throw the connection away, then try again.
    Reconnect,
    /// Something is not there.
    Missing,
    /// The write is too large.
    Split,
    /// A row is refused for good.
    Refuse(RefusedRow),
    /// Name, password or right.
    Denied,
    /// It exists already, which a `create if not exists` takes for done.
    Exists,
    /// Trying again will not cure it.
    Permanent,
}

/// The action for the low sixteen bits of a code. Unknown codes are permanent: an operator must see them.
pub fn action(code: u32, message: &str) -> Action {
    match code & 0xffff {
        0x000B
        | 0x0015
        | 0x0018
        | 0x0019
        | 0x0020..=0x0022
        | 0x0125
        | 0x0126
        | 0x012C
        | 0x032C
        | 0x0396
        | 0x0408 => Action::Retry,
        0x0338 | 0x0500..=0x0503 | 0x050C | 0x050E | 0x061B | 0x0700 | 0x0709 | 0x070B => Action::Retry,
        0x0903 | 0x090C | 0x0911 | 0x0914 | 0x0916..=0x0918 => Action::Retry,
        // a disk that fills is emptied by a person, and then work goes on
        0x0129 | 0x012B => Action::Retry,
        0xE001..=0xE005 | 0x020B => Action::Reconnect,
        0xE006 => Action::Denied,
        0xFFFF => generic(message),
        0x2662 => table_info(message),
        0x2603 | 0x0362 | 0x0618 | 0x0380 | 0x0383 | 0x0388 | 0x2602 | 0x2616 => Action::Missing,
        0x0360 | 0x0603 | 0x0381 => Action::Exists,
        0x0219 | 0x0102 => Action::Split,
        0x060B => Action::Refuse(RefusedRow::Keep),
        0x2653 => Action::Refuse(RefusedRow::TooLong),
        0x0003 | 0x0350 | 0x0351 | 0x0357 | 0x2644 | 0x0303 => Action::Denied,
        _ => Action::Permanent,
    }
}

/// 0x2662 wraps every failure to look a table up, passing ones among them.
fn table_info(message: &str) -> Action {
    let absent = ["does not exist", "not exist", "Not exist"];
    match message {
        text if absent.iter().any(|words| text.contains(words)) => Action::Missing,
        text if text.contains("ermission") => Action::Denied,
        _ => Action::Retry,
    }
}

/// 0xFFFF is what the gateway and the client answer where they have no code of their own.
fn generic(message: &str) -> Action {
    let text = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["unauthorized", "authentication", "auth failure", "invalid password", "401"]) {
        return Action::Denied;
    }
    if has(&["library", "dlopen", "unsupported", "invalid dsn"]) {
        return Action::Permanent;
    }
    Action::Reconnect
}

/// Whether the client may be remembering a table as it was: a raw block never refreshes what it knows, a query does.
/// Measured on 3.3.1 after a table or its database was dropped and made again, or its columns changed.
pub(super) const fn may_be_stale(code: u32) -> bool {
    matches!(code & 0xffff, 0x0503 | 0x0618 | 0x061B | 0x0118)
}

/// A call that failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the caller is told.
    pub(super) error: PortError,
    /// The code it came with; zero where the client never got one.
    pub(super) code: u32,
    /// Whether the connection can be used again.
    pub(super) good: bool,
}

impl From<Failure> for PortError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Failure {
    /// No answer, or none that could be had: the connection is thrown away.
    pub(super) fn away(side: Side, message: String) -> Self {
        Self { error: PortError::Away { side, message }, code: 0, good: false }
    }

    /// An error of the client as an error of the port.
    pub(super) fn new(side: Side, what: &str, error: &taos::Error) -> Self {
        let code: i32 = error.code().into();
        let code = u32::from_ne_bytes(code.to_ne_bytes()) & 0xffff;
        let text = Some(error.message()).filter(|text| !text.is_empty()).unwrap_or_else(|| error.to_string());
        let action = action(code, &text);
        let message = format!("{what}: [{code:#06x}] {}", told(&text));
        Self { error: sorted(side, action, code, message), code, good: action != Action::Reconnect }
    }
}

/// As much of a text as tells what happened: without a token that stands in an address, and without the rows of a
/// statement that the client repeats.
fn told(text: &str) -> String {
    const LONGEST: usize = 300;
    // what the client calls every error that it passes on
    let text = text.trim().trim_start_matches("Internal error: ").trim_matches('`');
    let text = text.find("token=").map_or(text, |at| &text[..at]);
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn sorted(side: Side, action: Action, code: u32, message: String) -> PortError {
    match action {
        Action::Retry | Action::Reconnect => PortError::Away { side, message },
        Action::Missing => PortError::Missing { side, message },
        Action::Split => PortError::TooLarge { side, message },
        Action::Refuse(reason) => PortError::Refused { side, reason, code, message },
        Action::Denied => PortError::Denied { side, message },
        Action::Exists | Action::Permanent => PortError::Invalid { side, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_asks_for_its_action() {
        let table = [
            (0x000B, "unable to establish connection", Action::Retry),
            (0x0914, "sync leader is restoring", Action::Retry),
            (0xE002, "closed", Action::Reconnect),
            (0x2603, "Table does not exist", Action::Missing),
            (0x0362, "Table does not exist", Action::Missing),
            (0x2662, "Fail to get table info, error: Table does not exist", Action::Missing),
            (0x2662, "Fail to get table info, error: Sync leader is restoring", Action::Retry),
            (0x2662, "Fail to get table info, error: Permission denied", Action::Denied),
            (0x0219, "SQL statement too long", Action::Split),
            (0x060B, "Timestamp data out of range", Action::Refuse(RefusedRow::Keep)),
            (0x2653, "Value too long", Action::Refuse(RefusedRow::TooLong)),
            (0x0357, "Authentication failure", Action::Denied),
            (0x0360, "Table already exists", Action::Exists),
            (0x2600, "syntax error", Action::Permanent),
            (0x7777, "never heard of", Action::Permanent),
            (0xFFFF, "server not connected", Action::Reconnect),
            (0xFFFF, "401 Unauthorized", Action::Denied),
            (0xE006, "Authentication failure", Action::Denied),
            (0xE005, "connection refused", Action::Reconnect),
            (0x0003, "Authentication failure", Action::Denied),
            (0x0303, "Insufficient privilege for operation", Action::Denied),
            (0x0015, "Unable to resolve FQDN", Action::Retry),
            (0x0380, "Database not specified or available", Action::Missing),
            (0x0383, "Invalid database name", Action::Missing),
            (0x0388, "Database not exist", Action::Missing),
            (0x0618, "Table does not exist", Action::Missing),
            (0x061B, "Table schema is old", Action::Retry),
            (0x0118, "Invalid parameters", Action::Permanent),
        ];
        for (code, message, wanted) in table {
            assert_eq!(action(code, message), wanted, "{code:#06x} {message}");
        }
        assert_eq!(action(0x8000_060B, ""), Action::Refuse(RefusedRow::Keep), "only the low half counts");
    }

    #[test]
    fn an_error_repeats_neither_tokens_nor_whole_statements() {
        let refused = told("Authentication failure: \"wss://cloud/ws?token=abcdef\"");
        assert!(!refused.contains("abcdef"), "{refused}");
        let long = told(&format!("Error while querying with sql \"insert into {}\"", "涛".repeat(100_000)));
        assert!(long.chars().count() <= 301 && long.starts_with("Error while"), "{long}");
    }
}
