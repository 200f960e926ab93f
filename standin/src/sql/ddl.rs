//! CREATE, ALTER, DROP and DELETE.

use super::ast::{Change, CreateSubtable, CreateTable, DbOption, Statement};
use super::expr;
use super::lexer::Kind;
use super::parser::Parser;
use crate::config::Flavor;
use crate::data::{DataType, Field};
use crate::error::SqlResult;

/// The length 2.x and 3.x give a JSON tag.
const JSON_BYTES: u32 = 4096;

pub(super) fn definition(parser: &mut Parser<'_>) -> SqlResult<Statement> {
    if parser.accept("create") {
        return create(parser);
    }
    if parser.accept("drop") {
        return drop(parser);
    }
    parser.expect("alter")?;
    alter(parser)
}

pub(super) fn delete(parser: &mut Parser<'_>) -> SqlResult<Statement> {
    parser.expect("delete")?;
    parser.expect("from")?;
    let table = parser.table_name()?;
    let filter = if parser.accept("where") { Some(expr::expr(parser)?) } else { None };
    Ok(Statement::Delete { table, filter })
}

fn create(parser: &mut Parser<'_>) -> SqlResult<Statement> {
    if parser.accept("database") {
        let if_not_exists = parser.if_not_exists()?;
        let name = parser.name()?;
        return Ok(Statement::CreateDatabase { name, if_not_exists, options: options(parser)? });
    }
    let stable = parser.accept("stable");
    if !stable {
        parser.expect("table")?;
    }
    let if_not_exists = parser.if_not_exists()?;
    let name = parser.table_name()?;
    if !stable && parser.is("using") {
        return subtables(parser, if_not_exists, name);
    }
    let columns = parser.list(column)?;
    let tags = if parser.accept("tags") { parser.list(column)? } else { Vec::new() };
    table_options(parser)?;
    Ok(Statement::CreateTable(CreateTable { name, if_not_exists, columns, tags }))
}

/// `create table a using s tags (…) [if not exists] b using s tags (…) …`, any number of them.
fn subtables(
    parser: &mut Parser<'_>,
    mut if_not_exists: bool,
    mut name: super::ast::TableName,
) -> SqlResult<Statement> {
    let mut all = Vec::new();
    loop {
        parser.expect("using")?;
        let stable = parser.table_name()?;
        let tag_names = if parser.is_punct("(") { parser.list(Parser::name)? } else { Vec::new() };
        parser.expect("tags")?;
        let tags = parser.list(Parser::literal)?;
        all.push(CreateSubtable { name, if_not_exists, stable, tag_names, tags });
        table_options(parser)?;
        if parser.at_end() {
            return Ok(Statement::CreateSubtables(all));
        }
        if_not_exists = parser.if_not_exists()?;
        name = parser.table_name()?;
    }
}

fn column(parser: &mut Parser<'_>) -> SqlResult<Field> {
    let name = parser.name()?;
    let field = typed(parser, name)?;
    while parser.is("encode") || parser.is("compress") || parser.is("level") {
        parser.advance();
        parser.text()?;
    }
    Ok(field)
}

fn typed(parser: &mut Parser<'_>, name: String) -> SqlResult<Field> {
    let word = parser.token().text.to_ascii_lowercase();
    let at = parser.token();
    if at.kind != Kind::Word {
        return Err(parser.error());
    }
    let signed = match word.as_str() {
        "timestamp" => DataType::Timestamp,
        "bool" => DataType::Bool,
        "tinyint" => DataType::TinyInt,
        "smallint" => DataType::SmallInt,
        "int" | "integer" => DataType::Int,
        "bigint" => DataType::BigInt,
        "float" => DataType::Float,
        "double" => DataType::Double,
        "json" => DataType::Json,
        "nchar" => DataType::NChar,
        "binary" => DataType::Binary,
        "varchar" if parser.flavor == Flavor::V3 => DataType::Binary,
        _ => return Err(parser.error()),
    };
    parser.advance();
    let ty = if parser.accept("unsigned") {
        unsigned(signed).ok_or_else(|| parser.error_at(at.at))?
    } else {
        signed
    };
    match ty {
        DataType::Json => Ok(Field::new(name, ty, JSON_BYTES)),
        DataType::Binary | DataType::NChar => {
            parser.expect_punct("(")?;
            let length = parser.unsigned()?;
            let bytes = u32::try_from(length).map_err(|_| parser.error_at(at.at))?;
            parser.expect_punct(")")?;
            Ok(Field::new(name, ty, bytes.max(1)))
        }
        _ => Ok(Field::fixed(name, ty)),
    }
}

