//! The words with which a command line asks for a task, and a task file that does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use tdferry_common::options::OptionValue;
use tdferry_common::spec::{Spec, TaskKind};

use crate::exit::{Exit, Failure};

/// What is asked of a task besides its source and target.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// The task's name [default: the source's database]
    #[arg(long)]
    name: Option<String>,
    /// One of several databases, with another name at the target behind a sign: power=power3; repeatable
    #[arg(long = "database", value_name = "DATABASE[=TARGET]")]
    databases: Vec<String>,
    /// history, realtime, both, or verify: only compare
    #[arg(long)]
    mode: Option<String>,
    /// always: create the structure first; none: the target has it; only: no rows
    #[arg(long)]
    schema: Option<String>,
    /// First moment to copy, such as 2024-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// First moment not to copy
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// Longest period of one query, such as 1d [default: chosen by density]
    #[arg(long, value_name = "LENGTH")]
    unit: Option<String>,
    /// Only these stables: a comma list of names, globs or re:EXPRESSION, or @FILE with one a line
    #[arg(long, value_name = "LIST")]
    stables: Option<String>,
    /// Only these tables: {table} or {stable}.{table}, each a name, a glob or re:EXPRESSION; a comma list, or @FILE
    #[arg(long, value_name = "LIST")]
    tables: Option<String>,
    /// Only these columns: {table}.{column}, or !{table}.{column} for all but these; a comma list, or @FILE
    #[arg(long, value_name = "LIST")]
    columns: Option<String>,
    /// Only rows for which this holds at the source, such as 'voltage > 200' or 'meters: voltage > 200'; repeatable
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Change names on the way, or add a tag, such as rename-child-table:prefix:old_; repeatable, applied in order
    #[arg(long = "transform", value_name = "TRANSFORM")]
    transforms: Vec<String>,
    /// count, digest or sample:P: how to prove that it arrived
    #[arg(long, value_name = "HOW")]
    verify: Option<String>,
    /// Any other option of a task
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE", value_parser = pair)]
    options: Vec<(String, String)>,
}

/// A task that is only looked at: by flags, or by its file.
#[derive(Debug, Args)]
pub(crate) struct Sought {
    /// The 2.x source: DRIVER://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "DSN", required_unless_present = "file")]
    from: Option<String>,
    /// The 3.x target; its database is called as the source's unless named
    #[arg(long, value_name = "DSN", required_unless_present = "file")]
    to: Option<String>,
    /// The task file (TOML) instead of --from, --to and options
    #[arg(short, long, conflicts_with_all = ["from", "to", "Asked"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
}

impl Sought {
    /// The task, checked whole.
    pub(crate) fn spec(&self) -> Result<Spec, Failure> {
        match (&self.file, &self.from, &self.to) {
            (Some(file), ..) => read(file),
            (None, Some(from), Some(to)) => self.asked.spec(from, to),
            _ => Err(Failure::new(Exit::Usage, "name --from and --to, or a task file with -f")),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl Asked {
    /// The task, checked whole: nothing has been opened or stored.
    pub(crate) fn spec(&self, from: &str, to: &str) -> Result<Spec, Failure> {
        let mut all = self.specs(from, to)?;
        match (all.pop(), all.is_empty()) {
            (Some(spec), true) => Ok(spec),
            _ => Err(usage("field `database`: several, where one is looked at; name it in --from")),
        }
    }

    /// The task, or one for each database that is named apart.
    pub(crate) fn specs(&self, from: &str, to: &str) -> Result<Vec<Spec>, Failure> {
        let options = self.options()?;
        let name = self.name.as_deref().unwrap_or("migrate");
        let mut specs = if self.databases.is_empty() {
            let mut spec = Spec::build(name, TaskKind::TDengine2, from, to, &options).map_err(usage)?;
            if self.name.is_none() {
                spec.name = default_name(spec.source_database()).parse().map_err(usage)?;
            }
            vec![spec]
        } else {
            let databases = databases(&self.databases)?;
            Spec::build_each(name, TaskKind::TDengine2, (from, to), &options, &databases).map_err(usage)?
        };
        for spec in &mut specs {
            spec.options.load_files(&|path| std::fs::read_to_string(path)).map_err(usage)?;
        }
        Ok(specs)
    }

    fn options(&self) -> Result<BTreeMap<String, OptionValue>, Failure> {
        let mut options: BTreeMap<_, _> =
            self.options.iter().map(|(key, value)| (key.clone(), OptionValue::text(value))).collect();
        let named = [
            ("mode", &self.mode),
            ("schema", &self.schema),
            ("start", &self.start),
            ("end", &self.end),
            ("unit", &self.unit),
            ("stables", &self.stables),
            ("tables", &self.tables),
            ("columns", &self.columns),
            ("verify", &self.verify),
        ];
        let named =
            named.into_iter().filter_map(|(key, value)| Some((key, OptionValue::text(value.as_ref()?))));
        let listed = [("where", &self.conditions), ("transforms", &self.transforms)];
        let listed = listed.into_iter().filter(|(_, values)| !values.is_empty());
        let listed = listed.map(|(key, values)| (key, OptionValue::List(values.clone())));
        for (key, value) in named.chain(listed) {
            if options.insert(key.to_owned(), value).is_some() {
                return Err(usage(format!("option `{key}`: given twice, by itself and with -o")));
            }
        }
        Ok(options)
    }
}

/// A file may hold clear passwords here: nothing is stored.
pub(crate) fn read(file: &Path) -> Result<Spec, Failure> {
    let usage =
        |problem: String| Failure::new(Exit::Usage, format!("task file {}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| usage(error.to_string()))?;
    let mut spec = Spec::from_toml(&text).map_err(|error| usage(error.to_string()))?;
    spec.options
        .load_files(&|path| std::fs::read_to_string(path))
        .map_err(|error| usage(error.to_string()))?;
    Ok(spec)
}

/// By the source's name the target's; the same where none is named.
fn databases(named: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut all = BTreeMap::new();
    for text in named {
        let (source, target) = text.split_once('=').unwrap_or((text, text));
        if all.insert(source.trim().to_owned(), target.trim().to_owned()).is_some() {
            return Err(usage(format!("field `database`: `{source}` is named twice")));
        }
    }
    Ok(all)
}

/// A database's name may hold what a task's may not.
fn default_name(database: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    format!("migrate-{}", database.chars().map(safe).take(48).collect::<String>())
}

fn usage(problem: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_called_after_its_database() {
        assert_eq!(default_name("power"), "migrate-power");
        assert_eq!(default_name("发电 1"), "migrate----1");
    }

    #[test]
    fn an_option_is_a_key_and_a_value() {
        assert_eq!(pair("unit=6h"), Ok(("unit".into(), "6h".into())));
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("unit").is_err());
    }
}
