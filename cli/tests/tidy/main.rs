//! The house rules that a machine can check, as tests over the source tree. Each rule is shown a tree that breaks it.
//!
//! Read `tree` (what is looked at), `code` (what of it is code), then one file for each family of rules.
#![expect(clippy::unwrap_used, reason = "a test that cannot read what it looks at has failed")]

mod code;
mod crates;
mod docs;
mod files;
mod logs;
mod tree;
mod uses;
mod words;

use tree::File;

/// Looks at a tree and tells what is wrong, one line each.
type Rule = fn(&[File]) -> Vec<String>;

fn hold(rule: Rule) {
    let broken = rule(&tree::whole());
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// The rule sees the fault: a rule that never fails guards nothing.
fn refuses(rule: Rule, path: &str, text: &str) {
    let planted = [File::new(path, text)];
    assert!(!rule(&planted).is_empty(), "{path} passes with: {text}");
}

/// The rule sees no fault where there is none.
fn accepts(rule: Rule, path: &str, text: &str) {
    let broken = rule(&[File::new(path, text)]);
    assert!(broken.is_empty(), "{broken:?}");
}
