//! How a name becomes another: by a prefix, a suffix, a template, an expression or a map.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regex::Regex;

use super::super::pattern::expression_error;
use super::{Renamed, map};

/// How a name changes.
#[derive(Debug, Clone)]
pub enum Rule {
    /// `prefix:<text>`
    Prefix(String),
    /// `suffix:<text>`
    Suffix(String),
    /// `template:<text>` with `{name}`, `{stable}` and `{database}` in it.
    Template(Vec<Piece>),
    /// `replace_with_regex:<expression>::<replacement>`, wherever it matches; `$1` is its first group.
    Replace(Regex, String),
    /// `map:@file.csv`, lines `old,new`; a name that is not in it stays.
    Map(BTreeMap<String, String>),
    /// Such a file, not read yet.
    File(PathBuf),
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Itself.
    Text(String),
    /// The name as it is so far.
    Name,
    /// The stable, or for columns the stable or normal table, as the source names it; empty for a normal table.
    Stable,
    /// The source's database.
    Database,
}

/// What is renamed, with what a template may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Its name so far.
    pub name: &'a str,
    /// Its stable at the source; for a column its stable or normal table.
    pub stable: &'a str,
    /// The source's database.
    pub database: &'a str,
}

impl Rule {
    /// The name that it makes of this one.
    pub fn apply(&self, of: Renamed, named: Named<'_>) -> String {
        let name = named.name;
        match self {
            Self::Prefix(text) => format!("{text}{name}"),
            Self::Suffix(text) => format!("{name}{text}"),
            Self::Template(pieces) => pieces.iter().map(|piece| piece.of(named)).collect(),
            Self::Replace(regex, with) => regex.replace_all(name, with.as_str()).into_owned(),
            Self::Map(map) => {
                let own = || (of == Renamed::Columns).then(|| map.get(&format!("{}.{name}", named.stable)));
                own().flatten().or_else(|| map.get(name)).map_or_else(|| name.to_owned(), Clone::clone)
            }
            // a task is not stored, and not run, before its files were read
            Self::File(_) => name.to_owned(),
        }
    }

    /// The names from which it makes this one; `None` where that cannot be told. Of columns it is never asked.
    pub fn undo(&self, named: Named<'_>) -> Option<Vec<String>> {
        let name = named.name;
        let one = |name: Option<&str>| Some(name.map(str::to_owned).into_iter().collect());
        match self {
            Self::Prefix(text) => one(name.strip_prefix(text.as_str())),
            Self::Suffix(text) => one(name.strip_suffix(text.as_str())),
            Self::Template(pieces) => {
                let at = pieces.iter().position(|piece| *piece == Piece::Name)?;
                let (before, after) = (&pieces[..at], &pieces[at + 1..]);
                if after.contains(&Piece::Name) {
                    return None;
                }
                let text = |pieces: &[Piece]| pieces.iter().map(|piece| piece.of(named)).collect::<String>();
                let rest = name.strip_prefix(text(before).as_str());
                one(rest.and_then(|rest| rest.strip_suffix(text(after).as_str())))
            }
            Self::Map(map) => {
                let stays = (!map.contains_key(name)).then(|| name.to_owned());
                let becomes = map.iter().filter(|(_, to)| *to == name).map(|(from, _)| from.clone());
                Some(becomes.chain(stays).collect())
            }
            Self::Replace(..) | Self::File(_) => None,
        }
    }

    pub(super) fn read(text: &str, of: Renamed) -> Result<Self, String> {
        let (how, with) = text.split_once(':').unwrap_or((text, ""));
        let some = |with: &str| match with.is_empty() || with.contains(|c: char| c == '`' || c.is_control()) {
            true => Err(format!("{how}: {with:?} cannot stand in a name")),
            false => Ok(with.to_owned()),
        };
        match how {
            "prefix" => some(with).map(Self::Prefix),
            "suffix" => some(with).map(Self::Suffix),
            "template" => template(&some(with)?, of).map(Self::Template),
            "replace_with_regex" => replace(with),
            "map" => match with.strip_prefix('@') {
                Some("") => Err("map: no path after `@`".to_owned()),
                Some(path) => Ok(Self::File(PathBuf::from(path))),
                None => map::read(with).map(Self::Map).map_err(|what| format!("map: {what}")),
            },
            _ => Err(format!(
                "{how:?} is none of prefix, suffix, template, replace_with_regex, map; write `prefix:old_`"
            )),
        }
    }
}

impl Piece {
    fn of<'a>(&'a self, named: Named<'a>) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Name => named.name,
            Self::Stable => named.stable,
            Self::Database => named.database,
        }
    }
}

fn replace(text: &str) -> Result<Rule, String> {
    let (expression, with) = text
        .rsplit_once("::")
        .ok_or("replace_with_regex: write `replace_with_regex:<expression>::<replacement>`")?;
    if expression.is_empty() {
        return Err("replace_with_regex: the expression is empty".to_owned());
    }
    let regex = Regex::new(expression).map_err(|error| expression_error(expression, &error))?;
    Ok(Rule::Replace(regex, with.to_owned()))
}

/// A `$` before a brace is the way other tools write it.
fn template(text: &str, of: Renamed) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        let (variable, behind) =
            after.split_once('}').ok_or_else(|| format!("template: {text:?} lacks a `}}`"))?;
        let before = before.strip_suffix('$').unwrap_or(before);
        pieces.extend((!before.is_empty()).then(|| Piece::Text(before.to_owned())));
        pieces.push(match variable {
            "" | "name" | "table" => Piece::Name,
            "stable" => Piece::Stable,
            "database" => Piece::Database,
            other => {
                return Err(format!("template: {{{other}}} is none of {{name}}, {{stable}}, {{database}}"));
            }
        });
        rest = behind;
    }
    pieces.extend((!rest.is_empty()).then(|| Piece::Text(rest.to_owned())));
    // one subtable of each stable may do without, one stable of a database too: told apart where names are known
    let told = pieces.contains(&Piece::Name) || (of == Renamed::Subtables && pieces.contains(&Piece::Stable));
    if told {
        Ok(pieces)
    } else {
        Err(format!("template: {text:?} gives all the same name; put {{name}} into it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_traced_back_to_those_that_become_it() {
        fn named(name: &str) -> Named<'_> {
            Named { name, stable: "s", database: "db" }
        }
        let of = Renamed::Subtables;
        let cases: [(&str, &str, &[&str]); 8] = [
            ("prefix:a_", "a_d1", &["d1"]),
            ("prefix:a_", "b_d1", &[]),
            ("suffix:_z", "d1_z", &["d1"]),
            ("template:{stable}-{name}-{database}", "s-d1-db", &["d1"]),
            ("template:{stable}-{name}", "x-d1", &[]),
            ("map:d1,e1;d2,e2", "e1", &["d1", "e1"]),
            ("map:d1,e1;d2,e2", "d1", &[]),
            ("map:d1,e1;d2,e2", "d9", &["d9"]),
        ];
        for (text, target, wanted) in cases {
            let rule =
                Rule::read(&text.replace(';', "\n"), of).unwrap_or_else(|what| panic!("{text}: {what}"));
            let found = rule.undo(named(target)).unwrap();
            assert_eq!(found, wanted, "{text} {target}");
            for name in found {
                assert_eq!(rule.apply(of, named(&name)), target, "{text}");
            }
        }
        for text in ["replace_with_regex:^x::y", "template:{name}{name}"] {
            assert_eq!(Rule::read(text, of).unwrap().undo(named("yy")), None, "{text}");
        }
    }
}
