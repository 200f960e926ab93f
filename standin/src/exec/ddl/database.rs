//! CREATE, ALTER and DROP DATABASE.

use super::options::{apply, default_options};
use crate::config::Flavor;
use crate::error::{SqlError, SqlResult};
use crate::exec::{Answer, Engine};
use crate::sql::ast::DbOption;
use crate::store::Database;
use crate::sync::write;

pub(crate) fn create_database(
    engine: &Engine,
    name: String,
    if_not_exists: bool,
    written: &[DbOption],
) -> SqlResult<Answer> {
    let flavor = engine.flavor();
    let options = apply(default_options(flavor), written, flavor, |at| option_error(flavor, written, at))?;
    let longest = if flavor == Flavor::V26 { 32 } else { 64 };
    if name.len() > longest || name.contains('.') {
        return Err(SqlError::invalid(flavor, 0x2617, format!("Invalid identifier name: {name}")));
    }
    let mut catalog = write(&engine.catalog);
    if catalog.database(&name).is_some() {
        return if if_not_exists { Ok(Answer::Affected(0)) } else { Err(SqlError::database_exists()) };
    }
    let asked = u32::try_from(options.number("vgroups")).unwrap_or(0);
    let vgroups = if asked == 0 { engine.config.vgroups.max(1) } else { asked };
    let first = catalog.take_vgroups(vgroups);
    let mut database = Database::new(name, options, vgroups, first);
    database.created_ms = engine.now_ms();
    catalog.add(database);
    Ok(Answer::Affected(0))
}

pub(crate) fn alter_database(engine: &Engine, name: &str, written: &[DbOption]) -> SqlResult<Answer> {
    let flavor = engine.flavor();
    let mut catalog = write(&engine.catalog);
    let database = catalog.database_mut(name).ok_or_else(|| SqlError::no_database(flavor))?;
    let old = database.options.clone();
    database.options = apply(old, written, flavor, |at| option_error(flavor, written, at))?;
    Ok(Answer::Affected(0))
}

pub(crate) fn drop_database(engine: &Engine, name: &str, if_exists: bool) -> SqlResult<Answer> {
    let dropped = write(&engine.catalog).drop_database(name);
    if dropped || if_exists { Ok(Answer::Affected(0)) } else { Err(SqlError::no_database(engine.flavor())) }
}

/// The statement from the word on, as far as it was options.
fn option_error(flavor: Flavor, written: &[DbOption], at: usize) -> SqlError {
    let rest = written.iter().skip_while(|option| option.at < at);
    let words: Vec<String> =
        rest.map(|option| format!("{} {}", option.word, option.values.join(","))).collect();
    SqlError::syntax(flavor, &words.join(" "))
}
