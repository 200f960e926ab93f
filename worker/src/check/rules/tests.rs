//! Each kind planted into clean facts, and found; clean facts, and nothing worse than a note.

use std::collections::BTreeSet;

use tdferry_common::options::{AuditBy, Mode, OnKeep, OnMissingColumn, OnTooLong, OptionValue};
use tdferry_common::schema::{Column, DataType, Database, Extent, NormalTable, Stable};
use tdferry_common::server::{Dnode, Rights, Server};
use tdferry_common::time::Period;

use super::super::facts::{Asked, Facts, SourceFacts, StableFacts, TableFacts, TargetFacts};
use super::super::kinds::{KINDS, Severity};
use super::judge;

/// The moment at which all of this happens: 2026-01-01.
const NOW: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;

/// Kinds that say that a side could not be asked: `gather` finds them, and its tests plant them.
const OF_ACCESS: [&str; 8] = [
    "source-unreachable",
    "target-unreachable",
    "source-denied",
    "target-denied",
    "source-database-missing",
    "tls-not-built-in",
    "task-unfit",
    "type-without-equal",
];

fn column(name: &str, data_type: DataType, length: u32) -> Column {
    Column { name: name.into(), data_type, length }
}

fn columns() -> Vec<Column> {
    vec![column("ts", DataType::Timestamp, 8), column("note", DataType::Binary, 16)]
}

fn extent(from: i64, to: i64) -> Extent {
    Extent { rows: 100, period: Some(Period { from, to }), exact: true }
}

fn server() -> Server {
    Server {
        clock_millis: Some(NOW),
        rights: Some(Rights::All),
        users: Some(0),
        streams: Some(0),
        dnodes: Some(vec![Dnode { endpoint: "a:6030".into(), ready: true, free_vnodes: Some(60) }]),
        free_bytes: Some(1_000_000_000),
        connections: Some(8),
    }
}

fn stable() -> StableFacts {
    let stable =
        Stable { name: "meters".into(), columns: columns(), tags: vec![column("site", DataType::Nchar, 8)] };
    StableFacts {
        stable,
        tables: 3,
        extent: extent(NOW - 30 * DAY, NOW - DAY),
        example: None,
        not_sql: None,
        json_numbers: None,
    }
}

fn plain() -> TableFacts {
    let table = NormalTable { name: "plain".into(), columns: columns() };
    TableFacts { table, extent: extent(NOW - 30 * DAY, NOW - DAY) }
}

