//! What columns and tags a table has. Each column carries an id of its own, so that stored cells survive
//! columns being added, dropped and added again.

use crate::data::{DataType, Field};

/// One column or tag.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnDef {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) ty: DataType,
    /// Declared length: bytes of BINARY, characters of NCHAR, the width of everything else.
    pub(crate) bytes: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    pub(crate) columns: Vec<ColumnDef>,
    pub(crate) tags: Vec<ColumnDef>,
    next_id: u32,
}

impl Schema {
    pub(crate) fn new(columns: Vec<Field>, tags: Vec<Field>) -> Self {
        let mut schema = Self::default();
        columns.into_iter().for_each(|field| schema.add_column(field));
        tags.into_iter().for_each(|field| schema.add_tag(field));
        schema
    }

    pub(crate) fn add_column(&mut self, field: Field) {
        let def = self.define(field);
        self.columns.push(def);
    }

    pub(crate) fn add_tag(&mut self, field: Field) {
        let def = self.define(field);
        self.tags.push(def);
    }

    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    pub(crate) fn tag(&self, name: &str) -> Option<usize> {
        self.tags.iter().position(|tag| tag.name == name)
    }

    fn define(&mut self, field: Field) -> ColumnDef {
        let id = self.next_id;
        self.next_id += 1;
        ColumnDef { id, name: field.name, ty: field.ty, bytes: field.bytes }
    }
}

impl ColumnDef {
    pub(crate) fn field(&self) -> Field {
        Field::new(self.name.clone(), self.ty, self.bytes)
    }

    /// Whether a cell of this many bytes fits the declared length.
    pub(crate) fn fits(&self, cell: &[u8]) -> bool {
        match self.ty {
            DataType::Binary => cell.len() <= self.bytes as usize,
            DataType::NChar => characters(cell) <= self.bytes as usize,
            _ => true,
        }
    }

    /// The type as DDL spells it, with the length where one belongs.
    pub(crate) fn sql_type(&self, flavor: crate::Flavor) -> String {
        let name = self.ty.sql_name(flavor);
        match self.ty {
            DataType::Binary | DataType::NChar => format!("{name}({})", self.bytes),
            _ => name.to_owned(),
        }
    }
}

fn characters(utf8: &[u8]) -> usize {
    utf8.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}
