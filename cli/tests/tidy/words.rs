//! One word for each concept: other systems' words for ours are no identifiers here.

use crate::tree::File;
use crate::{accepts, hold, refuses};

/// What others call a task, a batch, a shard.
const FOREIGN: [&str; 3] = ["job", "chunk", "partition"];

fn our_words(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.is("rs") || file.is("proto")) {
        let code = file.code();
        for (at, name) in code.identifiers() {
            // after a dot it is a method of the standard library
            let is_theirs = code.text[..at].ends_with('.');
            if !is_theirs && words(name).iter().any(|word| is_foreign(word)) {
                broken.push(format!("{}:{}: {name}", file.path, file.line(at)));
            }
        }
    }
    broken
}

fn is_foreign(word: &str) -> bool {
    FOREIGN.contains(&word.strip_suffix('s').unwrap_or(word))
}

/// The words of an identifier, `FirstSecond` and `first_second` alike, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        let begins = c == '_' || (c.is_uppercase() && was_lower);
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c != '_') {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words
}

#[test]
fn no_identifier_is_another_systems_word() {
    hold(our_words);
}

#[test]
fn other_systems_words_are_found() {
    for text in ["struct CopyJob;", "let chunk_size = 1;", "fn f(partitions: u32) {}", "const JOB: u8 = 0;"] {
        refuses(our_words, "a/src/b.rs", text);
    }
    refuses(our_words, "proto/a.proto", "message Chunk {}");
    accepts(
        our_words,
        "a/src/b.rs",
        "a.chunks(3); // a chunk\nlet sql = \"partition by tbname\"; let adjobs = 1;",
    );
}