fn clean() -> Facts {
    let options = [("keep", "3650"), ("days", "10"), ("vgroups", "2"), ("replica", "1"), ("update", "0")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let mut names = super::super::census::Census::default();
    ["meters", "d1", "d2", "plain"].into_iter().for_each(|name| names.see(name, name));
    Facts {
        asked: Asked {
            target_database: "power".into(),
            creates_database: true,
            creates_tables: true,
            copies: true,
            period: Some(Period::ALL),
            gateway: true,
            ..Asked::default()
        },
        source: SourceFacts {
            version: "2.6.0.34".into(),
            server: server(),
            here_millis: NOW,
            database: Database { name: "power".into(), options, ..Database::default() },
            stables: vec![stable()],
            normal_tables: vec![plain()],
            names,
            rejected: super::super::census::Census::default(),
            missing: None,
            clash: None,
        },
        target: TargetFacts {
            version: "3.3.1.0".into(),
            server: server(),
            here_millis: NOW,
            ..TargetFacts::default()
        },
    }
}

/// A target database that keeps ten years and holds what the source has.
fn existing(facts: &mut Facts) {
    facts.target.database = Some(Database { name: "power".into(), ..Database::default() });
    facts.target.keeps = Period { from: NOW - 3_650 * DAY, to: i64::MAX };
    facts.target.stables.insert("meters".into(), stable().stable);
    facts.target.tables.insert("plain".into(), plain().table);
}

fn option(facts: &mut Facts, name: &str, value: &str) {
    facts.source.database.options.insert(name.into(), value.into());
}

fn there(facts: &mut Facts) -> &mut Stable {
    existing(facts);
    facts.target.stables.get_mut("meters").unwrap()
}

fn of(facts: &mut Facts) -> &mut Stable {
    &mut facts.source.stables[0].stable
}

fn names(facts: &mut Facts, names: &[&str]) {
    names.iter().for_each(|name| facts.source.names.see(name, name));
}

type Plant = fn(&mut Facts);

/// A hazard by its code, and how to plant it.
const PLANTED: &[(&str, Plant)] = &[
    ("source-not-2x", |f| f.source.version = "3.0.0.0".into()),
    ("target-not-3x", |f| f.target.version = "2.6.0.34".into()),
    ("target-too-old", |f| f.target.version = "3.0.1.8".into()),
    ("source-untried", |f| f.source.version = "2.0.22.0".into()),
    ("target-untried", |f| f.target.version = "3.1.0.0".into()),
    ("source-dnode-down", |f| f.source.server.dnodes.as_mut().unwrap()[0].ready = false),
    ("target-dnode-down", |f| f.target.server.dnodes.as_mut().unwrap()[0].ready = false),
    ("target-may-not-write", |f| f.target.server.rights = Some(Rights::Read)),
    ("target-may-not-write", |f| f.target.refuses = Some("no".into())),
    ("rights-unknown", |f| f.target.server.rights = None),
    ("source-user-writes", |f| f.source.server.rights = Some(Rights::Write)),
    ("few-connections", |f| f.source.server.connections = Some(3)),
    ("clocks-differ", |f| f.source.server.clock_millis = Some(NOW + 6_000)),
    ("clocks-differ", |f| f.target.server.clock_millis = Some(NOW - 6_000)),
    ("clock-unknown", |f| f.source.server.clock_millis = None),
    ("disk-short", |f| f.target.server.free_bytes = Some(100)),
    ("disk-tight", |f| f.target.server.free_bytes = Some(1_000)),
    ("disk-unknown", |f| f.target.server.free_bytes = None),
    ("vnodes-short", |f| f.target.server.dnodes.as_mut().unwrap()[0].free_vnodes = Some(0)),
    ("vnodes-short", |f| f.asked.database.vgroups = Some(61)),
    ("replica-short", |f| option(f, "replica", "3")),
    ("target-database-name", |f| f.asked.target_database = "a.b".into()),
    ("target-database-name", |f| f.asked.target_database = "x".repeat(65)),
    ("target-database-missing", |f| f.asked.creates_database = false),
    ("target-database-exists", existing),
    ("precision-differs", |f| {
        existing(f);
        f.source.database.precision = tdferry_common::time::Precision::Micro;
    }),
    ("option-clamped", |f| option(f, "wallevel", "0")),
    ("option-unknown", |f| option(f, "walrus", "1")),
    ("option-gone", |f| option(f, "quorum", "1")),
    ("keep-widened", |_| {}),
    ("option-asked", |f| f.asked.database.comp = Some(0)),
    ("vgroups-chosen", |_| {}),
    ("rows-before-keep", |f| {
        existing(f);
        f.target.keeps.from = NOW - 29 * DAY;
    }),
    ("rows-before-keep", |f| option(f, "keep", "5")),
    ("keep-raised", |f| {
        f.asked.options.on_keep = OnKeep::Widen;
        option(f, "keep", "5");
    }),
    ("keep-fails", |f| {
        f.asked.options.on_keep = OnKeep::Fail;
        option(f, "keep", "5");
    }),
    ("rows-near-keep", |f| {
        existing(f);
        f.target.keeps.from = NOW - 31 * DAY;
    }),
    ("rows-expire", |f| option(f, "keep", "30")),
    ("rows-after-now", |f| f.source.stables[0].extent = extent(NOW - DAY, NOW + 2 * DAY)),
    ("nothing-in-period", |f| f.asked.period = Some(Period { from: NOW, to: i64::MAX })),
    ("database-empty", |f| {
        f.source.stables.clear();
        f.source.normal_tables.clear();
    }),
    ("stable-empty", |f| f.source.stables[0].tables = 0),
    ("selected-name-missing", |f| f.source.missing = Some("no `x`".into())),
    ("dot-in-name", |f| names(f, &["a.b"])),
    ("name-not-sql", |f| names(f, &["a`b"])),
    ("name-too-long", |f| names(f, &["x".repeat(193).as_str()])),
    ("name-too-long", |f| of(f).columns[1].name = "x".repeat(65)),
    ("table-rejected", |f| f.source.rejected.see("a.b", "a.b")),
    ("names-fold-together", |f| names(f, &["D1"])),
    ("reserved-word", |f| of(f).columns[1].name = "Value".into()),
    ("reserved-word", |f| names(f, &["order"])),
    ("needs-backticks", |f| of(f).tags[0].name = "Site".into()),
    ("asterisk-in-name", |f| names(f, &["a*b"])),
    ("row-too-long", |f| {
        of(f).columns = vec![column("a", DataType::Nchar, 10_000), column("b", DataType::Nchar, 8_000)]
    }),
    ("too-many-columns", |f| of(f).columns = vec![column("a", DataType::Bool, 1); 4_096]),
    ("too-many-tags", |f| of(f).tags = vec![column("a", DataType::Bool, 1); 129]),
    ("tags-too-long", |f| {
        of(f).tags = vec![column("a", DataType::Binary, 9_000), column("b", DataType::Binary, 9_000)]
    }),
    ("column-too-long", |f| {
        f.target.version = "3.0.4.0".into();
        of(f).columns[1].length = 20_000;
    }),
    ("json-tag", |f| of(f).tags = vec![column("j", DataType::Json, 4_096)]),
    ("json-number-too-large", |f| {
        of(f).tags = vec![column("j", DataType::Json, 4_096)];
        f.source.stables[0].json_numbers = Some((1, "d1".into()));
    }),
    ("deletes-not-followed", |f| f.asked.options.mode = Mode::Realtime),
    ("updates-not-followed", |f| {
        option(f, "update", "1");
        f.asked.options.mode = Mode::Both;
    }),
    ("updates-not-followed", |f| {
        option(f, "update", "2");
        f.asked.options.mode = Mode::Both;
        f.asked.options.audit_by = AuditBy::Digest;
        f.asked.options.set("audit-window", &OptionValue::text("off")).unwrap();
    }),
    ("updates-outside-audit", |f| {
        option(f, "update", "1");
        f.asked.options.mode = Mode::Realtime;
        f.asked.options.audit_by = AuditBy::Digest;
    }),
    ("late-rows-not-followed", |f| f.asked.options.mode = Mode::Both),
    ("tag-not-sql", |f| f.source.stables[0].not_sql = Some((2, "d1".into(), "NaN".into()))),
    ("target-table-missing", |f| {
        existing(f);
        f.asked.creates_tables = false;
        f.target.tables.clear();
    }),
    ("target-column-missing", |f| there(f).columns.truncate(1)),
    ("target-column-missing", |f| there(f).tags.clear()),
    ("target-column-added", |f| {
        f.asked.options.on_missing_column = Some(OnMissingColumn::Widen);
        there(f).columns.truncate(1);
    }),
    ("target-column-left-out", |f| {
        f.asked.options.on_missing_column = Some(OnMissingColumn::Null);
        there(f).columns.truncate(1);
    }),
    ("target-column-missing", |f| {
        f.asked.options.on_missing_column = Some(OnMissingColumn::Null);
        there(f).columns.remove(0);
    }),
    ("target-column-shorter", |f| {
        f.asked.options.on_too_long = Some(OnTooLong::Truncate);
        there(f).columns[1].length = 15;
    }),
    ("target-column-differs", |f| there(f).columns[1].length = 15),
    ("target-column-differs", |f| there(f).columns[1].data_type = DataType::Nchar),
    ("target-column-extra", |f| there(f).columns.push(column("more", DataType::Int, 4))),
    ("target-name-taken", |f| {
        f.target.stables.insert("plain".into(), stable().stable);
    }),
    ("target-name-taken", |f| {
        f.target.tables.insert("meters".into(), plain().table);
    }),
    ("target-single-stable", |f| {
        existing(f);
        f.target.stables.insert("other".into(), stable().stable);
        f.target.database.as_mut().unwrap().options.insert("single_stable".into(), "true".into());
    }),
    ("target-has-rows", |f| {
        existing(f);
        f.target.with_rows.insert("meters".into());
    }),
    ("names-clash", |f| f.source.clash = Some("`a.b` and `a_b` would both be `a_b`".into())),
    ("users-not-copied", |f| f.source.server.users = Some(2)),
    ("streams-not-copied", |f| f.source.server.streams = Some(1)),
];

fn codes(facts: &Facts) -> BTreeSet<&'static str> {
    judge(facts).iter().map(|finding| finding.kind.code).collect()
}

