//! The cursor over tokens that every part of the grammar shares, and the choice of what a statement is.

use super::ast::{Literal, Statement, TableName};
use super::keywords::is_reserved;
use super::lexer::{Kind, Lexer, Token};
use super::literal::unescape;
use super::{ddl, select, show};
use crate::config::Flavor;
use crate::error::{SqlError, SqlResult};

/// Names of databases end here on 3.x; 2.x allows half.
const TABLE_NAME_BYTES: usize = 192;

pub(crate) struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    pub(crate) flavor: Flavor,
}

pub(crate) fn parse(sql: &str, flavor: Flavor) -> SqlResult<Statement> {
    let mut parser = Parser::new(sql, flavor);
    let statement = parser.statement()?;
    parser.accept_punct(";");
    parser.end()?;
    Ok(statement)
}

impl<'a> Parser<'a> {
    pub(crate) fn new(sql: &'a str, flavor: Flavor) -> Self {
        let mut lexer = Lexer::new(sql);
        let token = lexer.next_token();
        Self { lexer, token, flavor }
    }

    pub(crate) fn token(&self) -> Token<'a> {
        self.token
    }

    pub(crate) fn advance(&mut self) -> Token<'a> {
        let token = self.token;
        self.token = self.lexer.next_token();
        token
    }

    /// The token after the current one.
    pub(crate) fn peek(&self) -> Token<'a> {
        self.lexer.clone().next_token()
    }

    pub(crate) fn is(&self, word: &str) -> bool {
        self.token.kind == Kind::Word && self.token.text.eq_ignore_ascii_case(word)
    }

    pub(crate) fn accept(&mut self, word: &str) -> bool {
        let found = self.is(word);
        if found {
            self.advance();
        }
        found
    }

    pub(crate) fn expect(&mut self, word: &str) -> SqlResult<()> {
        if self.accept(word) { Ok(()) } else { Err(self.error()) }
    }

    pub(crate) fn is_punct(&self, text: &str) -> bool {
        self.token.kind == Kind::Punct && self.token.text == text
    }

    pub(crate) fn accept_punct(&mut self, text: &str) -> bool {
        let found = self.is_punct(text);
        if found {
            self.advance();
        }
        found
    }

    pub(crate) fn expect_punct(&mut self, text: &str) -> SqlResult<()> {
        if self.accept_punct(text) { Ok(()) } else { Err(self.error()) }
    }

    pub(crate) fn at_end(&self) -> bool {
        self.token.kind == Kind::End || self.is_punct(";")
    }

    pub(crate) fn end(&self) -> SqlResult<()> {
        if self.at_end() { Ok(()) } else { Err(self.error()) }
    }

    /// A syntax error at the current token.
    pub(crate) fn error(&self) -> SqlError {
        self.error_at(self.token.at)
    }

    pub(crate) fn error_at(&self, at: usize) -> SqlError {
        SqlError::syntax(self.flavor, self.lexer.sql().get(at..).unwrap_or(""))
    }

    /// A name: bare words are folded and must not be reserved, backticks keep everything.
    pub(crate) fn name(&mut self) -> SqlResult<String> {
        match self.token.kind {
            Kind::Quoted => Ok(self.advance().text.to_owned()),
            Kind::Word if !is_reserved(self.token.text, self.flavor) => {
                Ok(self.advance().text.to_ascii_lowercase())
            }
            _ => Err(self.error()),
        }
    }

    pub(crate) fn table_name(&mut self) -> SqlResult<TableName> {
        let at = self.token.at;
        let first = self.name()?;
        let name = if self.accept_punct(".") {
            TableName { database: Some(first), table: self.name()? }
        } else {
            TableName { database: None, table: first }
        };
        if name.table.len() > TABLE_NAME_BYTES {
            return Err(self.bad_name(at, &name));
        }
        Ok(name)
    }

    pub(crate) fn if_not_exists(&mut self) -> SqlResult<bool> {
        if !self.accept("if") {
            return Ok(false);
        }
        self.expect("not")?;
        self.expect("exists")?;
        Ok(true)
    }

    pub(crate) fn if_exists(&mut self) -> SqlResult<bool> {
        if !self.accept("if") {
            return Ok(false);
        }
        self.expect("exists")?;
        Ok(true)
    }

    pub(crate) fn text(&mut self) -> SqlResult<String> {
        if self.token.kind != Kind::Text {
            return Err(self.error());
        }
        let quote = self.quote();
        Ok(unescape(self.advance().text, quote).into_owned())
    }

    pub(crate) fn unsigned(&mut self) -> SqlResult<u64> {
        let number = (self.token.kind == Kind::Number).then(|| self.token.text.parse().ok()).flatten();
        let number = number.ok_or_else(|| self.error())?;
        self.advance();
        Ok(number)
    }

    pub(crate) fn literal(&mut self) -> SqlResult<Literal> {
        let sign = self.is_punct("-") || self.is_punct("+");
        if sign && self.peek().kind == Kind::Number {
            let minus = if self.advance().text == "-" { "-" } else { "" };
            return Ok(Literal::Number(format!("{minus}{}", self.advance().text)));
        }
        match self.token.kind {
            Kind::Number => Ok(Literal::Number(self.advance().text.to_owned())),
            Kind::Text => Ok(Literal::Text(self.text()?)),
            Kind::Word => self.literal_word(),
            _ => Err(self.error()),
        }
    }

    fn literal_word(&mut self) -> SqlResult<Literal> {
        if self.accept("null") {
            return Ok(Literal::Null);
        }
        if self.accept("true") {
            return Ok(Literal::Bool(true));
        }
        if self.accept("false") {
            return Ok(Literal::Bool(false));
        }
        self.now()
    }

    /// `now`, `now()`, `now + 1d`, `now - 1h`.
    pub(crate) fn now(&mut self) -> SqlResult<Literal> {
        self.expect("now")?;
        if self.accept_punct("(") {
            self.expect_punct(")")?;
        }
        let sign = if self.is_punct("+") {
            1
        } else if self.is_punct("-") {
            -1
        } else {
            return Ok(Literal::Now(0));
        };
        self.advance();
        let offset = super::literal::duration_millis(self.token.text).ok_or_else(|| self.error())?;
        self.advance();
        Ok(Literal::Now(sign * offset))
    }

    /// Items in brackets, with commas between them.
    pub(crate) fn list<T>(&mut self, item: impl Fn(&mut Self) -> SqlResult<T>) -> SqlResult<Vec<T>> {
        self.expect_punct("(")?;
        let mut items = vec![item(self)?];
        while self.accept_punct(",") {
            items.push(item(self)?);
        }
        self.expect_punct(")")?;
        Ok(items)
    }

    fn quote(&self) -> char {
        let quote = self.lexer.sql().as_bytes().get(self.token.at);
        if quote == Some(&b'"') { '"' } else { '\'' }
    }

    fn bad_name(&self, at: usize, name: &TableName) -> SqlError {
        match self.flavor {
            Flavor::V26 => SqlError::new(0x0200, "invalid operation: table name too long"),
            Flavor::V3 => {
                let skipped = name.database.as_ref().map_or(0, |database| database.len() + 1);
                let rest = self.lexer.sql().get(at + skipped..).unwrap_or("");
                SqlError::new(0x2617, format!("Invalid identifier name: {rest}"))
            }
        }
    }

    fn statement(&mut self) -> SqlResult<Statement> {
        let start = self.token.at;
        let word = self.token.text.to_ascii_lowercase();
        if self.token.kind != Kind::Word {
            return Err(self.error());
        }
        match word.as_str() {
            "select" => Ok(Statement::Select(Box::new(select::select(self)?))),
            "show" => show::show(self),
            "describe" | "desc" => {
                self.advance();
                Ok(Statement::Describe(self.table_name()?))
            }
            "use" => {
                self.advance();
                Ok(Statement::Use(self.name()?))
            }
            "create" | "alter" | "drop" => ddl::definition(self),
            "delete" if self.flavor == Flavor::V3 => ddl::delete(self),
            "flush" | "reset" | "compact" | "trim" => {
                while !self.at_end() {
                    self.advance();
                }
                Ok(Statement::Housekeeping)
            }
            _ => Err(self.error_at(start)),
        }
    }
}
