//! SELECT without FROM: what the server says about itself and the connection.

use crate::config::Flavor;
use crate::data::{DataType, Field, Precision, Value};
use crate::error::{SqlError, SqlResult};
use crate::exec::{Context, Engine, ResultStream};
use crate::sql::ast::{Expr, Literal, Select};

pub(super) fn scalar(engine: &Engine, context: &Context, select: &Select) -> SqlResult<ResultStream> {
    let mut fields = Vec::new();
    let mut row = Vec::new();
    for item in &select.items {
        let (mut field, value) = one(engine, context, &item.expr)?;
        if let Some(alias) = &item.alias {
            field.name.clone_from(alias);
        }
        fields.push(field);
        row.push(value);
    }
    Ok(ResultStream::of_rows(fields, Precision::Milli, &[row]))
}

fn one(engine: &Engine, context: &Context, expr: &Expr) -> SqlResult<(Field, Value)> {
    let flavor = engine.flavor();
    let label = expr.label();
    let text = |text: &str, bytes: usize| {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Ok((Field::text(label.clone(), bytes), Value::from(text)))
    };
    match expr {
        Expr::Call { name, args } if args.is_empty() => match name.as_str() {
            "server_version" | "client_version" => text(&engine.config.version, engine.config.version.len()),
            "server_status" => Ok((Field::fixed(label, DataType::Int), Value::Int(1))),
            "current_user" => text(&context.user, 30),
            "database" => match &context.database {
                Some(database) => text(database, 33),
                None => Ok((Field::text(label, 33), Value::Null)),
            },
            _ => Err(SqlError::invalid(flavor, 0x2603, "invalid function")),
        },
        Expr::Literal(literal) if flavor == Flavor::V3 => {
            match literal.plain(|offset| engine.now_ms() + offset) {
                Value::Int(int) if matches!(literal, Literal::Now(_)) => {
                    Ok((Field::fixed(label, DataType::Timestamp), Value::Int(int)))
                }
                value @ Value::Int(_) => Ok((Field::fixed(label, DataType::BigInt), value)),
                value @ Value::Float(_) => Ok((Field::fixed(label, DataType::Double), value)),
                Value::Bytes(bytes) => text(&String::from_utf8_lossy(&bytes), bytes.len().max(1)),
                _ => Err(SqlError::unsupported(flavor, label)),
            }
        }
        _ => Err(SqlError::invalid(flavor, 0x2600, "invalid function")),
    }
}
