//! Statements as data. INSERT is not here: it is read and staged in one pass by `exec::insert`.

use crate::data::{Field, Value};

/// A table, perhaps with its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) database: Option<String>,
    pub(crate) table: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Statement {
    Use(String),
    CreateDatabase {
        name: String,
        if_not_exists: bool,
        options: Vec<DbOption>,
    },
    AlterDatabase {
        name: String,
        options: Vec<DbOption>,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
    },
    CreateTable(CreateTable),
    CreateSubtables(Vec<CreateSubtable>),
    DropTables {
        names: Vec<(TableName, bool)>,
        stable: bool,
    },
    AlterTable {
        table: TableName,
        change: Change,
    },
    Delete {
        table: TableName,
        filter: Option<Expr>,
    },
    Select(Box<Select>),
    Describe(TableName),
    Show(Show),
    /// Something a server does for itself and answers with nothing, such as `flush database`.
    Housekeeping,
}

/// One option of a database: its lower-case word, its values, and where it stands in the statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DbOption {
    pub(crate) word: String,
    pub(crate) values: Vec<String>,
    pub(crate) at: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct CreateTable {
    pub(crate) name: TableName,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<Field>,
    pub(crate) tags: Vec<Field>,
}

#[derive(Clone, Debug)]
pub(crate) struct CreateSubtable {
    pub(crate) name: TableName,
    pub(crate) if_not_exists: bool,
    pub(crate) stable: TableName,
    /// The tags that are given; all of them in order if empty.
    pub(crate) tag_names: Vec<String>,
    pub(crate) tags: Vec<Literal>,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    AddColumn(Field),
    AddTag(Field),
    DropColumn(String),
    DropTag(String),
    ModifyColumn(Field),
    ModifyTag(Field),
    RenameTag(String, String),
    SetTag(String, Literal),
    /// Table options such as COMMENT and TTL, which change nothing here.
    Options,
}

/// A value as written: text keeps apart from numbers until a column's type is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    /// A number, sign included, as written.
    Number(String),
    Text(String),
    /// `now`, plus so many milliseconds.
    Now(i64),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Literal(Literal),
    /// A number with a unit.
    Duration(String),
    Column(String),
    Star,
    Call {
        name: String,
        args: Vec<Expr>,
    },
    Unary {
        not: bool,
        expr: Box<Expr>,
    },
    Binary {
        op: Op,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    In {
        expr: Box<Expr>,
        list: Vec<Expr>,
        not: bool,
    },
    Like {
        expr: Box<Expr>,
        pattern: String,
        not: bool,
    },
    IsNull {
        expr: Box<Expr>,
        not: bool,
    },
    JsonGet {
        expr: Box<Expr>,
        key: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Add,
    Sub,
    Mul,
    Div,
}

#[derive(Clone, Debug)]
pub(crate) struct Select {
    pub(crate) distinct: bool,
    /// 3.x `select tags …`: one row per subtable, rows or none.
    pub(crate) tags_only: bool,
    pub(crate) items: Vec<Item>,
    pub(crate) from: Option<TableName>,
    pub(crate) filter: Option<Expr>,
    /// GROUP BY or PARTITION BY.
    pub(crate) groups: Vec<Expr>,
    /// GROUP BY, which on 2.x adds the keys to the answer.
    pub(crate) group_by: bool,
    pub(crate) interval: Option<String>,
    pub(crate) order_by: Vec<(Expr, bool)>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) expr: Expr,
    pub(crate) alias: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Show {
    Databases,
    CreateDatabase(String),
    CreateTable(TableName),
    Stables { database: Option<String>, like: Option<String> },
    Tables { database: Option<String>, like: Option<String>, kind: TableKind },
    Vgroups { database: Option<String> },
    Distributed(TableName),
    Dnodes,
    Mnodes,
    Users,
    Cluster,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableKind {
    Any,
    Normal,
    Child,
}

impl Expr {
    /// The name a result column gets when it has no alias.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Literal(Literal::Null) => "null".into(),
            Self::Literal(Literal::Bool(flag)) => flag.to_string(),
            Self::Literal(Literal::Number(number)) => number.clone(),
            Self::Literal(Literal::Text(text)) => text.clone(),
            Self::Literal(Literal::Now(_)) => "now()".into(),
            Self::Duration(text) => text.clone(),
            Self::Column(name) => name.clone(),
            Self::Star => "*".into(),
            Self::Call { name, args } => {
                let args: Vec<String> = args.iter().map(Self::label).collect();
                format!("{name}({})", args.join(", "))
            }
            Self::Unary { expr, .. } | Self::IsNull { expr, .. } | Self::In { expr, .. } => expr.label(),
            Self::Like { expr, .. } => expr.label(),
            Self::Binary { left, right, .. } => format!("{} {}", left.label(), right.label()),
            Self::JsonGet { expr, key } => format!("{}->'{key}'", expr.label()),
        }
    }
}

impl Literal {
    /// The value of a literal in a predicate, where no column gives it a type.
    pub(crate) fn plain(&self, now: impl Fn(i64) -> i64) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Text(text) => Value::text(text),
            Self::Now(offset) => Value::Int(now(*offset)),
            Self::Number(text) => number(text),
        }
    }
}

fn number(text: &str) -> Value {
    if let Ok(int) = text.parse() {
        return Value::Int(int);
    }
    if let Ok(int) = text.parse() {
        return Value::UInt(int);
    }
    text.parse().map_or(Value::Null, Value::Float)
}
