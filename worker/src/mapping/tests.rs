//! Names, columns and tags as the target has them; and names that it cannot have.

use std::collections::BTreeMap;

use tdferry_common::options::OptionValue;
use tdferry_common::spec::TaskKind;

use super::*;

fn spec(options: &[(&str, &[&str])]) -> Spec {
    let list = |texts: &[&str]| OptionValue::List(texts.iter().map(|text| (*text).to_owned()).collect());
    let value = |texts: &[&str]| if let [one] = texts { OptionValue::text(*one) } else { list(texts) };
    let options: BTreeMap<_, _> =
        options.iter().map(|(name, texts)| ((*name).to_owned(), value(texts))).collect();
    Spec::build("t", TaskKind::TDengine2, "taos+ws://a:1/power", "taos+ws://b:1", &options).unwrap()
}

fn mapping(transforms: &[&str]) -> Mapping {
    Mapping::of(&spec(&[("transforms", transforms)]))
}

fn column(name: &str, data_type: DataType) -> Column {
    Column { name: name.into(), data_type, length: 8 }
}

fn stable(name: &str) -> Stable {
    Stable {
        name: name.into(),
        columns: vec![column("ts", DataType::Timestamp), column("v", DataType::Int)],
        tags: vec![column("site", DataType::Binary)],
    }
}

#[test]
fn rules_apply_in_order_to_the_tables_that_they_speak_of() {
    let mapping = mapping(&[
        "rename-table:prefix:a_",
        "rename-child-table:template:{stable}_{name}",
        "rename-super-table:suffix:_s",
        "rename-column:map:meters.v,voltage",
    ]);
    assert_eq!(mapping.stable("meters"), "a_meters_s");
    assert_eq!(mapping.table("meters", "d1"), "meters_a_d1");
    assert_eq!(mapping.table("", "plain"), "a_plain");
    assert_eq!((mapping.column("meters", "v"), mapping.column("plain", "v")), ("voltage".into(), "v".into()));
    assert!(!mapping.is_plain() && Mapping::of(&spec(&[])).is_plain());
}

#[test]
fn an_added_tag_is_the_last_of_every_stable_and_subtable() {
    let long = format!("add-tag:origin={}", "x".repeat(100));
    let mapping = mapping(&["add-tag:site id=北", &long]);
    let target = mapping.target_stable(&stable("meters"));
    let tags: Vec<_> = target.tags.iter().map(|tag| (tag.name.as_str(), tag.length)).collect();
    assert_eq!(tags, [("site", 8), ("site id", 64), ("origin", 100)]);
    let row = mapping.target_row("meters", &TagRow { name: "d1".into(), tags: vec![Value::Null] });
    assert_eq!(row.tags[..2], [Value::Null, Value::Binary("北".as_bytes().to_vec())]);
}

#[test]
fn dots_are_replaced_after_all_renaming_where_the_task_says_so() {
    let mapping = Mapping::of(&spec(&[("transforms", &["rename-child-table:prefix:x."]), ("dots", &["_"])]));
    assert_eq!((mapping.table("s", "a.b"), mapping.stable("s.t")), ("x_a_b".into(), "s_t".into()));
}

fn words(taken: Result<(), BadName>) -> String {
    match taken {
        Ok(()) => String::new(),
        Err(BadName::Refused(words)) => words,
        Err(BadName::Taken { target, second, first_of }) => {
            format!("{second} and one of {first_of:?}: {target}")
        }
    }
}

#[test]
fn two_tables_that_would_become_one_are_told_apart_by_kind_and_stable() {
    let mut targets = Targets::new(mapping(&["rename-table:replace_with_regex:_[ab]$::"]));
    assert_eq!(words(targets.take_subtable("meters", "d1_a")), "");
    assert_eq!(words(targets.take_subtable("meters", "d2_a")), "");
    assert_eq!(words(targets.take_stable(&stable("meters"))), "");
    assert_eq!(words(targets.take_subtable("weather", "d1_b")), "d1_b and one of \"meters\": d1");
    let plain = NormalTable { name: "meters_a".into(), columns: stable("s").columns };
    assert_eq!(words(targets.take_normal(&plain)), "meters_a and one of \"meters\": meters");
    let mut free = Targets::new(Mapping::default());
    assert_eq!(
        words(free.take_subtable("s", "d1")) + &words(free.take_subtable("s", "d1")),
        "",
        "the source's own"
    );
}

#[test]
fn names_that_3_x_does_not_take_are_refused_with_what_to_do() {
    let long = format!("rename-child-table:prefix:{}", "x".repeat(190));
    for (transforms, name, part) in [
        (&[][..], "a.b", "table `a.b` has a dot, which 3.x does not take; write `dots=_`"),
        (&["rename-table:suffix:.old"], "d1", "table `d1`, which becomes `d1.old`, has a dot"),
        (&[long.as_str()], "d12", "has a name of 193 bytes, 3.x takes 192"),
        (&["rename-child-table:replace_with_regex:.*::"], "d1", "has no name that 3.x takes"),
    ] {
        let told = words(Targets::new(mapping(transforms)).take_subtable("s", name));
        assert!(told.contains(part), "{transforms:?}: {told}");
    }
    assert_eq!(words(Targets::new(mapping(&[&long])).take_subtable("s", "d1")), "");
}

