//! What Kubernetes says of what is wrong: a change of a good object at a time, and its words.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bases;
mod batch;
mod changes;
mod core;
mod networking;
mod others;
mod pods;
mod scheduling;
mod workloads;

use super::CONTEXT;
use podium_kinds::{Kind, by_resource};
use serde_json::{Value, json};

/// What stands for any text in an expected message.
const ANY: char = '…';

/// A place, what is put there (`null` takes away), and what is said then.
type Case<'a> = (&'a str, Value, &'a [&'a str]);

fn kind(resource: &str) -> &'static Kind {
    by_resource(resource).unwrap()
}

/// A good object of the kind, as it is stored.
fn base(resource: &str) -> Value {
    made(kind(resource), bases::of(resource))
}

fn made(kind: &Kind, mut object: Value) -> Value {
    kind.strategy.default(&mut object);
    kind.strategy.prepare_create(&mut object, &CONTEXT);
    object
}

/// Puts a value at a JSON pointer, making what is on the way.
fn put(object: &mut Value, place: &str, value: Value) {
    let mut at = object;
    let (way, last) = place.rsplit_once('/').unwrap();
    for step in way.split('/').skip(1).chain([last]) {
        let step = step.replace("~1", "/");
        at = match (at.is_array(), step.parse::<usize>()) {
            (true, Ok(i)) => {
                let list = at.as_array_mut().unwrap();
                if list.len() <= i {
                    list.resize(i + 1, json!({}));
                }
                &mut list[i]
            }
            _ => {
                if !at.is_object() {
                    *at = json!({});
                }
                at.as_object_mut().unwrap().entry(step).or_insert(Value::Null)
            }
        };
    }
    *at = value;
}

/// The object with a change; `null` takes a member away.
fn changed(mut object: Value, place: &str, value: &Value) -> Value {
    put(&mut object, place, value.clone());
    let (way, last) = place.rsplit_once('/').unwrap();
    if value.is_null() {
        object.pointer_mut(way).and_then(Value::as_object_mut).and_then(|map| map.remove(last));
    }
    object
}

/// Whether a message is as expected.
fn fits(message: &str, expected: &str) -> bool {
    let mut rest = message;
    let mut parts = expected.split(ANY);
    let first = parts.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    for part in parts {
        let Some(at) = rest.find(part).filter(|_| !part.is_empty()) else { return part.is_empty() };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

fn same(found: &[String], expected: &[&str]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| fits(found, expected))
}

/// Collects what is said otherwise; all of it is shown at once.
fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is said of a good object that is changed before it is made.
fn new_objects(resource: &str, cases: &[Case<'_>]) {
    let kind = kind(resource);
    let good = made(kind, bases::of(resource));
    let mut wrong = Vec::new();
    for (place, value, expected) in [("/metadata/labels/a", json!("b"), &[][..])].iter().chain(cases) {
        let object = made(kind, changed(bases::of(resource), place, value));
        let errors = [kind.strategy.validate(&object), kind.strategy.validate_create(&object)].concat();
        let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
        if !same(&found, expected) {
            wrong.push(format!("{resource} {place} {value}:\n  found {found:#?}\n  expected {expected:#?}"));
        }
    }
    report(&wrong);
    assert!(good.is_object());
}

/// What is said of a change of a stored object.
fn updates(resource: &str, old: &Value, cases: &[Case<'_>]) {
    let kind = kind(resource);
    let mut wrong = Vec::new();
    for (place, value, expected) in cases {
        let mut new = changed(old.clone(), place, value);
        kind.strategy.default(&mut new);
        kind.strategy.prepare_update(&mut new, old, &CONTEXT);
        let errors = kind.strategy.validate_update(&new, old, &CONTEXT);
        let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
        if !same(&found, expected) {
            wrong.push(format!("{resource} {place} {value}:\n  found {found:#?}\n  expected {expected:#?}"));
        }
    }
    report(&wrong);
}

#[test]
fn any_text_is_any_text() {
    for (message, expected, is) in
        [("a: b: c", "a: …: c", true), ("a: b: d", "a: …: c", false), ("ab", "a…", true), ("b", "a…", false)]
    {
        assert_eq!(fits(message, expected), is, "{message} {expected}");
    }
}
