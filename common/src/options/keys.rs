//! The table of all options: spellings, default, help, and which field each one is.

use super::value::{Kind, OptionValue};
use super::{Options, near};

/// No option has a longer name; what is longer is something else in the wrong place.
pub(crate) const MAX_KEY_BYTES: usize = 40;

/// One option of a task.
#[derive(Debug)]
pub struct OptionKey {
    /// Its canonical name. In DSNs and files case, `-` and `_` make no difference.
    pub name: &'static str,
    /// Other names operators know it by.
    pub aliases: &'static [&'static str],
    /// What holds if it is left out, in words.
    pub default: &'static str,
    /// One line for help, forms and documents.
    pub help: &'static str,
    pub(super) set: fn(&mut Options, &OptionValue) -> Result<(), String>,
    /// The value as written, if it is not the default.
    pub(super) get: fn(&Options) -> Option<OptionValue>,
}

/// All names and aliases.
pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().flat_map(|key| std::iter::once(key.name).chain(key.aliases.iter().copied()))
}

/// The canonical name of any spelling.
pub(crate) fn canonical(name: &str) -> Option<&'static str> {
    find(name).map(|key| key.name)
}

pub(super) fn find(name: &str) -> Option<&'static OptionKey> {
    let is = |known: &str| near::same_word(known, name);
    KEYS.iter().find(|key| is(key.name) || key.aliases.iter().any(|alias| is(alias)))
}

fn put<T: Kind>(field: &mut T, value: &OptionValue) -> Result<(), String> {
    *field = T::read(value)?;
    Ok(())
}

fn shown<T: Kind + PartialEq>(options: &Options, field: impl Fn(&Options) -> &T) -> Option<OptionValue> {
    let value = field(options);
    (value != field(&Options::default())).then(|| value.write())
}

macro_rules! key {
    ($name:literal $(or $alias:literal)*, $($field:ident).+, $default:literal, $help:literal) => {
        OptionKey {
            name: $name,
            aliases: &[$($alias),*],
            default: $default,
            help: $help,
            set: |options, value| put(&mut options.$($field).+, value),
            get: |options| shown(options, |options| &options.$($field).+),
        }
    };
}

