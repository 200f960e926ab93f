//! Every option: its spellings, its values, its bounds, its way through text, JSON and back.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn with(pairs: &[(&str, &str)]) -> Result<Options, OptionError> {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), OptionValue::text(*value)));
    Options::try_from(pairs.collect::<BTreeMap<_, _>>())
}

fn one(name: &str, value: &str) -> Options {
    with(&[(name, value)]).unwrap_or_else(|err| panic!("{name}={value}: {err}"))
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    with(pairs).expect_err(&format!("{pairs:?}")).to_string()
}

#[test]
fn nothing_asked_is_the_documented_default() {
    let options = with(&[]).unwrap();
    assert_eq!(options, Options::default());
    assert_eq!((options.mode, options.schema, options.assert), (Mode::History, SchemaMode::Always, true));
    assert_eq!((options.retro, options.interval), (Duration::ZERO, Duration::from_secs(1)));
    assert_eq!(
        (options.excursion, options.schema_polling_interval),
        (Duration::from_millis(500), Duration::from_secs(5))
    );
    assert_eq!((options.max_sql_length, options.timeout_per_table), (800_000, Duration::from_secs(300)));
    assert!(options.asked().is_empty());
}

/// Every option with a value that is not its default.
const ASKED: [(&str, &str); 52] = [
    ("mode", "both"),
    ("schema", "only"),
    ("start", "2024-01-01T00:00:00Z"),
    ("end", "2024-01-02T00:00:00Z"),
    ("unit", "6h"),
    ("retro", "10m"),
    ("interval", "2s"),
    ("excursion", "1s500ms"),
    ("schema-polling-interval", "30s"),
    ("audit-window", "1h,7d"),
    ("audit-by", "digest"),
    ("tail-by", "names"),
    ("lag-alarm", "30s"),
    ("stables", "@/etc/lists/stables"),
    ("tables", "@/etc/lists/tables"),
    ("columns", "@/etc/lists/columns"),
    ("where", "voltage > 200"),
    ("transforms", "add-tag:site=a"),
    ("dots", "_"),
    ("precision", "us"),
    ("precision-loss", "truncate"),
    ("select-from-stable", "true"),
    ("workers", "7"),
    ("write-concurrency", "3"),
    ("fails-to", "/mnt/rejects"),
    ("reject-budget", "1000"),
    ("on-keep", "widen"),
    ("on-too-long", "truncate"),
    ("on-missing-column", "null"),
    ("on-bad-name", "reject"),
    ("on-conflict", "keep-target"),
    ("assert", "false"),
    ("database.keep", "30d,60d"),
    ("database.duration", "10d"),
    ("database.vgroups", "12"),
    ("database.replica", "3"),
    ("database.buffer", "96"),
    ("database.cachemodel", "last_row"),
    ("database.wal-level", "2"),
    ("database.wal-fsync-period", "3000"),
    ("database.comp", "1"),
    ("database.minrows", "100"),
    ("database.maxrows", "4096"),
    ("batch-size", "1000"),
    ("max-sql-length", "65480"),
    ("timeout-per-table", "1m"),
    ("update-tags", "true"),
    ("libraryPath", "/l.so"),
    ("configDir", "/etc/taos"),
    ("verify", "sample:5"),
    ("repair", "true"),
    ("compression", "true"),
];

#[test]
fn every_option_of_the_table_can_be_asked_for_and_is_kept() {
    let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(names, ASKED.map(|(name, _)| name), "the table of keys and this test list the same options");
    for (name, value) in ASKED {
        let options = one(name, value);
        let asked = options.asked();
        // lists are written as such
        let listed = OptionValue::List(vec![value.to_owned()]);
        let written = asked.get(name).filter(|written| **written != listed);
        assert!(written.is_none_or(|written| *written == OptionValue::text(value)), "{name}: {written:?}");
        assert_eq!(asked.len(), 1, "{name} must set one field only");
    }
}

#[test]
fn no_two_options_share_a_spelling() {
    let all: Vec<_> = keys().collect();
    for name in &all {
        assert_eq!(all.iter().filter(|other| same_word(name, other)).count(), 1, "{name}");
        assert!(name.len() <= MAX_KEY_BYTES, "{name}");
    }
}

