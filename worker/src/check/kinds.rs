//! Every kind of finding: its code, how grave it is, what tdferry does about it, how a person changes that. A table.

use std::fmt;

/// How grave a finding is, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Rows, values or tables would not be at the target in the end.
    Loses,
    /// The task, or a part of it, would fail or wait.
    Blocks,
    /// Something is not at the target as it was at the source.
    Changes,
    /// Good to know.
    Notes,
}

impl Severity {
    /// All, the gravest first.
    pub const ALL: [Self; 4] = [Self::Loses, Self::Blocks, Self::Changes, Self::Notes];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loses => "loses data",
            Self::Blocks => "blocks",
            Self::Changes => "changes",
            Self::Notes => "note",
        }
    }

    /// Whether the task should not be started like that.
    pub const fn is_hazard(self) -> bool {
        matches!(self, Self::Loses | Self::Blocks)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name in kebab case, for scripts.
    pub code: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// What tdferry will do about it.
    pub does: &'static str,
    /// How to change that.
    pub cure: &'static str,
}

macro_rules! kinds {
    ($($name:ident $code:literal $severity:ident $does:literal $cure:literal;)+) => {
        $(pub(super) static $name: Kind =
            Kind { code: $code, severity: Severity::$severity, does: $does, cure: $cure };)+
        /// Every kind, in the order of the documentation.
        pub static KINDS: &[&Kind] = &[$(&$name),+];
    };
}