#[test]
fn each_planted_hazard_is_found_by_its_code() {
    for (code, plant) in PLANTED {
        let mut facts = clean();
        plant(&mut facts);
        assert!(codes(&facts).contains(code), "{code} is not among {:?}", codes(&facts));
    }
}

#[test]
fn every_kind_is_planted_somewhere() {
    let planted: BTreeSet<_> = PLANTED.iter().map(|(code, _)| *code).chain(OF_ACCESS).collect();
    let known: BTreeSet<_> = KINDS.iter().map(|kind| kind.code).collect();
    assert_eq!(planted, known);
}

#[test]
fn nothing_is_said_of_clean_facts_beyond_what_is_true_of_all() {
    let mut facts = clean();
    facts.source.server.rights = Some(Rights::Read);
    assert_eq!(codes(&facts), BTreeSet::from(["keep-widened", "option-gone", "vgroups-chosen"]));
    existing(&mut facts);
    assert_eq!(codes(&facts), BTreeSet::from(["target-database-exists"]));
}

#[test]
fn an_asterisk_is_told_of_as_long_as_the_target_may_crash_over_it() {
    let mut facts = clean();
    names(&mut facts, &["a*b"]);
    for (version, told) in [("3.3.5.8", true), ("3.3.6.0", false)] {
        facts.target.version = version.into();
        assert_eq!(codes(&facts).contains("asterisk-in-name"), told, "{version}");
    }
}

