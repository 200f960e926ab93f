//! The protocol only grows: what `proto/tests/golden/tdferry.v1.txt` describes must still be there, number by number.
//!
//! Something new is taken into the file by `TDFERRY_WRITE_GOLDEN=1 cargo test -p tdferry-proto`; what is gone or was
//! changed is never written over, since a worker or coordinator one version behind still speaks it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};
use tdferry_proto::v1;

type Lines = BTreeSet<String>;

/// Every message, field, value and call of our packages, a line each.
fn described(set: &FileDescriptorSet) -> Lines {
    let mut lines = Lines::new();
    for file in set.file.iter().filter(|file| file.package().starts_with("tdferry.")) {
        describe_file(file, &mut lines);
    }
    lines
}

fn describe_file(file: &FileDescriptorProto, lines: &mut Lines) {
    let package = file.package();
    file.message_type.iter().for_each(|message| describe_message(package, message, lines));
    file.enum_type.iter().for_each(|one| describe_enum(package, one, lines));
    file.service.iter().for_each(|service| describe_service(package, service, lines));
}

fn describe_message(parent: &str, message: &DescriptorProto, lines: &mut Lines) {
    let name = format!("{parent}.{}", message.name());
    lines.insert(format!("message {name}"));
    for field in &message.field {
        lines.insert(format!("field {name} {}", describe_field(message, field)));
    }
    message.nested_type.iter().for_each(|nested| describe_message(&name, nested, lines));
    message.enum_type.iter().for_each(|one| describe_enum(&name, one, lines));
}

fn describe_field(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let kind = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().to_owned(),
        plain => plain.as_str_name().to_owned(),
    };
    let repeated = if field.label() == Label::Repeated { " repeated" } else { "" };
    let oneof = field.oneof_index.and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?));
    let within = match oneof {
        Some(_) if field.proto3_optional() => " optional".to_owned(),
        Some(oneof) => format!(" in {}", oneof.name()),
        None => String::new(),
    };
    format!("{} = {} {kind}{repeated}{within}", field.number(), field.name())
}

fn describe_enum(parent: &str, one: &EnumDescriptorProto, lines: &mut Lines) {
    let name = format!("{parent}.{}", one.name());
    lines.insert(format!("enum {name}"));
    for value in &one.value {
        lines.insert(format!("value {name} {} = {}", value.number(), value.name()));
    }
}

fn describe_service(package: &str, service: &ServiceDescriptorProto, lines: &mut Lines) {
    let stream = |is: bool| if is { "stream " } else { "" };
    for method in &service.method {
        lines.insert(format!(
            "rpc {package}.{}/{} {}{} -> {}{}",
            service.name(),
            method.name(),
            stream(method.client_streaming()),
            method.input_type(),
            stream(method.server_streaming()),
            method.output_type()
        ));
    }
}

/// What was there before and is not any more, as it was.
fn gone(before: &Lines, now: &Lines) -> Vec<String> {
    before.difference(now).cloned().collect()
}

fn compiled() -> FileDescriptorSet {
    FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap()
}

#[test]
fn the_protocol_has_lost_and_changed_nothing_and_what_is_new_is_written_down() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tdferry.v1.txt");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let (before, now): (Lines, Lines) = (kept.lines().map(str::to_owned).collect(), described(&compiled()));
    let gone = gone(&before, &now);
    assert!(
        gone.is_empty(),
        "gone or changed, and a peer one version behind still speaks it:\n{}",
        gone.join("\n")
    );
    if std::env::var_os("TDFERRY_WRITE_GOLDEN").is_some() {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        return std::fs::write(&path, text).unwrap();
    }
    let new: Vec<_> = now.difference(&before).cloned().collect();
    assert!(
        new.is_empty(),
        "new; run `TDFERRY_WRITE_GOLDEN=1 cargo test -p tdferry-proto` to keep it for good:\n{}",
        new.join("\n")
    );
}

/// A change of the description, and the line that must be missed.
type Change = (&'static str, fn(&mut FileDescriptorProto), Option<&'static str>);

#[test]
fn whatever_is_taken_away_or_changed_is_seen_and_what_is_added_is_not_missed() {
    fn message<'a>(file: &'a mut FileDescriptorProto, name: &str) -> &'a mut DescriptorProto {
        file.message_type.iter_mut().find(|message| message.name() == name).unwrap()
    }
    let changes: [Change; 9] = [
        (
            "a message gone",
            |file| file.message_type.retain(|one| one.name() != "LeaveRequest"),
            Some("LeaveRequest"),
        ),
        (
            "a field gone",
            |file| drop(message(file, "ClaimRequest").field.remove(2)),
            Some("ClaimRequest 3 = slots"),
        ),
        (
            "a field renumbered",
            |file| message(file, "ClaimRequest").field[2].number = Some(9),
            Some("3 = slots"),
        ),
        (
            "a field renamed",
            |file| message(file, "ClaimRequest").field[2].name = Some("x".into()),
            Some("3 = slots"),
        ),
        (
            "a field of another type",
            |file| message(file, "ClaimRequest").field[2].set_type(Type::Uint64),
            Some("3 = slots TYPE_UINT32"),
        ),
        (
            "a field repeated",
            |file| message(file, "ClaimRequest").field[2].set_label(Label::Repeated),
            Some("3 = slots TYPE_UINT32"),
        ),
        ("a value gone", |file| drop(file.enum_type[0].value.pop()), Some("value tdferry.v1.Directive")),
        (
            "a call gone",
            |file| drop(file.service[0].method.remove(0)),
            Some("rpc tdferry.v1.WorkerService/Register"),
        ),
        (
            "a field added",
            |file| {
                let mut added = message(file, "ClaimRequest").field[2].clone();
                (added.name, added.number) = (Some("added".into()), Some(99));
                message(file, "ClaimRequest").field.push(added);
            },
            None,
        ),
    ];
    let before = described(&compiled());
    for (what, change, missed) in changes {
        let mut set = compiled();
        change(set.file.iter_mut().find(|file| file.name().ends_with("worker.proto")).unwrap());
        let gone = gone(&before, &described(&set));
        match missed {
            Some(line) => assert!(gone.iter().any(|gone| gone.contains(line)), "{what}: {gone:?}"),
            None => assert!(gone.is_empty(), "{what}: {gone:?}"),
        }
    }
}
