//! How a user names one thing or many: by its name, by a glob, or by a regular expression.
//!
//! `d?_*` is a glob, `re:^d\d+$` an expression, anything else a name; in backticks everything is a name.

use std::fmt;

use regex::Regex;

/// TDengine's limit for the name of a table, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 192;
/// What stands before a regular expression.
pub(super) const EXPRESSION: &str = "re:";
/// Longer ones are mistakes, and take long to compile.
const MAX_EXPRESSION_BYTES: usize = 1_000;

/// A name, or what names match. Equal by what it says.
#[derive(Debug, Clone)]
pub struct Pattern(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Name(String),
    /// As written, and as it is matched: against the whole name.
    Glob(String, Regex),
    Expression(String, Regex),
}

impl Pattern {
    /// Whether it means this name.
    pub fn matches(&self, name: &str) -> bool {
        match &self.0 {
            Kind::Name(own) => own == name,
            Kind::Glob(_, regex) | Kind::Expression(_, regex) => regex.is_match(name),
        }
    }

    /// The name it is, unless it is a glob or an expression.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Name(name) => Some(name),
            Kind::Glob(..) | Kind::Expression(..) => None,
        }
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        if let Some(expression) = text.strip_prefix(EXPRESSION) {
            return Self::expression(expression);
        }
        let quoted = text.strip_prefix('`').and_then(|inner| inner.strip_suffix('`'));
        if quoted.is_none() && text.contains(['*', '?']) {
            return Self::glob(checked(text)?);
        }
        checked(quoted.unwrap_or(text)).map(Self::from)
    }

    fn glob(text: &str) -> Result<Self, String> {
        let one = |c: char| match c {
            '*' => ".*".to_owned(),
            '?' => ".".to_owned(),
            other => regex::escape(other.encode_utf8(&mut [0; 4])),
        };
        let regex = whole(&text.chars().map(one).collect::<String>())?;
        Ok(Self(Kind::Glob(text.to_owned(), regex)))
    }

    fn expression(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(format!("no regular expression after `{EXPRESSION}`"));
        }
        if text.len() > MAX_EXPRESSION_BYTES {
            return Err(format!("a regular expression is longer than {MAX_EXPRESSION_BYTES} bytes"));
        }
        Ok(Self(Kind::Expression(text.to_owned(), whole(text)?)))
    }

    /// As it is read again; `dotted` where a dot would separate it from something.
    pub(super) fn write(&self, dotted: bool) -> String {
        match &self.0 {
            Kind::Glob(text, _) => text.clone(),
            Kind::Expression(text, _) => format!("{EXPRESSION}{text}"),
            Kind::Name(name) => {
                let special = name.contains(['*', '?']) || name.starts_with(['!', '@']);
                let quoted = special || name.starts_with(EXPRESSION) || (dotted && name.contains('.'));
                if quoted { format!("`{name}`") } else { name.clone() }
            }
        }
    }
}

/// An expression that must match from end to end.
fn whole(expression: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?s:{expression})$")).map_err(|error| expression_error(expression, &error))
}

pub(super) fn expression_error(expression: &str, error: &regex::Error) -> String {
    let why = error.to_string();
    let why = why.lines().last().unwrap_or_default().trim();
    format!("{expression:?} is no regular expression: {why}")
}

pub(super) fn checked(name: &str) -> Result<&str, String> {
    if name.is_empty() {
        return Err("a name is empty; write a comma list such as `meters,weather`, or `@file`".to_owned());
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(format!("a name is longer than {MAX_NAME_BYTES} bytes, which no table has"));
    }
    if name.contains(|c: char| c == '`' || c.is_control()) {
        return Err(format!("{name:?} has a character that no table's name has"));
    }
    Ok(name)
}

impl From<String> for Pattern {
    fn from(name: String) -> Self {
        Self(Kind::Name(name))
    }
}

impl From<&str> for Pattern {
    fn from(name: &str) -> Self {
        Self::from(name.to_owned())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Name(one), Kind::Name(other))
            | (Kind::Glob(one, _), Kind::Glob(other, _))
            | (Kind::Expression(one, _), Kind::Expression(other, _)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_naming_matches_whole_names_only() {
        for (pattern, yes, no) in [
            ("d1", &["d1"][..], &["d10", "D1"][..]),
            ("d*", &["d", "d1", "d.x"], &["xd1", "D1"]),
            ("d?", &["d1", "d涛"], &["d", "d10"]),
            ("a+b*", &["a+b", "a+bc"], &["aab"]),
            ("re:d[0-9]+", &["d1", "d10"], &["d", "d1x", "xd1"]),
            ("re:a|b", &["a", "b"], &["ab", "ba"]),
            ("re:(?i)meters", &["METERS"], &["meters2"]),
            ("`d*`", &["d*"], &["d1"]),
        ] {
            let read = Pattern::read(pattern).unwrap();
            yes.iter().for_each(|name| assert!(read.matches(name), "{pattern} must match {name}"));
            no.iter().for_each(|name| assert!(!read.matches(name), "{pattern} must not match {name}"));
            assert_eq!(Pattern::read(&read.write(true)).unwrap(), read, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_words() {
        for (text, words) in [
            ("re:", "no regular expression"),
            ("re:(a", "no regular expression: error: unclosed group"),
            ("", "a name is empty"),
            ("a`*", "no table's name has"),
        ] {
            let error = Pattern::read(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
