//! ALTER TABLE: columns, tags and the tag values of one subtable.

use crate::config::Flavor;
use crate::data::Field;
use crate::error::{SqlError, SqlResult};
use crate::exec::cell::Rules;
use crate::exec::write::too_big;
use crate::exec::{Answer, Context, Engine};
use crate::sql::ast::{Change, Literal, TableName};
use crate::store::{ColumnDef, Shape, TableSet};

pub(crate) fn alter_table(
    engine: &Engine,
    context: &Context,
    name: &TableName,
    change: Change,
) -> SqlResult<Answer> {
    let flavor = engine.flavor();
    let resolved = engine.resolve(context, name).map_err(|_| SqlError::no_table_to_write(flavor))?;
    if let Change::SetTag(tag, literal) = change {
        let rules = Rules { flavor, precision: resolved.precision, now_ms: engine.now_ms() };
        return set_tag(&rules, &resolved.set, &tag, &literal);
    }
    let shape = match &resolved.set {
        TableSet::Stable(shape) => shape,
        TableSet::One(table) if table.shape().stable.is_empty() => table.shape(),
        TableSet::One(_) => {
            return Err(SqlError::invalid(flavor, 0x2647, "Columns belong to the super table"));
        }
    };
    apply(flavor, shape, change)?;
    Ok(Answer::Affected(0))
}

fn set_tag(rules: &Rules, set: &TableSet, tag: &str, literal: &Literal) -> SqlResult<Answer> {
    let TableSet::One(table) = set else {
        return Err(SqlError::invalid(rules.flavor, 0x2647, "Tags are set on one subtable"));
    };
    let table = table.kept().ok_or_else(too_big)?;
    let schema = table.shape.schema();
    let at = schema.tag(tag).ok_or_else(|| SqlError::invalid(rules.flavor, 0x2602, "Invalid tag name"))?;
    table.set_tag(schema.tags[at].id, rules.tag(&schema.tags[at], literal)?);
    Ok(Answer::Affected(0))
}

fn apply(flavor: Flavor, shape: &Shape, change: Change) -> SqlResult<()> {
    let schema = shape.schema();
    let known = |name: &str| schema.column(name).is_some() || schema.tag(name).is_some();
    let column = |name: &str| schema.column(name).ok_or_else(|| absent(flavor));
    let tag = |name: &str| schema.tag(name).ok_or_else(|| absent(flavor));
    match change {
        Change::AddColumn(field) | Change::AddTag(field) if known(&field.name) => {
            return Err(SqlError::new(0x036B, "Column already exists"));
        }
        Change::AddColumn(field) => shape.change(|schema| schema.add_column(field)),
        Change::AddTag(field) => shape.change(|schema| schema.add_tag(field)),
        Change::DropColumn(name) => {
            let at = column(&name)?;
            if at == 0 {
                return Err(absent(flavor));
            }
            shape.change(|schema| drop(schema.columns.remove(at)));
        }
        Change::DropTag(name) => {
            let at = tag(&name)?;
            shape.change(|schema| drop(schema.tags.remove(at)));
        }
        Change::ModifyColumn(field) => {
            let at = column(&field.name)?;
            widen(flavor, &schema.columns[at], &field)?;
            shape.change(|schema| schema.columns[at].bytes = field.bytes);
        }
        Change::ModifyTag(field) => {
            let at = tag(&field.name)?;
            widen(flavor, &schema.tags[at], &field)?;
            shape.change(|schema| schema.tags[at].bytes = field.bytes);
        }
        Change::RenameTag(old, new) => {
            let at = tag(&old)?;
            shape.change(|schema| schema.tags[at].name = new);
        }
        Change::SetTag(..) | Change::Options => {}
    }
    Ok(())
}

/// Only text columns change, and only to be longer.
fn widen(flavor: Flavor, old: &ColumnDef, new: &Field) -> SqlResult<()> {
    let longer = old.ty == new.ty && old.ty.fixed_width().is_none() && new.bytes > old.bytes;
    if longer { Ok(()) } else { Err(SqlError::invalid(flavor, 0x2648, "Only a longer length is allowed")) }
}

fn absent(flavor: Flavor) -> SqlError {
    SqlError::invalid(flavor, 0x2602, "Invalid column name")
}
