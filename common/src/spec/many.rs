//! Several databases asked for at once: a task for each, called after its database.

use std::collections::BTreeMap;

use super::{Spec, SpecError, TaskKind};
use crate::options::OptionValue;

const FIELD: &str = "databases";

impl Spec {
    /// One task a database, all else alike: by the source's name the target's. The DSNs name none themselves.
    pub fn build_each(
        name: &str,
        kind: TaskKind,
        (from, to): (&str, &str),
        options: &BTreeMap<String, OptionValue>,
        databases: &BTreeMap<String, String>,
    ) -> Result<Vec<Self>, SpecError> {
        let (from, to, options) = Self::read(from, to, options)?;
        for (field, dsn) in [("from", &from), ("to", &to)] {
            if let Some(database) = dsn.database() {
                let what = format!(
                    "database: `{database}` is named, and so are others in `{FIELD}`; leave it out here"
                );
                return Err(SpecError::new(field, what));
            }
        }
        check(databases)?;
        let one = |(source, target): (&String, &String)| {
            let name = called(name, source).parse().map_err(|error| SpecError::new("name", error))?;
            let (from, to) = (from.clone().with_database(source), to.clone().with_database(target));
            Self { name, kind, from, to, options: options.clone() }.checked()
        };
        databases.iter().map(one).collect()
    }
}

/// A database's name may hold what a task's may not.
fn called(task: &str, database: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    format!("{task}-{}", database.chars().map(safe).collect::<String>())
}

fn check(databases: &BTreeMap<String, String>) -> Result<(), SpecError> {
    let refuse = |what: String| Err(SpecError::new(FIELD, what));
    if databases.is_empty() {
        return refuse("none is named; write `power = \"power\"`".to_owned());
    }
    let mut targets: BTreeMap<&str, &str> = BTreeMap::new();
    for (source, target) in databases {
        for name in [source, target] {
            if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                return refuse(format!("{name:?} is no name of a database"));
            }
        }
        // equal names could be told apart by nobody once their tables lie together
        if let Some(other) = targets.insert(target, source) {
            return refuse(format!(
                "`{other}` and `{source}` would both be `{target}`; name another for one of them"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(from: &str, to: &str, databases: &[(&str, &str)]) -> Result<Vec<Spec>, String> {
        let databases = databases.iter().map(|(source, target)| ((*source).to_owned(), (*target).to_owned()));
        let options = BTreeMap::from([("unit".to_owned(), OptionValue::text("6h"))]);
        let (from, to) = (format!("ws://a:1{from}"), format!("ws://b:1{to}"));
        Spec::build_each("move", TaskKind::TDengine2, (&from, &to), &options, &databases.collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_database_has_a_task_of_its_own_with_the_same_options() {
        let tasks = each("?excursion=1s", "", &[("power", "power3"), ("meter", "meter")]).unwrap();
        let told: Vec<_> = tasks
            .iter()
            .map(|task| (task.name.as_str(), task.source_database(), task.target_database()))
            .collect();
        assert_eq!(told, [("move-meter", "meter", "meter"), ("move-power", "power", "power3")]);
        assert!(tasks.iter().all(|task| task.options.asked().len() == 2));
        assert_eq!(called("t", "发电 1"), "t----1");
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for (from, to, databases, words) in [
            ("/power", "", &[("a", "a")][..], "field `from`: database: `power` is named"),
            ("", "/power", &[("a", "a")], "field `to`: database: `power` is named"),
            ("", "", &[], "none is named"),
            ("", "", &[("a", "x"), ("b", "x")], "`a` and `b` would both be `x`"),
            ("", "", &[("a.b", "x")], "no name of a database"),
        ] {
            let error = each(from, to, databases).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
