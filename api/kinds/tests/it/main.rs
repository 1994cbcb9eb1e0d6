//! What holds for every kind in the table.

mod messages;

use podium_kinds::{Context, FACES, KINDS, Kind, docs::kinds_markdown};
use podium_types::{Timestamp, registry};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::PathBuf};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const CONTEXT: Context<'static> = Context { now: NOW, user: "test", subresource: "" };

/// A file of the published API's facts, where they are at hand.
fn fact(path: &str) -> Option<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kubernetes-v1.36");
    let text = std::fs::read(root.join(path)).ok();
    if text.is_none() {
        println!("skipped: no {path} beside this repository");
    }
    serde_json::from_slice(&text?).ok()
}

fn populated(kind: &Kind) -> Option<Value> {
    let group = if kind.group.is_empty() { "core" } else { kind.group };
    fact(&format!("objects/{group}.{}.{}.json", kind.versions[0], kind.kind))
}

/// Runs an object through everything a kind does with it.
fn exercise(kind: &Kind, object: &Value, old: &Value) {
    let cells = |object: &Value| assert_eq!((kind.row)(object, NOW).len(), kind.columns.len(), "{}", kind.kind);
    cells(object);
    let mut object = object.clone();
    kind.strategy.default(&mut object);
    let once = object.clone();
    kind.strategy.default(&mut object);
    assert_eq!(object, once, "defaults of {} settle at once", kind.kind);
    kind.strategy.prepare_create(&mut object, &CONTEXT);
    kind.strategy.validate(&object);
    kind.strategy.warnings(&object);
    for subresource in ["", "status", "ephemeralcontainers", "finalize"] {
        let context = Context { subresource, ..CONTEXT };
        let mut object = object.clone();
        kind.strategy.prepare_update(&mut object, old, &context);
        kind.strategy.validate_update(&object, old, &context);
        cells(&object);
    }
    for field in kind.selectable {
        assert!(kind.field(&object, field).is_some(), "{field}");
    }
    for face in FACES.iter().filter(|f| std::ptr::eq(f.stored, kind)) {
        let stored = face.store(face.show(object.clone()));
        assert!(stored["apiVersion"] == kind.api_version() || !stored.is_object());
    }
    if let Some(grace) = kind.graceful {
        assert!(grace(&object) >= 0);
    }
}

#[test]
fn names_are_unique_and_fit_together() {
    let mut seen = BTreeSet::new();
    for kind in KINDS {
        assert!(seen.insert(kind.resource), "{}", kind.resource);
        assert!(seen.insert(kind.schema), "{}", kind.schema);
        let suffix = if kind.group.is_empty() { String::new() } else { format!(".{}", kind.group) };
        assert_eq!(kind.resource, format!("{}{suffix}", kind.plural));
        assert_eq!(kind.list_kind, format!("{}List", kind.kind));
        assert!(std::ptr::eq(podium_kinds::by_resource(kind.resource).unwrap(), *kind));
        assert!(std::ptr::eq(podium_kinds::by_path(kind.group, kind.versions[0], kind.plural).unwrap(), *kind));
        assert!(std::ptr::eq(podium_kinds::by_kind(&kind.api_version(), kind.kind).unwrap(), *kind));
        assert!(registry::get(kind.schema).is_some(), "{} is not in the schema registry", kind.schema);
        assert_eq!(kind.columns.iter().filter(|c| c.format == "name").count(), 1, "{}", kind.kind);
    }
}