/// Every option, in the order documents and forms show them.
pub const KEYS: &[OptionKey] = &[
    key!(
        "mode",
        mode,
        "history",
        "which rows: history, realtime, both (also `all`), or verify: none, only compare"
    ),
    key!(
        "schema",
        schema,
        "always",
        "always: create the structure first; none: the target has it; only: no rows"
    ),
    key!("start", start, "open", "first moment to copy, with a zone, as 2024-01-31T00:00:00Z"),
    key!("end", end, "open", "first moment not to copy any more, with a zone"),
    key!(
        "unit",
        unit,
        "chosen by density",
        "length of one query's period, as 1d, 6h or 30m; a bare number is seconds"
    ),
    key!("retro" or "restro", retro, "0s", "how far before its start realtime looks back"),
    key!("interval", interval, "1s", "how often realtime polls"),
    key!("excursion", excursion, "500ms", "how long to wait for rows out of order before a period is read"),
    key!(
        "schema-polling-interval",
        schema_polling_interval,
        "5s",
        "how often new subtables, tags and columns are looked for"
    ),
    key!(
        "audit-window",
        audit_window,
        "15m,1d",
        "how far back realtime looks for rows that came late, one or more lengths, or `off`"
    ),
    key!(
        "audit-by",
        audit_by,
        "count",
        "how it looks: count, which finds late rows, or digest, which reads both sides and finds changed ones too"
    ),
    key!(
        "tail-by",
        tail_by,
        "stable",
        "what one tail follows: stable, all of one, or names, a list of its subtables, so that workers share a stable"
    ),
    key!(
        "lag-alarm",
        lag_alarm,
        "5m",
        "how far realtime may be behind before that is told as a trouble, as 30s or 5m; 0: never"
    ),
    key!(
        "stables",
        stables,
        "all",
        "which stables: a comma list of names, globs or re:expressions, or @file"
    ),
    key!(
        "tables",
        tables,
        "all",
        "which tables: {table} or {stable}.{table}, a comma list of names, globs or re:expressions, or @file"
    ),
    key!(
        "columns",
        columns,
        "all",
        "which columns: {table}.{column}, or !{table}.{column} to leave one out; a comma list, or @file"
    ),
    key!(
        "where",
        row_filter,
        "all rows",
        "which rows: a condition for the source, as `voltage > 200` or `meters: voltage > 200`"
    ),
    key!(
        "transforms" or "transform",
        transforms,
        "none",
        "what changes on the way: add-tag, rename-table, rename-child-table, rename-super-table, rename-column"
    ),
    key!("dots", dots, "refused", "what stands for a dot in the new name of a table, as `_`"),
    key!("precision", precision, "the source's", "the target's unit of time: ms, us or ns"),
    key!(
        "precision-loss",
        precision_loss,
        "refuse",
        "where the target's unit is coarser: refuse, or truncate timestamps"
    ),
    key!("select-from-stable", select_from_stable, "chosen by density", "read many subtables with one query"),
    key!("workers", workers, "CPU cores", "leases one worker copies at once"),
    key!("write-concurrency", write_concurrency, "= workers", "writes in flight per worker"),
    key!(
        "fails-to",
        fails_to,
        "target",
        "where rejected rows go: target, or a folder that all workers share"
    ),
    key!(
        "reject-budget",
        reject_budget,
        "any number",
        "rejected rows with which the task goes on; one more stops it"
    ),
    key!("on-keep", on_keep, "reject", "rows the target does not keep: reject, fail, or widen its KEEP"),
    key!(
        "on-too-long",
        on_too_long,
        "reject",
        "values longer than the target's column: reject, fail, truncate, null, or widen it; shorter columns are copied \
         to only if this is written"
    ),
    key!(
        "on-missing-column",
        on_missing_column,
        "fail",
        "columns that the target's table lacks: fail, widen (add them), or null (leave their values out); with \
         schema=none one that is added while the source is followed is told and left out unless this is written"
    ),
    key!(
        "on-bad-name",
        on_bad_name,
        "fail",
        "tables whose names the target does not take: fail, or reject all of their rows"
    ),
    key!("on-conflict", on_conflict, "overwrite", "rows the target has already: overwrite, or keep-target"),
    key!("assert", assert, "on", "create the target database if it is missing"),
    key!(
        "database.keep",
        database.keep,
        "the source's, 10 days more",
        "how long a new target database keeps rows, as 3650d or 10d,20d,30d"
    ),
    key!("database.duration" or "database.days", database.duration, "the source's", "the time that one of its data files holds, as 10d"),
    key!("database.vgroups", database.vgroups, "by subtables and writers", "its vgroups"),
    key!("database.replica", database.replica, "the source's", "copies of each vnode"),
    key!(
        "database.buffer",
        database.buffer,
        "the source's cache x blocks",
        "MB that a vnode gathers before it writes"
    ),
    key!(
        "database.cachemodel",
        database.cachemodel,
        "the source's cachelast",
        "none, last_row, last_value or both"
    ),
    key!(
        "database.wal-level",
        database.wal_level,
        "the source's",
        "1: writes are logged and not synced, 2: synced by the period below"
    ),
    key!(
        "database.wal-fsync-period",
        database.wal_fsync_period,
        "the source's",
        "milliseconds between two syncs"
    ),
    key!(
        "database.comp",
        database.comp,
        "the source's",
        "compression of values: 0 none, 1 one step, 2 two steps"
    ),
    key!("database.minrows", database.minrows, "the source's", "fewest rows of a block in a file"),
    key!("database.maxrows", database.maxrows, "the source's", "most rows of a block in a file"),
    key!("batch-size", batch_size, "by bytes", "most rows in one write"),
    key!("max-sql-length", max_sql_length, "800000", "most bytes of SQL in one write"),
    key!("timeout-per-table", timeout_per_table, "5m", "when to give up on one table"),
    key!("update-tags", update_tags, "off", "compare and update the tags of subtables that exist"),
    key!("libraryPath", library_path, "none", "libtaos for a native DSN that names none itself"),
    key!("configDir", config_dir, "none", "configuration of libtaos for a native DSN that names none itself"),
    key!(
        "verify",
        verify,
        "count",
        "count: rows of both sides are counted; digest: the target is read back and every cell compared; sample:P: of P % of the shards"
    ),
    key!("repair", repair, "off", "repair what differs and compare again, at most three times"),
    key!("compression", compression, "off", "compress on the wire, where the client can"),
];
