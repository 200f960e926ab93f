//! SQL text to statements. Knows the grammar of both flavours and nothing of tables.

pub(crate) mod ast;
mod ddl;
mod expr;
mod keywords;
mod lexer;
mod literal;
mod parser;
mod select;
mod show;
#[cfg(test)]
mod tests;

pub(crate) use literal::{duration_millis, duration_ticks, timestamp_text, unescape};
pub(crate) use parser::{Parser, parse};