kinds! {
    SOURCE_UNREACHABLE "source-unreachable" Blocks
        "waits for it" "check host, port and network";
    TARGET_UNREACHABLE "target-unreachable" Blocks
        "waits for it" "check host, port and network";
    SOURCE_DENIED "source-denied" Blocks
        "stores no task" "check user and password";
    TARGET_DENIED "target-denied" Blocks
        "stores no task" "check user, password, and the user's rights on the database";
    SOURCE_DATABASE_MISSING "source-database-missing" Blocks
        "stores no task" "check the database's name in --from";
    TLS_NOT_BUILT_IN "tls-not-built-in" Blocks
        "stores no task: this build has no TLS to databases" "use ws:// or taos+ws:// inside a trusted network or a tunnel";
    SOURCE_NOT_2X "source-not-2x" Blocks
        "stores no task: it reads 2.x" "name a 2.x server in --from";
    TARGET_NOT_3X "target-not-3x" Blocks
        "stores no task: it writes to 3.x" "name a 3.x server in --to";
    TARGET_TOO_OLD "target-too-old" Blocks
        "fails at the first block: the gateway takes blocks with names from 3.0.2 on" "upgrade the target, or reach it with taos://";
    SOURCE_UNTRIED "source-untried" Notes
        "reads it all the same, and compares counts" "try one stable first: --stables NAME";
    TARGET_UNTRIED "target-untried" Notes
        "writes to it all the same, and compares counts" "try one stable first: --stables NAME";
    SOURCE_DNODE_DOWN "source-dnode-down" Blocks
        "waits for the tables that are on it" "bring the node back before the copy";
    TARGET_DNODE_DOWN "target-dnode-down" Blocks
        "waits where a table would be on it" "bring the node back before the copy";
    TARGET_MAY_NOT_WRITE "target-may-not-write" Blocks
        "fails at the first statement" "grant the user write on the database";
    RIGHTS_UNKNOWN "rights-unknown" Notes
        "finds out when it first writes, before any row is copied" "log in as that user and create a table by hand";
    SOURCE_USER_WRITES "source-user-writes" Notes
        "never writes to the source" "use a user that may only read";
    FEW_CONNECTIONS "few-connections" Notes
        "goes on with the connections it gets" "raise the gateway's limit, or lower --slots";
    CLOCKS_DIFFER "clocks-differ" Changes
        "ends history by the source's clock where it can be asked" "set the clocks by one time server, or name --end";
    CLOCK_UNKNOWN "clock-unknown" Notes
        "ends history by the clock of the worker" "name --end to be exact";
    DISK_SHORT "disk-short" Blocks
        "waits when the disk is full" "make room at the target first";
    DISK_TIGHT "disk-tight" Changes
        "copies: how well it is compressed is not known before" "watch the disk, or make room first";
    DISK_UNKNOWN "disk-unknown" Notes
        "waits when the disk is full" "compare the bytes above with the free disk of the target";
    VNODES_SHORT "vnodes-short" Blocks
        "fails at CREATE DATABASE" "raise supportVnodes, add a dnode, or create the database by hand with fewer VGROUPS";
    REPLICA_SHORT "replica-short" Blocks
        "fails at CREATE DATABASE" "add dnodes, or create the database by hand with REPLICA 1";
    TARGET_DATABASE_NAME "target-database-name" Blocks
        "fails at CREATE DATABASE" "name another database in --to";
    TARGET_DATABASE_MISSING "target-database-missing" Blocks
        "stores no task" "create it, or leave schema=always and assert on";
    TARGET_DATABASE_EXISTS "target-database-exists" Notes
        "leaves its options as they are" "compare its options with the statement shown for a new one";
    PRECISION_DIFFERS "precision-differs" Blocks
        "writes nothing" "write -o precision= with the target's, or name another target database";
    OPTION_CLAMPED "option-clamped" Changes
        "takes the nearest value that 3.x takes" "name another: -o database.OPTION=VALUE";
    OPTION_UNKNOWN "option-unknown" Changes
        "leaves it out" "create the target database by hand with the options you want";
    OPTION_ASKED "option-asked" Notes
        "takes what the task says" "leave the option database.… out";
    VGROUPS_CHOSEN "vgroups-chosen" Notes
        "takes as many as tables and writers need" "-o database.vgroups=N";
    OPTION_GONE "option-gone" Notes
        "leaves it out: 3.x has no such option" "nothing to change";
    KEEP_WIDENED "keep-widened" Notes
        "keeps rows ten days longer, so that none expires on its way" "-o database.keep=3650d, or ALTER DATABASE … KEEP after the copy";
    ROWS_BEFORE_KEEP "rows-before-keep" Loses
        "keeps the rows that the target refuses as rejects, and leaves them out" "ALTER DATABASE … KEEP at the target first, on-keep=widen, or name a --start";
    KEEP_RAISED "keep-raised" Changes
        "has the target keep rows for as long as the oldest needs, as on-keep=widen says" "on-keep=reject, or name a --start";
    KEEP_FAILS "keep-fails" Blocks
        "fails the shard that holds such rows, as on-keep=fail says" "ALTER DATABASE … KEEP at the target first, on-keep=widen, or name a --start";
    ROWS_NEAR_KEEP "rows-near-keep" Changes
        "copies the oldest first; what is past the edge by then is kept as rejects" "ALTER DATABASE … KEEP at the target first";
    ROWS_EXPIRE "rows-expire" Changes
        "copies the oldest first; what expires at the source meanwhile is gone there, too" "raise KEEP at the source until the copy is through";
    ROWS_AFTER_NOW "rows-after-now" Loses
        "reads nothing that is dated after the start of the task" "run it again when their time has come, or correct the rows";
    NOTHING_IN_PERIOD "nothing-in-period" Notes
        "creates the tables and copies no row" "check --start and --end";
    DATABASE_EMPTY "database-empty" Notes
        "creates the database" "check the database's name in --from";
    STABLE_EMPTY "stable-empty" Notes
        "creates the stable" "nothing to change";
    SELECTED_NAME_MISSING "selected-name-missing" Blocks
        "fails at the survey" "correct --stables or --tables";
    TASK_UNFIT "task-unfit" Blocks
        "fails at the survey" "correct the option that is named";
    NAMES_CLASH "names-clash" Blocks
        "fails at the survey" "change the transforms, or leave one of the tables out with --tables";
    DOT_IN_NAME "dot-in-name" Blocks
        "fails at the survey" "write -o dots=_, rename the table with --transform, or leave it out with --tables";
    NAME_NOT_SQL "name-not-sql" Blocks
        "fails at the survey" "rename the table with --transform, or leave it out with --tables";
    NAME_TOO_LONG "name-too-long" Blocks
        "fails at the survey" "rename the table with --transform, or leave it out with --tables";
    TABLE_REJECTED "table-rejected" Loses
        "creates no such table and keeps all of its rows as rejects, as on-bad-name=reject says" "write -o dots=_, or rename the table with --transform";
    NAMES_FOLD_TOGETHER "names-fold-together" Changes
        "keeps them apart: it writes every name in backticks" "make sure that applications do, too: bare, both read as one";
    RESERVED_WORD "reserved-word" Notes
        "writes every name in backticks" "let applications write it in backticks: bare, 3.x refuses it";
    NEEDS_BACKTICKS "needs-backticks" Notes
        "writes every name in backticks" "let applications write it in backticks";
    ASTERISK_IN_NAME "asterisk-in-name" Changes
        "writes it in backticks; before 3.3.6 the target's client library, and a gateway with it, may crash over it" "rename it with --transform, or upgrade the target to 3.3.6 or later";
    ROW_TOO_LONG "row-too-long" Blocks
        "fails at CREATE STABLE or CREATE TABLE" "upgrade the target to 3.0.5 or later, or leave the table out";
    TOO_MANY_COLUMNS "too-many-columns" Blocks
        "fails at CREATE STABLE or CREATE TABLE" "leave the table out";
    TOO_MANY_TAGS "too-many-tags" Blocks
        "fails at CREATE STABLE" "leave the stable out";
    TAGS_TOO_LONG "tags-too-long" Blocks
        "fails at CREATE STABLE" "leave the stable out";
    COLUMN_TOO_LONG "column-too-long" Blocks
        "fails at CREATE STABLE or CREATE TABLE" "upgrade the target to 3.0.5 or later, or leave the table out";
    TYPE_WITHOUT_EQUAL "type-without-equal" Blocks
        "stores no task" "leave the table out, or change the column at the source";
    JSON_TAG "json-tag" Notes
        "copies it as text; the server may print its keys in another order" "compare it as JSON, not as text";
    JSON_NUMBER "json-number-too-large" Blocks
        "sends no such tag, and fails the shard that creates the subtable: a 3.3.1 server ended over one" "write the number as text in the tag at the source, or leave the subtable out with --tables";
    TAG_NOT_SQL "tag-not-sql" Blocks
        "fails the shard that creates the subtable" "set the tag at the source to what SQL can carry, or leave the subtable out";
    TARGET_TABLE_MISSING "target-table-missing" Blocks
        "fails with schema=none: it creates nothing" "create it by hand, or leave schema=always";
    TARGET_COLUMN_MISSING "target-column-missing" Blocks
        "writes nothing to it: 3.x would drop the column's data and say nothing" "add the column at the target, or say what to do: on-missing-column=widen or null";
    TARGET_COLUMN_ADDED "target-column-added" Changes
        "adds it before the first row, as on-missing-column=widen says" "leave the option out, and add it by hand";
    TARGET_COLUMN_LEFT_OUT "target-column-left-out" Loses
        "leaves its values out, as on-missing-column=null says" "on-missing-column=widen, or add the column at the target";
    TARGET_COLUMN_SHORTER "target-column-shorter" Changes
        "does with each value that does not fit what on-too-long says" "make the column longer at the target";
    TARGET_COLUMN_DIFFERS "target-column-differs" Blocks
        "writes nothing to it" "change the column at the target, or name another database; where it is only shorter, on-too-long says what to do";
    TARGET_COLUMN_EXTRA "target-column-extra" Notes
        "leaves it NULL" "nothing to change";
    TARGET_NAME_TAKEN "target-name-taken" Blocks
        "fails at creating or checking it" "rename or drop the target's table, or name another database";
    TARGET_SINGLE_STABLE "target-single-stable" Blocks
        "fails at the second CREATE STABLE" "name another target database";
    TARGET_HAS_ROWS "target-has-rows" Changes
        "overwrites rows of the same table and timestamp: the last write wins" "name another database, or end the period before the target's own rows with --end";
    USERS_NOT_COPIED "users-not-copied" Notes
        "copies no users, passwords or rights" "create them at the target";
    STREAMS_NOT_COPIED "streams-not-copied" Notes
        "copies the tables they wrote, not the continuous queries" "create streams at the target";
    DELETES_NOT_FOLLOWED "deletes-not-followed" Notes
        "polls, which sees no deletes; the comparison at the cutover tells what only the target has" "delete nothing at the source until the cutover, or the same at the target; then repair --delete-extra";
    UPDATES_NOT_FOLLOWED "updates-not-followed" Notes
        "polls, and counts to find late rows, which sees no update of a row that is there; the comparison at the cutover does" "audit-by=digest with horizons as short as the updates are young, or freeze rows once they are written";
    UPDATES_OUTSIDE_AUDIT "updates-outside-audit" Notes
        "reads the horizons of audit-window again on both sides, and nothing older; the comparison at the cutover does" "name a longer horizon in audit-window, or freeze rows that are older";
    LATE_ROWS_NOT_FOLLOWED "late-rows-not-followed" Notes
        "counts the horizons of audit-window again on both sides, and nothing older; the comparison at the cutover does" "name a longer horizon in audit-window";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_there_once_and_in_kebab_case() {
        let codes: BTreeSet<_> = KINDS.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), KINDS.len());
        for code in codes {
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(code.chars().all(kebab), "{code}");
        }
    }

    #[test]
    fn what_loses_data_or_blocks_is_a_hazard_and_comes_first() {
        let hazards: Vec<_> = Severity::ALL.into_iter().filter(|one| one.is_hazard()).collect();
        assert_eq!(hazards, [Severity::Loses, Severity::Blocks]);
        assert!(Severity::ALL.is_sorted());
    }
}
