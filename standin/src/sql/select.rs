//! SELECT.

use super::ast::{Expr, Item, Select};
use super::expr;
use super::lexer::Kind;
use super::parser::Parser;
use crate::error::SqlResult;

pub(super) fn select(parser: &mut Parser<'_>) -> SqlResult<Select> {
    parser.expect("select")?;
    let distinct = parser.accept("distinct");
    let tags_only = !distinct && parser.accept("tags");
    let mut items = vec![item(parser)?];
    while parser.accept_punct(",") {
        items.push(item(parser)?);
    }
    let from = if parser.accept("from") { Some(parser.table_name()?) } else { None };
    let filter = if parser.accept("where") { Some(expr::expr(parser)?) } else { None };
    let mut select = Select {
        distinct,
        tags_only,
        items,
        from,
        filter,
        groups: Vec::new(),
        group_by: false,
        interval: None,
        order_by: Vec::new(),
        limit: None,
        offset: 0,
    };
    clauses(parser, &mut select)?;
    Ok(select)
}

fn item(parser: &mut Parser<'_>) -> SqlResult<Item> {
    let expr = expr::expr(parser)?;
    let alias = if parser.accept("as") {
        Some(alias(parser)?)
    } else if parser.token().kind == Kind::Quoted || (parser.token().kind == Kind::Word && !ends_list(parser))
    {
        Some(parser.name()?)
    } else {
        None
    };
    Ok(Item { expr, alias })
}

fn alias(parser: &mut Parser<'_>) -> SqlResult<String> {
    if parser.token().kind == Kind::Text { parser.text() } else { parser.name() }
}

fn ends_list(parser: &Parser<'_>) -> bool {
    ["from", "where", "group", "partition", "order", "limit", "interval"].iter().any(|word| parser.is(word))
}

/// What may follow the predicate. The order is not enforced: 2.x and 3.x differ in it.
fn clauses(parser: &mut Parser<'_>, select: &mut Select) -> SqlResult<()> {
    while !parser.at_end() {
        if parser.is("group") || parser.is("partition") {
            select.group_by = parser.advance().text.eq_ignore_ascii_case("group");
            parser.expect("by")?;
            select.groups = exprs(parser)?;
        } else if parser.accept("interval") {
            parser.expect_punct("(")?;
            select.interval = Some(parser.advance().text.to_owned());
            parser.expect_punct(")")?;
        } else if parser.accept("order") {
            parser.expect("by")?;
            select.order_by = orders(parser)?;
        } else if parser.accept("limit") {
            limit(parser, select)?;
        } else if parser.accept("offset") {
            select.offset = parser.unsigned()?;
        } else {
            return Err(parser.error());
        }
    }
    Ok(())
}

fn exprs(parser: &mut Parser<'_>) -> SqlResult<Vec<Expr>> {
    let mut all = vec![expr::expr(parser)?];
    while parser.accept_punct(",") {
        all.push(expr::expr(parser)?);
    }
    Ok(all)
}

fn orders(parser: &mut Parser<'_>) -> SqlResult<Vec<(Expr, bool)>> {
    let mut all = Vec::new();
    loop {
        let expr = expr::expr(parser)?;
        let descending = parser.accept("desc");
        if !descending {
            parser.accept("asc");
        }
        all.push((expr, descending));
        if !parser.accept_punct(",") {
            return Ok(all);
        }
    }
}

/// `limit n`, `limit n offset m`, and the older `limit m, n`.
fn limit(parser: &mut Parser<'_>, select: &mut Select) -> SqlResult<()> {
    let first = parser.unsigned()?;
    if parser.accept_punct(",") {
        select.offset = first;
        select.limit = Some(parser.unsigned()?);
    } else {
        select.limit = Some(first);
    }
    Ok(())
}