#[test]
fn discovery_is_that_of_kubernetes() {
    for kind in KINDS.iter().filter(|k| !k.live) {
        let path = if kind.group.is_empty() { "api".to_owned() } else { format!("apis__{}", kind.group) };
        let Some(list) = fact(&format!("discovery/{path}__{}.json", kind.versions[0])) else { return };
        let of = |name: &str| list["resources"].as_array().unwrap().iter().find(|r| r["name"] == name).cloned();
        let main = of(kind.plural).unwrap();
        let strings = |list: &[&str]| if list.is_empty() { Value::Null } else { json!(list) };
        assert_eq!(main["kind"], kind.kind);
        assert_eq!(main["singularName"], kind.singular);
        assert_eq!(main["namespaced"], kind.namespaced);
        assert_eq!(main["verbs"], json!(kind.verbs), "{}", kind.kind);
        assert_eq!(main["shortNames"], strings(kind.short_names), "{}", kind.kind);
        assert_eq!(main["categories"], strings(kind.categories), "{}", kind.kind);
        for sub in kind.subresources {
            let theirs = of(&format!("{}/{}", kind.plural, sub.name)).unwrap();
            assert_eq!(theirs["kind"], sub.kind, "{}/{}", kind.plural, sub.name);
            assert_eq!(theirs["verbs"], json!(sub.verbs), "{}/{}", kind.plural, sub.name);
            let (group, version) = sub.group_version.unzip();
            assert_eq!((theirs["group"].as_str(), theirs["version"].as_str()), (group, version));
        }
    }
}

#[test]
fn empty_and_full_objects_pass_through() {
    for kind in KINDS {
        exercise(kind, &json!({}), &json!({}));
        if let Some(full) = populated(kind) {
            exercise(kind, &full, &full);
            exercise(kind, &full, &json!({}));
        }
    }
}

#[test]
fn faces_give_back_what_was_stored() {
    for face in FACES {
        let (shown, kind) = (face.shown, face.stored);
        assert!(registry::get(shown.schema).is_some() && shown.resource == kind.resource);
        assert!(std::ptr::eq(podium_kinds::by_path(shown.group, shown.versions[0], shown.plural).unwrap(), shown));
        assert!(std::ptr::eq(podium_kinds::by_kind(&shown.api_version(), shown.kind).unwrap(), kind));
        let (Some(full), Some(stored)) = (populated(shown), populated(kind)) else { return };
        assert_eq!(face.show(face.store(full.clone())), full, "{}", shown.api_version());
        assert_eq!(face.store(face.show(stored.clone())), stored, "{}", shown.api_version());
        assert_eq!((shown.row)(&full, NOW).len(), shown.columns.len());
        for field in shown.selectable {
            assert!(shown.field(&stored, field).is_some_and(|value| !value.is_empty()), "{field}");
        }
    }
}

#[test]
fn an_unchanged_object_is_no_illegal_change() {
    for kind in KINDS {
        let Some(mut object) = populated(kind) else { continue };
        kind.strategy.default(&mut object);
        kind.strategy.prepare_create(&mut object, &CONTEXT);
        let mut new = object.clone();
        kind.strategy.default(&mut new);
        kind.strategy.prepare_update(&mut new, &object, &CONTEXT);
        let errors = kind.strategy.validate_update(&new, &object, &CONTEXT);
        assert_eq!(errors, [], "{}", kind.kind);
    }
}

#[test]
fn the_page_names_every_kind() {
    let page = kinds_markdown();
    for kind in KINDS {
        assert!(page.contains(&format!("## {} ({})\n", kind.kind, kind.api_version())));
    }
}

/// Any JSON, small.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~ä]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..3).prop_map(|m| json!(m)),
        ]
    })
}

/// Paths to all values within, as JSON pointers.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                pointers(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| pointers(v, &format!("{at}/{i}"), found)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing a client can write brings a kind down.
    #[test]
    fn odd_values_in_odd_places(kind in 0..KINDS.len(), place in any::<prop::sample::Index>(), odd in any_json()) {
        let kind = KINDS[kind];
        let Some(full) = populated(kind) else { return Ok(()) };
        let mut places = Vec::new();
        pointers(&full, "", &mut places);
        let mut object = full.clone();
        if let Some(slot) = object.pointer_mut(place.get::<String>(&places)) {
            *slot = odd;
        }
        exercise(kind, &object, &full);
        exercise(kind, &full, &object);
    }

    #[test]
    fn any_value_at_all(kind in 0..KINDS.len(), object in any_json(), old in any_json(), spec in any_json()) {
        exercise(KINDS[kind], &object, &old);
        exercise(KINDS[kind], &json!({"spec": spec}), &object);
    }
}