#[test]
fn columns_that_3_x_does_not_take_are_refused_with_what_to_do() {
    let long = format!("rename-column:suffix:{}", "x".repeat(64));
    for (transforms, part) in [
        (&["rename-column:map:v,TS"][..], "two columns or tags `TS`"),
        (&["rename-column:map:v,site"], "two columns or tags `site`"),
        (&["add-tag:V=x"], "two columns or tags `V`"),
        (&[long.as_str()], "at most 64 bytes"),
    ] {
        let told = words(Targets::new(mapping(transforms)).take_stable(&stable("meters")));
        assert!(told.contains(part), "{transforms:?}: {told}");
    }
    let many: Vec<String> = (0..99).map(|n| format!("add-tag:t{n}=x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut wide = stable("wide");
    wide.tags = (0..30).map(|n| column(&format!("own{n}"), DataType::Int)).collect();
    let told = words(Targets::new(mapping(&many)).take_stable(&wide));
    assert!(told.contains("129 tags, 3.x takes 128"), "{told}");
}

mod through_a_sink {
    //! A sink under the source's names: what goes in comes back as it went, and lies there under the target's.

    use futures_util::TryStreamExt;
    use tdferry_common::batch::{Block, Run, TableRuns};
    use tdferry_common::port::{Rows, Tables};
    use tdferry_common::testing::{MemConnector, MemServer, Recipe};
    use tdferry_common::time::Period;

    use super::*;

    fn values(block: &Block) -> Vec<Vec<Value>> {
        let row = |row| (0..block.columns().len()).map(|column| block.cell(row, column).to_value()).collect();
        (0..block.rows()).map(row).collect()
    }

    async fn rows(from: &dyn Rows, stable: &Stable, names: &[String]) -> BTreeMap<String, Vec<Vec<Value>>> {
        let mut all: BTreeMap<String, Vec<Vec<Value>>> = BTreeMap::new();
        let mut runs = from.read_many(stable, names, Period::ALL);
        while let Some(TableRuns { block, runs }) = runs.try_next().await.unwrap() {
            for Run { table, rows } in runs {
                all.entry(table).or_default().extend(values(&block.slice(rows)));
            }
        }
        all
    }

    #[tokio::test]
    async fn what_goes_in_comes_back_under_the_source_s_names() {
        let asked =
            spec(&[("transforms", &["rename-table:prefix:n_", "rename-column:suffix:_c", "add-tag:x=y"])]);
        let (held, sunk) = (MemServer::source(Recipe::small(9).make()), MemServer::sink());
        let connector = MemConnector::new(Arc::clone(&held), Arc::clone(&sunk));
        let from = source(&connector, &asked, "types").await.unwrap();
        let to = sink(&connector, &asked, "types").await.unwrap();
        to.create_database("PRECISION 'ms'").await.unwrap();
        let stable = from.stables().await.unwrap().into_iter().find(|one| one.name == "types").unwrap();
        let names: Vec<_> = held.held().subtables_of("types").map(|(name, _)| name.clone()).collect();
        let tags = from.tags(&stable, &names).await.unwrap();
        to.create_stable(&stable).await.unwrap();
        to.create_subtables(&stable, &tags).await.unwrap();
        assert!(to.missing_subtables("types", &names).await.unwrap().is_empty());
        assert_eq!(to.missing_subtables("types", &["gone".into()]).await.unwrap(), ["gone"]);
        let columns: Arc<[Column]> = stable.columns.as_slice().into();
        let mut read = BTreeMap::new();
        for name in &names {
            let blocks: Vec<_> =
                from.read(name, Arc::clone(&columns), Period::ALL).try_collect().await.unwrap();
            for block in blocks.iter().filter(|block| block.rows() > 0) {
                to.write(name, block).await.unwrap();
                let there: Vec<_> =
                    to.read(name, Arc::clone(&columns), Period::ALL).try_collect().await.unwrap();
                assert_eq!(there.iter().flat_map(values).collect::<Vec<_>>(), values(block));
                assert!(there.iter().all(|there| *there.columns() == columns));
                read.insert(name.clone(), values(block));
            }
        }
        assert!(!read.is_empty());
        assert_eq!(rows(to.as_ref(), &stable, &names).await, read);
        let mut back = to.tags(&stable, &names).await.unwrap();
        let mut tags = tags;
        back.sort_by(|a, b| a.name.cmp(&b.name));
        tags.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(back, tags);
        let of = Tables::Of { stable: "types", names: &names };
        let counted = |rows: &Vec<Vec<Value>>| u64::try_from(rows.len()).unwrap();
        let wanted: BTreeMap<_, _> = read.iter().map(|(name, rows)| (name.clone(), counted(rows))).collect();
        let mut each = to.count_each(of, Period::ALL).await.unwrap();
        each.retain(|_, rows| *rows > 0);
        assert_eq!((to.count(of, Period::ALL).await.unwrap(), each), (wanted.values().sum(), wanted));
        assert!(sunk.held().tables.keys().all(|name| name.starts_with("n_")));
        let (name, first) = read.iter().next().unwrap();
        to.delete(name, Period::ALL).await.unwrap();
        assert_eq!(to.count(Tables::One { name }, Period::ALL).await.unwrap(), 0);
        assert!(counted(first) > 0);
    }
}
