//! The scanner under INSERT: words, names and values straight from the bytes of the statement.

use std::borrow::Cow;

use crate::config::Flavor;
use crate::error::{SqlError, SqlResult};
use crate::exec::cell::Written;
use crate::sql::ast::{Literal, TableName};
use crate::sql::{Parser, unescape};

pub(super) struct Scan<'a> {
    sql: &'a str,
    at: usize,
    flavor: Flavor,
}

impl<'a> Scan<'a> {
    pub(super) fn new(sql: &'a str, flavor: Flavor) -> Self {
        Self { sql, at: 0, flavor }
    }

    pub(super) fn error(&self) -> SqlError {
        SqlError::syntax(self.flavor, self.sql.get(self.at..).unwrap_or(""))
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.skip_blanks();
        self.accept_byte(b';');
        self.byte().is_none()
    }

    pub(super) fn is_byte(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        self.byte() == Some(byte)
    }

    pub(super) fn accept_byte(&mut self, byte: u8) -> bool {
        let found = self.is_byte(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_byte(&mut self, byte: u8) -> SqlResult<()> {
        if self.accept_byte(byte) { Ok(()) } else { Err(self.error()) }
    }

    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let end = self.word_end();
        let found = self.sql[self.at..end].eq_ignore_ascii_case(word);
        if found {
            self.at = end;
        }
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> SqlResult<()> {
        if self.accept_word(word) { Ok(()) } else { Err(self.error()) }
    }

    pub(super) fn table_name(&mut self) -> SqlResult<TableName> {
        let first = self.name()?;
        if self.accept_byte(b'.') {
            return Ok(TableName { database: Some(first), table: self.name()? });
        }
        Ok(TableName { database: None, table: first })
    }

    /// Names in brackets.
    pub(super) fn names(&mut self) -> SqlResult<Vec<String>> {
        self.expect_byte(b'(')?;
        let mut names = vec![self.name()?];
        while self.accept_byte(b',') {
            names.push(self.name()?);
        }
        self.expect_byte(b')')?;
        Ok(names)
    }

    /// Literals in brackets, read by the ordinary grammar: tags are few.
    pub(super) fn literals(&mut self) -> SqlResult<Vec<Literal>> {
        self.skip_blanks();
        let mut parser = Parser::new(&self.sql[self.at..], self.flavor);
        let literals = parser.list(Parser::literal)?;
        self.at += parser.token().at;
        Ok(literals)
    }

    /// One value: the hot path.
    pub(super) fn value(&mut self) -> SqlResult<Written<'a>> {
        self.skip_blanks();
        match self.byte() {
            Some(quote @ (b'\'' | b'"')) => self.quoted(quote),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.') => Ok(Written::Number(self.until_delimiter())),
            Some(byte) if byte.is_ascii_alphabetic() => self.word_value(),
            _ => Err(self.error()),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.sql.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.byte().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn word_end(&self) -> usize {
        let rest = &self.sql.as_bytes()[self.at..];
        let belongs = |byte: &u8| *byte == b'_' || byte.is_ascii_alphanumeric();
        self.at + rest.iter().position(|byte| !belongs(byte)).unwrap_or(rest.len())
    }

    fn name(&mut self) -> SqlResult<String> {
        self.skip_blanks();
        if self.byte() != Some(b'`') {
            let end = self.word_end();
            let word = &self.sql[self.at..end];
            if word.is_empty() {
                return Err(self.error());
            }
            self.at = end;
            return Ok(word.to_ascii_lowercase());
        }
        let start = self.at + 1;
        let mut end = start;
        loop {
            let close = self.sql[end..].find('`').ok_or_else(|| self.error())? + end;
            if self.sql.as_bytes().get(close + 1) != Some(&b'`') {
                self.at = close + 1;
                return Ok(self.sql[start..close].to_owned());
            }
            end = close + 2;
        }
    }

    fn until_delimiter(&mut self) -> &'a str {
        let rest = &self.sql.as_bytes()[self.at..];
        let ends = |byte: &u8| matches!(byte, b',' | b')' | b' ' | b'\t' | b'\n' | b'\r');
        let end = self.at + rest.iter().position(ends).unwrap_or(rest.len());
        let text = &self.sql[self.at..end];
        self.at = end;
        text
    }

    fn quoted(&mut self, quote: u8) -> SqlResult<Written<'a>> {
        let bytes = self.sql.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        let mut plain = true;
        loop {
            let step = bytes
                .get(at..)
                .and_then(|rest| rest.iter().position(|byte| *byte == quote || *byte == b'\\'));
            at += step.ok_or_else(|| self.error())?;
            let doubled = bytes[at] == quote && bytes.get(at + 1) == Some(&quote);
            if bytes[at] == quote && !doubled {
                break;
            }
            plain = false;
            at += 2;
        }
        let raw = self.sql.get(start..at).ok_or_else(|| self.error())?;
        self.at = at + 1;
        Ok(Written::Text(if plain { Cow::Borrowed(raw) } else { unescape(raw, char::from(quote)) }))
    }

    fn word_value(&mut self) -> SqlResult<Written<'a>> {
        if self.accept_word("null") {
            return Ok(Written::Null);
        }
        if self.accept_word("true") {
            return Ok(Written::Bool(true));
        }
        if self.accept_word("false") {
            return Ok(Written::Bool(false));
        }
        let mut parser = Parser::new(&self.sql[self.at..], self.flavor);
        if !parser.is("now") {
            let rest = self.sql[self.at..].split([',', ' ']).next().unwrap_or("");
            return Err(SqlError::new(
                0x0216,
                format!("syntax error near '{rest}' (invalid data or symbol)"),
            ));
        }
        let now = parser.now()?;
        self.at += parser.token().at;
        Ok(Written::Now(if let Literal::Now(offset) = now { offset } else { 0 }))
    }
}