#[test]
fn findings_come_gravest_first_and_tell_their_place() {
    let mut facts = clean();
    facts.source.stables[0].extent = extent(NOW - DAY, NOW + 2 * DAY);
    names(&mut facts, &["a.b"]);
    let found = judge(&facts);
    assert!(found.is_sorted_by_key(|finding| finding.kind.severity));
    assert_eq!(found[0].kind.severity, Severity::Loses);
    assert_eq!(found[0].place.to_string(), "source `power`.`meters`");
    assert!(found[0].what.contains("2026-01-02T23:59:59"), "{}", found[0].what);
}

#[test]
fn where_a_version_forbids_the_task_nothing_else_is_said() {
    let mut facts = clean();
    facts.source = SourceFacts { version: "3.3.1.0".into(), ..SourceFacts::default() };
    assert_eq!(codes(&facts), BTreeSet::from(["source-not-2x"]));
}

#[test]
fn what_polling_does_not_see_is_a_note_and_updates_are_only_told_where_there_are_some() {
    let mut facts = clean();
    facts.asked.options.mode = Mode::Both;
    let told = codes(&facts);
    assert!(told.contains("deletes-not-followed") && !told.contains("updates-not-followed"), "{told:?}");
    option(&mut facts, "update", "1");
    assert!(codes(&facts).contains("updates-not-followed"));
    assert!(judge(&facts).iter().all(|finding| !finding.kind.severity.is_hazard()));
    facts.asked.options.audit_by = AuditBy::Digest;
    let told = codes(&facts);
    assert!(told.contains("updates-outside-audit") && !told.contains("updates-not-followed"), "{told:?}");
    facts.asked.options.mode = Mode::History;
    assert!(!codes(&facts).contains("deletes-not-followed"));
}

#[test]
fn rows_a_minute_ahead_and_rows_outside_the_period_are_no_loss() {
    let mut facts = clean();
    facts.source.stables[0].extent = extent(NOW - DAY, NOW + 60_000);
    assert!(!codes(&facts).contains("rows-after-now"));
    facts.source.stables[0].extent = extent(NOW - DAY, NOW + 2 * DAY);
    facts.asked.period = Some(Period { from: i64::MIN, to: NOW });
    assert!(!codes(&facts).contains("rows-after-now"), "nobody asked for them");
}
