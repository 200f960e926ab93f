//! Log messages: lowercase, no full stop, what varies in fields.

use crate::code::Code;
use crate::tree::File;
use crate::{accepts, hold, refuses};

const MACROS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

fn lowercase_without_full_stop(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.is("rs")) {
        let code = file.code();
        for (at, name) in code.identifiers().filter(|(_, name)| MACROS.contains(name)) {
            let Some(open) = code.text[at + name.len()..].strip_prefix("!(") else { continue };
            let open = code.text.len() - open.len();
            if let Some(fault) = message(&code, open).and_then(fault) {
                broken.push(format!("{}:{}: {fault}", file.path, file.line(at)));
            }
        }
    }
    broken
}

/// The first string of a macro's arguments that is an argument by itself.
fn message(code: &Code, open: usize) -> Option<&str> {
    let close = close_of(&code.text, open);
    let own =
        |at: usize| code.text[..at].trim_end().ends_with(['(', ',']) && depth(&code.text[open..at]) == 0;
    let inside = code.strings.iter().filter(|(at, _)| (open..close).contains(at));
    inside.into_iter().find(|(at, _)| own(*at)).map(|(_, text)| text.as_str())
}

fn depth(text: &str) -> usize {
    text.matches('(').count().saturating_sub(text.matches(')').count())
}

fn close_of(text: &str, open: usize) -> usize {
    let mut deep = 1_usize;
    for (at, c) in text[open..].char_indices() {
        deep = if c == '(' { deep + 1 } else { deep - usize::from(c == ')') };
        if deep == 0 {
            return open + at;
        }
    }
    text.len()
}

fn fault(message: &str) -> Option<String> {
    let what = match message {
        _ if message.starts_with(char::is_uppercase) => "begins in upper case",
        _ if message.ends_with('.') => "ends with a full stop",
        _ if message.contains('{') => "formats what belongs in a field",
        _ => return None,
    };
    Some(format!("the message {message:?} {what}"))
}

#[test]
fn log_messages_are_lowercase_without_full_stop_and_with_fields() {
    hold(lowercase_without_full_stop);
}

#[test]
fn messages_of_another_form_are_found() {
    for text in [
        "tracing::info!(\"Lease taken\");",
        "warn!(%error, at = f(1),\n \"lease lost.\");",
        "tracing::error!(why = \"x\", \"lease {id} lost\");",
    ] {
        refuses(lowercase_without_full_stop, "a/src/b.rs", text);
    }
    accepts(
        lowercase_without_full_stop,
        "a/src/b.rs",
        "info!(what = \"Upper.\", a = f(\"B.\"), \"lease taken\");",
    );
}
