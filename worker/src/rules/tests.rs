//! Every option of a 2.x database in the words of 3.x, what is clamped, and what the task names in its stead.

use tdferry_common::options::{OptionValue, Options};
use tdferry_common::time::Precision;

use super::*;

const LOAD: Load = Load { tables: 1_000, writers: 4, free_vnodes: None };

fn translated(options: &[(&str, &str)]) -> Translated {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let database = Database { name: "d".into(), precision: Precision::Micro, options };
    translate(&database, &DatabaseOptions::default(), &LOAD)
}

#[test]
fn an_ordinary_database_is_said_whole() {
    let told = translated(&[
        ("name", "d"),
        ("replica", "1"),
        ("quorum", "1"),
        ("days", "30"),
        ("keep", "3650,3650,3650"),
        ("cache(MB)", "16"),
        ("blocks", "6"),
        ("minrows", "100"),
        ("maxrows", "4096"),
        ("wallevel", "1"),
        ("fsync", "3000"),
        ("comp", "2"),
        ("cachelast", "1"),
        ("vgroups", "2"),
        ("update", "1"),
    ]);
    for part in [
        "PRECISION 'us'",
        "KEEP 3660d",
        "DURATION 43200m",
        "REPLICA 1",
        "BUFFER 96",
        "MINROWS 100",
        "MAXROWS 4096",
        "WAL_LEVEL 1",
        "WAL_FSYNC_PERIOD 3000",
        "COMP 2",
        "CACHEMODEL 'last_row'",
        "VGROUPS 4",
    ] {
        assert!(told.options.contains(part), "{part}: {}", told.options);
    }
    let options: Vec<_> = told.differences.iter().map(|one| one.option.as_str()).collect();
    assert_eq!(options, ["keep", "vgroups", "quorum", "update"]);
}

#[test]
fn what_3_x_does_not_take_is_moved_to_the_nearest_it_does_and_told() {
    let cases = [
        ("wallevel", "0", "WAL_LEVEL 1"),
        ("fsync", "999999", "WAL_FSYNC_PERIOD 180000"),
        ("replica", "2", "REPLICA 1"),
        ("maxrows", "100", "MAXROWS 200"),
    ];
    for (name, value, part) in cases {
        let told = translated(&[(name, value)]);
        assert!(format!("{} ", told.options).contains(&format!(" {part} ")), "{}", told.options);
        let expected =
            Difference { why: Why::Clamped, option: name.into(), source: value.into(), target: part.into() };
        assert!(told.differences.contains(&expected), "{:?}", told.differences);
    }
}

#[test]
fn keep_holds_three_durations_whatever_the_source_has() {
    for (keep, days) in [("1", "1"), ("30", "30"), ("36500", "3650"), ("365", "300")] {
        let told = translated(&[("keep", keep), ("days", days)]);
        let number = |word: &str| {
            let rest = told.options.split(&format!("{word} ")).nth(1).unwrap();
            rest.split(['d', 'm']).next().unwrap().parse::<u64>().unwrap()
        };
        assert!(number("KEEP") * MINUTES_A_DAY >= 3 * number("DURATION"), "{}", told.options);
        assert!(number("KEEP") > keep.parse().unwrap());
        assert!(
            3 * number("DURATION") <= 365 * MINUTES_A_DAY,
            "S3_KEEPLOCAL of 3.3 refuses it: {}",
            told.options
        );
    }
}

#[test]
fn an_option_nobody_knows_is_told_and_not_passed_on() {
    let told = translated(&[("walrus", "7")]);
    assert!(!told.options.contains("walrus"));
    assert!(told.differences.iter().any(|one| one.option == "walrus"));
}

#[test]
fn the_longest_keep_of_all_storage_levels_counts() {
    let keeps = |name: &str, value: &str| {
        let options = [(name.to_owned(), value.to_owned())].into();
        keep_days(&Database { options, ..Database::default() })
    };
    assert_eq!(keeps("keep", "10,20,30"), Some(30));
    assert_eq!(keeps("keep0,keep1,keep(D)", "30,20,10"), Some(30));
    assert_eq!(keeps("keep", "3650d"), Some(3650));
    assert_eq!(keeps("blocks", "6"), None);
}

