//! Every transform: how it is read, what it makes of names, and what of it is refused.

use std::path::Path;

use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Result<Transform, String> {
    Transform::read(text)
}

fn renamed(text: &str, stable: &str, name: &str) -> String {
    match one(text).unwrap().act {
        Act::Rename { of, rule } => rule.apply(of, Named { name, stable, database: "power" }),
        other @ Act::AddTag { .. } => panic!("{other:?}"),
    }
}

#[test]
fn each_rule_makes_its_name() {
    for (text, name, wanted) in [
        ("rename-table:prefix:old_", "d1", "old_d1"),
        ("rename-child-table:suffix:_x", "d1", "d1_x"),
        ("rename-super-table:template:{database}_{name}_v3", "meters", "power_meters_v3"),
        ("rename-child-table:template:${stable}.${name}", "d1", "s.d1"),
        ("rename-child-table:template:{}", "d1", "d1"),
        ("rename-child-table:replace_with_regex:^d(\\d+)::meter_$1", "d17", "meter_17"),
        ("rename-child-table:replace_with_regex:[aeiou]::", "meter", "mtr"),
        ("rename-child-table:replace_with_regex:a::b::c", "a::b", "c"),
        ("rename-table:map:d1,one\nd2,two", "d2", "two"),
        ("rename-table:map:d1,one", "d2", "d2"),
        ("rename-column:map:s.v,voltage\nv,other", "v", "voltage"),
        ("rename-column:map:t.v,voltage\nv,other", "v", "other"),
    ] {
        assert_eq!(renamed(text, "s", name), wanted, "{text}");
    }
}

#[test]
fn a_tag_is_added_with_all_that_stands_behind_the_first_sign() {
    let Act::AddTag { tag, value } = one("add-tag:site=a=b: c").unwrap().act else { panic!() };
    assert_eq!((tag.as_str(), value.as_str()), ("site", "a=b: c"));
}

#[test]
fn what_is_no_transform_is_refused_with_words() {
    for (text, words) in [
        ("rename", "is no transform"),
        ("drop-table:x", "is no transform"),
        ("rename-table:upper", "\"upper\" is none of prefix"),
        ("rename-table:prefix:", "cannot stand in a name"),
        ("rename-table:suffix:`", "cannot stand in a name"),
        ("rename-table:template:x", "gives all the same name"),
        ("rename-super-table:template:{stable}", "gives all the same name"),
        ("rename-table:template:{nmae}", "{nmae} is none of"),
        ("rename-table:template:{name", "lacks a `}`"),
        ("rename-table:replace_with_regex:a", "<replacement>"),
        ("rename-table:replace_with_regex:(::x", "no regular expression"),
        ("rename-table:map:", "no names"),
        ("rename-table:map:@", "no path"),
        ("rename-table:map:a,b\na,c", "line 2: \"a\" is there twice"),
        ("rename-table:map:a,b\n\"a", "line 2: a quote"),
        ("rename-table:map:a,b,c", "line 1: not two names"),
        ("add-tag:site", "<tag>=<value>"),
        ("add-tag:=x", "is no name of a tag"),
    ] {
        let error = one(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_map_of_a_file_takes_the_place_of_the_file() {
    let text = OptionValue::text("rename-table:map:@names.csv");
    let mut transforms = Transforms::read(&text).unwrap();
    assert!(transforms.has_file());
    let read = |path: &Path| {
        assert_eq!(path, Path::new("names.csv"));
        Ok("d1,one\r\n\r\n\"d,2\",\"a \"\"b\"\"\"\r\n@x,y".to_owned())
    };
    transforms.load(&read).unwrap();
    assert!(!transforms.has_file());
    assert_eq!(Transforms::read(&transforms.write()).unwrap(), transforms);
    let Some(Act::Rename { rule: Rule::Map(map), .. }) = transforms.acts().next() else { panic!() };
    let expected = [("@x", "y"), ("d,2", "a \"b\""), ("d1", "one")];
    assert_eq!(map.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let mut transforms = Transforms::read(&OptionValue::text("rename-table:map:@n.csv")).unwrap();
    let gone = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    assert!(transforms.load(&gone).unwrap_err().contains("the file n.csv cannot be read"));
}

proptest! {
    #[test]
    fn a_map_is_read_back_as_it_was_written(
        names in prop::collection::btree_map("[a-c,\"\n@ .涛]{0,6}[a-c]", "[a-c,\" .]{0,4}[a-c]", 1..8),
    ) {
        prop_assert_eq!(map::read(&map::write(&names)), Ok(names));
    }
}
