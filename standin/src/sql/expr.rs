//! Expressions of select lists and predicates, by descent through the levels of precedence.

use super::ast::{Expr, Op};
use super::lexer::Kind;
use super::parser::Parser;
use crate::error::SqlResult;

/// Nesting beyond this is refused, so that no statement can exhaust the stack.
const MAX_DEPTH: usize = 64;

pub(super) fn expr(parser: &mut Parser<'_>) -> SqlResult<Expr> {
    or(parser, 0)
}

fn or(parser: &mut Parser<'_>, depth: usize) -> SqlResult<Expr> {
    if depth > MAX_DEPTH {
        return Err(parser.error());
    }
    let mut left = and(parser, depth)?;
    while parser.accept("or") {
        left = binary(Op::Or, left, and(parser, depth)?);
    }
    Ok(left)
}

fn and(parser: &mut Parser<'_>, depth: usize) -> SqlResult<Expr> {
    let mut left = not(parser, depth)?;
    while parser.accept("and") {
        left = binary(Op::And, left, not(parser, depth)?);
    }
    Ok(left)
}

fn not(parser: &mut Parser<'_>, depth: usize) -> SqlResult<Expr> {
    if depth > MAX_DEPTH {
        return Err(parser.error());
    }
    if parser.accept("not") {
        return Ok(Expr::Unary { not: true, expr: Box::new(not(parser, depth + 1)?) });
    }
    comparison(parser, depth)
}

fn comparison(parser: &mut Parser<'_>, depth: usize) -> SqlResult<Expr> {
    let left = sum(parser, depth)?;
    const OPS: [(&str, Op); 7] = [
        ("=", Op::Eq),
        ("<>", Op::Ne),
        ("!=", Op::Ne),
        ("<=", Op::Le),
        (">=", Op::Ge),
        ("<", Op::Lt),
        (">", Op::Gt),
    ];
    if let Some((_, op)) = OPS.iter().find(|(text, _)| parser.is_punct(text)) {
        parser.advance();
        return Ok(binary(*op, left, sum(parser, depth)?));
    }
    if parser.accept("is") {
        let not = parser.accept("not");
        parser.expect("null")?;
        return Ok(Expr::IsNull { expr: Box::new(left), not });
    }
    if parser.accept("between") {
        let low = sum(parser, depth)?;
        parser.expect("and")?;
        let high = sum(parser, depth)?;
        return Ok(binary(Op::And, binary(Op::Ge, left.clone(), low), binary(Op::Le, left, high)));
    }
    let not =
        parser.is("not") && ["in", "like"].iter().any(|word| parser.peek().text.eq_ignore_ascii_case(word));
    if not {
        parser.advance();
    }
    if parser.accept("in") {
        let list = parser.list(|parser| sum(parser, depth + 1))?;
        return Ok(Expr::In { expr: Box::new(left), list, not });
    }
    if parser.accept("like") {
        return Ok(Expr::Like { expr: Box::new(left), pattern: parser.text()?, not });
    }
    Ok(left)
}

fn sum(parser: &mut Parser<'_>, depth: usize) -> SqlResult<Expr> {
    let mut left = product(parser, depth)?;
    loop {
        let op = if parser.accept_punct("+") {
            Op::Add
        } else if parser.accept_punct("-") {
            Op::Sub
        } else {
            return Ok(left);
        };
        left = binary(op, left, product(parser, depth)?);
    }
}

fn product(parser: &mut Parser<'_>, depth: usize) -> SqlResult<Expr> {
    let mut left = primary(parser, depth)?;
    loop {
        // a star that ends a select list belongs to nobody's product
        let factor = parser.is_punct("*") && !matches!(parser.peek().text, "," | "" | ")");
        let op = if factor && !parser.peek().text.eq_ignore_ascii_case("from") {
            Op::Mul
        } else if parser.is_punct("/") {
            Op::Div
        } else {
            return Ok(left);
        };
        parser.advance();
        left = binary(op, left, primary(parser, depth)?);
    }
}

fn primary(parser: &mut Parser<'_>, depth: usize) -> SqlResult<Expr> {
    if depth > MAX_DEPTH {
        return Err(parser.error());
    }
    if parser.accept_punct("*") {
        return Ok(Expr::Star);
    }
    if parser.accept_punct("(") {
        let inner = or(parser, depth + 1)?;
        parser.expect_punct(")")?;
        return Ok(inner);
    }
    let token = parser.token();
    if token.kind == Kind::Number && super::literal::duration_millis(token.text).is_some() {
        return Ok(Expr::Duration(parser.advance().text.to_owned()));
    }
    let literal_word = ["null", "true", "false", "now"].iter().any(|word| parser.is(word));
    if matches!(token.kind, Kind::Number | Kind::Text)
        || literal_word
        || parser.is_punct("-")
        || parser.is_punct("+")
    {
        return Ok(Expr::Literal(parser.literal()?));
    }
    named(parser, depth)
}

/// A column, a function call, or `column->'key'`.
fn named(parser: &mut Parser<'_>, depth: usize) -> SqlResult<Expr> {
    let token = parser.token();
    if token.kind == Kind::Word && parser.peek().text == "(" && parser.peek().kind == Kind::Punct {
        let name = parser.advance().text.to_ascii_lowercase();
        parser.expect_punct("(")?;
        if parser.accept_punct(")") {
            return Ok(Expr::Call { name, args: Vec::new() });
        }
        let mut args = vec![or(parser, depth + 1)?];
        while parser.accept_punct(",") {
            args.push(or(parser, depth + 1)?);
        }
        parser.expect_punct(")")?;
        return Ok(Expr::Call { name, args });
    }
    let mut name = pseudo_or_name(parser)?;
    if parser.accept_punct(".") {
        name = if parser.accept_punct("*") { return Ok(Expr::Star) } else { pseudo_or_name(parser)? };
    }
    let column = Expr::Column(name);
    if parser.accept_punct("->") {
        return Ok(Expr::JsonGet { expr: Box::new(column), key: parser.text()? });
    }
    Ok(column)
}

/// `tbname` and the columns that begin with an underscore are keywords that stand as columns.
fn pseudo_or_name(parser: &mut Parser<'_>) -> SqlResult<String> {
    let token = parser.token();
    if token.kind == Kind::Word && (parser.is("tbname") || token.text.starts_with('_')) {
        return Ok(parser.advance().text.to_ascii_lowercase());
    }
    parser.name()
}

fn binary(op: Op, left: Expr, right: Expr) -> Expr {
    Expr::Binary { op, left: Box::new(left), right: Box::new(right) }
}

impl Expr {
    /// The parts that must all hold.
    pub(crate) fn conjuncts(&self) -> Vec<&Expr> {
        match self {
            Self::Binary { op: Op::And, left, right } => {
                let mut all = left.conjuncts();
                all.extend(right.conjuncts());
                all
            }
            other => vec![other],
        }
    }
}