/// What a task asks of a database, as its options say it.
fn asked(pairs: &[(&str, &str)]) -> DatabaseOptions {
    let mut options = Options::default();
    for (name, value) in pairs {
        options.set(&format!("database.{name}"), &OptionValue::text(*value)).unwrap();
    }
    options.check().unwrap();
    options.database
}

fn source(options: &[(&str, &str)]) -> Database {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Database { name: "d".into(), precision: Precision::Milli, options }
}

#[test]
fn what_the_task_names_goes_before_what_the_source_has_and_is_told() {
    let source = source(&[
        ("keep", "3650"),
        ("days", "10"),
        ("cache(MB)", "16"),
        ("blocks", "6"),
        ("wallevel", "1"),
        ("fsync", "3000"),
        ("comp", "2"),
        ("replica", "1"),
        ("cachelast", "0"),
        ("vgroups", "2"),
        ("minrows", "100"),
        ("maxrows", "4096"),
    ]);
    let cases = [
        ("keep", "400d,800d", "KEEP 400d,800d"),
        ("duration", "5d", "DURATION 7200m"),
        ("buffer", "32", "BUFFER 32"),
        ("wal-level", "2", "WAL_LEVEL 2"),
        ("wal-fsync-period", "0", "WAL_FSYNC_PERIOD 0"),
        ("comp", "1", "COMP 1"),
        ("replica", "3", "REPLICA 3"),
        ("cachemodel", "both", "CACHEMODEL 'both'"),
        ("vgroups", "31", "VGROUPS 31"),
        ("minrows", "10", "MINROWS 10"),
        ("maxrows", "200", "MAXROWS 200"),
    ];
    for (name, value, part) in cases {
        let told = translate(&source, &asked(&[(name, value)]), &LOAD);
        let word = format!("{} ", part.split(' ').next().unwrap());
        assert_eq!(told.options.matches(&word).count(), 1, "{}", told.options);
        assert!(told.options.contains(part), "{part}: {}", told.options);
        let mut why = told.differences.iter().filter(|one| one.target == part).map(|one| one.why);
        assert_eq!((why.next(), why.next()), (Some(Why::Asked), None), "{part}: {:?}", told.differences);
    }
    let same = translate(&source, &asked(&[("comp", "2")]), &LOAD);
    assert!(same.differences.iter().all(|one| one.why != Why::Asked), "{:?}", same.differences);
}

#[test]
fn what_the_source_does_not_show_can_be_asked_for_all_the_same() {
    let told =
        translate(&source(&[]), &asked(&[("buffer", "32"), ("cachemodel", "none"), ("replica", "3")]), &LOAD);
    for part in ["BUFFER 32", "CACHEMODEL 'none'", "REPLICA 3"] {
        assert_eq!(told.options.matches(part).count(), 1, "{}", told.options);
    }
}

#[test]
fn keep_and_duration_fit_each_other_whichever_is_asked_for() {
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("keep", "15d")], "KEEP 15d DURATION 7200m"),
        (&[("duration", "90d")], "KEEP 270d DURATION 129600m"),
        (&[("keep", "900d"), ("duration", "90d")], "KEEP 900d DURATION 129600m"),
        (&[("keep", "30d,60d")], "KEEP 30d,60d DURATION 14400m"),
    ];
    for (pairs, wanted) in cases {
        let told = translate(&source(&[("keep", "100"), ("days", "10")]), &asked(pairs), &LOAD);
        assert!(told.options.contains(wanted), "{wanted}: {}", told.options);
    }
    let source = source(&[("keep", "100")]);
    assert_eq!(translated_keep_days(&source, &asked(&[("keep", "30d,60d")])), 60);
    assert_eq!(translated_keep_days(&source, &DatabaseOptions::default()), 110);
}
