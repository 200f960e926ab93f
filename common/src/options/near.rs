//! Spellings: when two words are the same one, and which known words an unknown one may be meant to be.

use std::collections::BTreeSet;

/// Shown at most; more is no help.
const MAX_SUGGESTIONS: usize = 3;

/// Whether two names differ in case, `-` and `_` only: `libraryPath`, `library-path` and `library_path` are one.
pub(crate) fn same_word(a: &str, b: &str) -> bool {
    letters(a).eq(letters(b))
}

/// What to tell about a name that is not known, with those that are near, or all.
pub(crate) fn unknown_word<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<_> = known.into_iter().collect();
    let mut seen = BTreeSet::new();
    known.retain(|name| seen.insert(*name));
    let near = nearest(word, &known);
    match near.is_empty() {
        true => format!("`{word}` is not known; there is {}", known.join(", ")),
        false => format!("`{word}` is not known; did you mean `{}`?", near.join("` or `")),
    }
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Vec<&'a str> {
    let word: Vec<char> = letters(word).collect();
    let limit = (word.len() / 3).max(1);
    let mut near: Vec<_> = known
        .iter()
        .map(|name| (distance(&word, &letters(name).collect::<Vec<_>>()), *name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(_, name)| name).take(MAX_SUGGESTIONS).collect()
}

fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase())
}

/// Edits between two words; two letters in the wrong order count as one.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_word_are_the_same() {
        assert!(same_word("libraryPath", "library-path") && same_word("MAX_SQL_LENGTH", "max-sql-length"));
        assert!(!same_word("table", "tables"));
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_near_ones_or_with_all() {
        let known = ["mode", "unit", "tables", "stables", "retro", "unit"];
        for (word, near) in
            [("modes", "`mode`?"), ("unti", "`unit`?"), ("table", "`tables`?"), ("stabls", "`stables`")]
        {
            assert!(unknown_word(word, known).contains(near), "{}", unknown_word(word, known));
        }
        assert!(unknown_word("colour", known).contains("there is mode, unit, tables, stables, retro"));
    }
}