#[test]
fn the_spellings_operators_know_are_accepted() {
    assert_eq!(one("mode", "all").mode, Mode::Both);
    assert_eq!(one("mode", "REALTIME").mode, Mode::Realtime);
    assert_eq!(one("restro", "5s").retro, one("retro", "5s").retro);
    assert_eq!(one("library_path", "/l").library_path, one("libraryPath", "/l").library_path);
    assert_eq!(one("Schema_Polling_Interval", "9s").schema_polling_interval, Duration::from_secs(9));
    for (text, yes) in
        [("on", true), ("", true), ("1", true), ("YES", true), ("off", false), ("0", false), ("no", false)]
    {
        assert_eq!(one("update-tags", text).update_tags, yes, "{text}");
    }
}

#[test]
fn lengths_of_time_are_read_with_units_and_seconds_without() {
    let hour = 3_600_000;
    for (text, millis) in [
        ("500ms", 500),
        ("5s", 5_000),
        ("90", 90_000),
        ("0", 0),
        ("30m", 30 * 60_000),
        ("6h", 6 * hour),
        ("1d", 24 * hour),
        ("1w", 7 * 24 * hour),
        ("1h30m", hour + 30 * 60_000),
        (" 5s ", 5_000),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for text in [
        "",
        "s",
        "5 s",
        "-5s",
        "1.5h",
        "5x",
        "1h30",
        "5S",
        "99999999999999999999",
        "99999999999d",
        "2000000w",
    ] {
        assert!(parse_duration(text).unwrap_err().contains("`30m`"), "{text:?}");
    }
}

#[test]
fn what_is_wrong_is_answered_with_the_option_and_what_to_do() {
    for (pairs, start, hint) in [
        (&[("mode", "hist")][..], "mode: \"hist\" is none of", "history, realtime, both"),
        (&[("schema", "yes")], "schema: ", "always, none, only"),
        (&[("unit", "1 day")], "unit: \"1 day\" is no length of time", "`1d`"),
        (&[("unit", "0")], "unit: 0s is too short", "1s or more"),
        (&[("interval", "0s")], "interval: ", "50ms or more"),
        (&[("start", "2024-01-01T00:00:00")], "start: ", "with a zone"),
        (&[("end", "yesterday")], "end: ", "2024-01-31T00:00:00+08:00"),
        (&[("start", "2024-01-02T00:00:00Z"), ("end", "2024-01-01T00:00:00Z")], "start: ", "is after `end`"),
        (
            &[("start", "2024-01-01T08:00:00+08:00"), ("end", "2024-01-01T00:00:00Z")],
            "start: ",
            "nothing would be",
        ),
        (&[("mode", "realtime"), ("start", "2024-01-02T00:00:00Z")], "start: ", "mode=history"),
        (&[("mode", "realtime"), ("end", "2024-01-02T00:00:00Z")], "end: ", "mode=history"),
        (&[("mode", "all"), ("end", "2024-01-02T00:00:00Z")], "end: ", "mode=history"),
        (&[("workers", "0")], "workers: 0 is out of bounds", "1 to 1024"),
        (&[("workers", "-1")], "workers: \"-1\"", "whole number"),
        (&[("batch-size", "1000001")], "batch-size: ", "1 to 1000000"),
        (&[("max-sql-length", "1048577")], "max-sql-length: ", "65480 to 1048576"),
        (&[("update-tags", "maybe")], "update-tags: ", "true nor false"),
        (&[("fails-to", "rejects")], "fails-to: ", "all workers share"),
        (&[("reject-budget", "few")], "reject-budget: \"few\"", "whole number"),
        (&[("on-keep", "truncate")], "on-keep: `truncate` makes no sense", "reject, fail or widen"),
        (&[("on-keep", "null")], "on-keep: `null` makes no sense", "another row"),
        (
            &[("on-missing-column", "truncate")],
            "on-missing-column: `truncate` makes no sense",
            "fail, widen or null",
        ),
        (&[("on-bad-name", "widen")], "on-bad-name: `widen` makes no sense", "`dots`"),
        (&[("on-too-long", "shorten")], "on-too-long: ", "truncate, null, widen"),
        (&[("on-conflict", "keep")], "on-conflict: ", "keep-target"),
        (&[("on-conflict", "keep-target"), ("verify", "digest")], "on-conflict: ", "leave out one"),
        (&[("stables", "a,,b")], "stables: a name is empty", "comma list"),
        (&[("tables", "a.b.c")], "tables: \"a.b.c\" has more than one dot", "backticks"),
        (&[("tables", "a.")], "tables: ", "nothing after the dot"),
        (&[("tables", "@")], "tables: no path", ""),
        (&[("libraryPath", "")], "libraryPath: it is empty", ""),
        (&[("stabels", "a")], "options: `stabels` is not known", "did you mean `stables`"),
        (&[("retro", "1s"), ("restro", "2s")], "retro: the same option as `restro`", "leave one"),
    ] {
        let shown = refusal(pairs);
        assert!(shown.starts_with(start) && shown.contains(hint), "{pairs:?}: {shown}");
    }
}

#[test]
fn both_takes_a_start() {
    assert!(with(&[("mode", "both"), ("start", "2024-01-02T00:00:00Z")]).is_ok());
}

#[test]
fn tables_are_named_alone_or_with_their_stable() {
    let names = |text: &str| match one("tables", text).tables {
        Names::Only(names) => names.into_iter().map(|name| (name.stable, name.table)).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let some = |text: &str| Some(Pattern::from(text));
    assert_eq!(names("d1, meters.d2"), [(None, "d1".into()), (some("meters"), "d2".into())]);
    assert_eq!(names("`a.b`.`c.d`,`e.f`"), [(some("a.b"), "c.d".into()), (None, "e.f".into())]);
}

#[test]
fn tables_are_named_by_globs_and_expressions() {
    let takes = |text: &str, stable: &str, table: &str| match one("tables", text).tables {
        Names::Only(names) => names.iter().any(|name| {
            name.stable.as_ref().is_none_or(|own| own.matches(stable)) && name.table.matches(table)
        }),
        other => panic!("{other:?}"),
    };
    assert!(takes("met*.d?", "meters", "d1") && !takes("met*.d?", "meters", "d10"));
    assert!(takes("meters.re:d\\d+.x", "meters", "d12.x") && !takes("meters.re:d\\d+.x", "other", "d12.x"));
    assert!(takes("re:(a|b).*", "any", "b.c") && !takes("re:(a|b).*", "any", "c"));
}

#[test]
fn a_list_of_a_file_may_hold_names_with_commas() {
    let pairs =
        BTreeMap::from([("stables".to_owned(), OptionValue::List(vec!["a,b".into(), "涛 思".into()]))]);
    assert_eq!(Options::try_from(pairs).unwrap().stables, Names::Only(vec!["a,b".into(), "涛 思".into()]));
}

#[test]
fn names_in_files_take_the_place_of_the_files() {
    let mut options = with(&[("stables", "@s.txt"), ("tables", "@t.txt")]).unwrap();
    let read = |path: &Path| {
        Ok(if path == Path::new("s.txt") { "meters\r\n\n weather \n" } else { "meters.d1\n" }.to_owned())
    };
    options.load_files(&read).unwrap();
    assert_eq!(options.stables, Names::Only(vec!["meters".into(), "weather".into()]));
    assert_eq!(
        options.tables,
        Names::Only(vec![TableName { stable: Some("meters".into()), table: "d1".into() }])
    );
}

#[test]
fn a_file_of_names_that_is_missing_or_empty_is_refused_by_its_name() {
    let load = |answer: fn() -> std::io::Result<String>| {
        let mut options = one("tables", "@t.txt");
        options.load_files(&|_: &Path| answer()).unwrap_err().to_string()
    };
    assert!(
        load(|| Err(std::io::ErrorKind::NotFound.into()))
            .starts_with("tables: the file t.txt cannot be read")
    );
    assert!(load(|| Ok("\n".to_owned())).starts_with("tables: in the file t.txt: the list is empty"));
}

#[test]
fn values_of_a_file_may_be_numbers_truths_dates_and_lists() {
    let json =
        r#"{"workers": 4, "update-tags": true, "unit": 3600, "stables": ["a"], "select-from-stable": "off"}"#;
    let options: Options = serde_json::from_str(json).unwrap();
    assert_eq!((options.workers, options.update_tags), (Some(4), true));
    assert_eq!((options.unit, options.select_from_stable), (Some(Duration::from_secs(3600)), Some(false)));
    let options: Options = toml::from_str("start = 2024-01-01T00:00:00+08:00\nunit = 3600").unwrap();
    assert_eq!(options.start, Some("2023-12-31T16:00:00Z".parse().unwrap()));
    for json in
        [r#"{"unit": ["1d"]}"#, r#"{"unit": {"d": 1}}"#, r#"{"stables": [["a"]]}"#, r#"{"colour": 1}"#]
    {
        assert!(serde_json::from_str::<Options>(json).is_err(), "{json}");
    }
}

fn duration() -> impl Strategy<Value = Duration> {
    (1u64..4_000_000_000).prop_map(Duration::from_millis)
}

fn pattern() -> impl Strategy<Value = Pattern> {
    "[a-zA-Z0-9_,.*?!@涛]{1,10}[a-z]".prop_map(Pattern::from)
}

fn names<T: Clone + std::fmt::Debug>(entry: impl Strategy<Value = T>) -> impl Strategy<Value = Names<T>> {
    prop_oneof![Just(Names::All), prop::collection::vec(entry, 1..5).prop_map(Names::Only)]
}

prop_compose! {
    fn bounds()(
        workers in prop::option::of(1u32..=1024),
        write_concurrency in prop::option::of(1u32..=1024),
        batch_size in prop::option::of(1u32..=1_000_000),
        max_sql_length in 65_480u32..=1_048_576,
        flags in any::<[bool; 3]>(),
        select_from_stable in any::<Option<bool>>(),
        folder in prop::option::of("/[a-z/ ]{1,10}[a-z]"),
        reject_budget in prop::option::of(any::<u64>()),
        on_keep in prop::sample::select(vec![OnKeep::Reject, OnKeep::Fail, OnKeep::Widen]),
        on_too_long in prop::option::of(prop::sample::select(vec![
            OnTooLong::Reject, OnTooLong::Fail, OnTooLong::Truncate, OnTooLong::Null, OnTooLong::Widen,
        ])),
        keep_target in any::<bool>(),
    ) -> Options {
        Options {
            on_conflict: if keep_target { OnConflict::KeepTarget } else { OnConflict::Overwrite },
            reject_budget, on_keep, on_too_long, workers, write_concurrency, batch_size, max_sql_length, select_from_stable,
            assert: flags[0], update_tags: flags[1], compression: flags[2],
            fails_to: folder.map_or(FailsTo::Target, |path| FailsTo::Folder(path.into())),
            ..Options::default()
        }
    }
}

prop_compose! {
    /// Any options that pass the check, with no file left to read.
    pub(crate) fn any_options()(
        bounds in bounds(),
        schema in prop::sample::select(vec![SchemaMode::Always, SchemaMode::None, SchemaMode::Only]),
        start in prop::option::of(-4_000_000_000i64..4_000_000_000),
        length in prop::option::of(1i64..4_000_000_000),
        unit in prop::option::of(duration().prop_map(|d| d + Duration::from_secs(1))),
        excursion in duration(),
        timeout in duration().prop_map(|d| d + Duration::from_secs(1)),
        stables in names(pattern()),
        tables in names((prop::option::of(pattern()), pattern()).prop_map(|(stable, table)| TableName { stable, table })),
        columns in names((any::<bool>(), pattern(), pattern())
            .prop_map(|(out, table, column)| ColumnRule { out, table, column })),
    ) -> Options {
        let moment = |seconds| Timestamp::from_second(seconds).unwrap();
        Options {
            schema, unit, excursion, stables, tables, columns,
            start: start.map(moment),
            end: start.zip(length).map(|(start, length)| moment(start + length)),
            timeout_per_table: timeout,
            ..bounds
        }
    }
}

proptest! {
    #[test]
    fn options_are_read_back_from_json_as_they_were(options in any_options()) {
        let json = serde_json::to_string(&options).unwrap();
        prop_assert_eq!(serde_json::from_str::<Options>(&json).map_err(|err| format!("{json}: {err}")), Ok(options));
    }

    #[test]
    fn a_length_of_time_is_read_back_as_it_was_written(micros in 0u64..10_000_000_000_000_000) {
        let duration = Duration::from_micros(micros);
        prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
    }
}
