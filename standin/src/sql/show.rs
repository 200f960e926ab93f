//! SHOW.

use super::ast::{Show, Statement, TableKind};
use super::lexer::Kind;
use super::parser::Parser;
use crate::config::Flavor;
use crate::error::SqlResult;

pub(super) fn show(parser: &mut Parser<'_>) -> SqlResult<Statement> {
    parser.expect("show")?;
    let at = parser.token();
    let database = qualifier(parser);
    let word = parser.token().text.to_ascii_lowercase();
    if parser.token().kind != Kind::Word {
        return Err(parser.error());
    }
    parser.advance();
    let shown = match word.as_str() {
        "databases" => Show::Databases,
        "stables" => {
            let database = from_clause(parser, database)?;
            Show::Stables { database, like: like(parser)? }
        }
        "tables" => tables(parser, database, TableKind::Any)?,
        "normal" | "child" if parser.flavor == Flavor::V3 => {
            let kind = if word == "normal" { TableKind::Normal } else { TableKind::Child };
            let database = qualifier(parser).or(database);
            parser.expect("tables")?;
            tables(parser, database, kind)?
        }
        "vgroups" => Show::Vgroups { database: from_clause(parser, database)? },
        "create" => create(parser)?,
        "table" if parser.accept("distributed") => Show::Distributed(parser.table_name()?),
        "dnodes" => Show::Dnodes,
        "mnodes" => Show::Mnodes,
        "users" => Show::Users,
        "cluster" if parser.flavor == Flavor::V3 => Show::Cluster,
        // 2.x does not say which word it stumbled over
        _ if parser.flavor == Flavor::V26 => return Err(crate::SqlError::syntax(parser.flavor, "")),
        _ => return Err(parser.error_at(at.at)),
    };
    Ok(Statement::Show(shown))
}

/// The `db.` before `tables`, `stables` or `vgroups`.
fn qualifier(parser: &mut Parser<'_>) -> Option<String> {
    if parser.peek().text != "." || parser.peek().kind != Kind::Punct {
        return None;
    }
    let name = parser.name().ok()?;
    parser.accept_punct(".");
    Some(name)
}

fn from_clause(parser: &mut Parser<'_>, qualifier: Option<String>) -> SqlResult<Option<String>> {
    if qualifier.is_none() && parser.accept("from") { parser.name().map(Some) } else { Ok(qualifier) }
}

fn tables(parser: &mut Parser<'_>, database: Option<String>, kind: TableKind) -> SqlResult<Show> {
    let database = from_clause(parser, database)?;
    Ok(Show::Tables { database, like: like(parser)?, kind })
}

fn like(parser: &mut Parser<'_>) -> SqlResult<Option<String>> {
    if parser.accept("like") { parser.text().map(Some) } else { Ok(None) }
}

fn create(parser: &mut Parser<'_>) -> SqlResult<Show> {
    if parser.accept("database") {
        return Ok(Show::CreateDatabase(parser.name()?));
    }
    if !parser.accept("stable") {
        parser.expect("table")?;
    }
    Ok(Show::CreateTable(parser.table_name()?))
}