fn unsigned(ty: DataType) -> Option<DataType> {
    match ty {
        DataType::TinyInt => Some(DataType::UTinyInt),
        DataType::SmallInt => Some(DataType::USmallInt),
        DataType::Int => Some(DataType::UInt),
        DataType::BigInt => Some(DataType::UBigInt),
        _ => None,
    }
}

fn drop(parser: &mut Parser<'_>) -> SqlResult<Statement> {
    if parser.accept("database") {
        let if_exists = parser.if_exists()?;
        return Ok(Statement::DropDatabase { if_exists, name: parser.name()? });
    }
    let stable = parser.accept("stable");
    if !stable {
        parser.expect("table")?;
    }
    let mut names = Vec::new();
    loop {
        let if_exists = parser.if_exists()?;
        names.push((parser.table_name()?, if_exists));
        if !parser.accept_punct(",") {
            return Ok(Statement::DropTables { names, stable });
        }
    }
}

fn alter(parser: &mut Parser<'_>) -> SqlResult<Statement> {
    if parser.accept("database") {
        return Ok(Statement::AlterDatabase { name: parser.name()?, options: options(parser)? });
    }
    if !parser.accept("stable") {
        parser.expect("table")?;
    }
    let table = parser.table_name()?;
    let change = change(parser)?;
    Ok(Statement::AlterTable { table, change })
}

fn change(parser: &mut Parser<'_>) -> SqlResult<Change> {
    if parser.accept("set") {
        parser.expect("tag")?;
        let name = parser.name()?;
        parser.expect_punct("=")?;
        return Ok(Change::SetTag(name, parser.literal()?));
    }
    let verb = parser.token().text.to_ascii_lowercase();
    if !matches!(verb.as_str(), "add" | "drop" | "modify" | "rename" | "change") {
        return table_options(parser).map(|()| Change::Options);
    }
    parser.advance();
    let tag = parser.accept("tag");
    if !tag {
        parser.expect("column")?;
    }
    let name = parser.name()?;
    match (verb.as_str(), tag) {
        ("add", false) => Ok(Change::AddColumn(typed(parser, name)?)),
        ("add", true) => Ok(Change::AddTag(typed(parser, name)?)),
        ("drop", false) => Ok(Change::DropColumn(name)),
        ("drop", true) => Ok(Change::DropTag(name)),
        ("modify", false) => Ok(Change::ModifyColumn(typed(parser, name)?)),
        ("modify", true) => Ok(Change::ModifyTag(typed(parser, name)?)),
        (_, true) => Ok(Change::RenameTag(name, parser.name()?)),
        (_, false) => Err(parser.error()),
    }
}

fn options(parser: &mut Parser<'_>) -> SqlResult<Vec<DbOption>> {
    let mut options = Vec::new();
    while !parser.at_end() {
        let token = parser.advance();
        if token.kind != Kind::Word {
            return Err(parser.error_at(token.at));
        }
        let mut values = vec![option_value(parser)?];
        while parser.accept_punct(",") {
            values.push(option_value(parser)?);
        }
        options.push(DbOption { word: token.text.to_ascii_lowercase(), values, at: token.at });
    }
    Ok(options)
}

fn option_value(parser: &mut Parser<'_>) -> SqlResult<String> {
    let minus = if parser.accept_punct("-") { "-" } else { "" };
    match parser.token().kind {
        Kind::Number | Kind::Text => Ok(format!("{minus}{}", parser.advance().text)),
        _ => Err(parser.error()),
    }
}

/// COMMENT, TTL, SMA and their kin: read and set aside.
fn table_options(parser: &mut Parser<'_>) -> SqlResult<()> {
    const WORDS: [&str; 5] = ["comment", "ttl", "watermark", "max_delay", "keep"];
    while WORDS.iter().any(|word| parser.is(word)) {
        parser.advance();
        option_value(parser)?;
    }
    Ok(())
}
