//! Server-side apply of damaged configurations over damaged managed fields.

use crate::{
    bounds::held,
    mutate::damaged,
    objects::{KINDS, Keys, choices, chosen, plain as bare},
    seeds,
};
use podium_machinery::apply::{self, Manager, Operation};
use podium_types::registry::{self, Field, FieldType, ListType, Type};
use proptest::{collection::btree_map, option, prelude::*};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

fn manager(name: &str) -> Manager<'_> {
    let api_version = "apps/v1";
    Manager { name, operation: Operation::Apply, api_version, subresource: "", now: "2024-01-01T00:00:00Z" }
}

/// The object without its managed fields.
fn plain(mut object: Value) -> Value {
    object["metadata"].as_object_mut().and_then(|metadata| metadata.remove("managedFields"));
    object
}

fn read(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice::<Value>(bytes).ok().filter(|v| v.is_object() && (v["metadata"].is_object()))
}

proptest! {
    #[test]
    fn a_configuration_applied_twice_is_applied_once(bytes in damaged(vec![seeds::json_text()])) {
        let Some(config) = read(&bytes) else { return Ok(()) };
        let schema = seeds::schema();
        if apply::check(schema, &config).is_err() {
            return Ok(());
        }
        let live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
        let by = manager("one");
        let once = held(bytes.len(), || apply::applied(schema, &live, &config, &by, true));
        if let Ok(once) = once {
            prop_assert_eq!(&apply::applied(schema, &once, &config, &by, false).unwrap(), &once);
        }
    }

    #[test]
    fn managed_fields_of_any_form(bytes in damaged(vec![fields()])) {
        let Ok(list) = serde_json::from_slice::<Value>(&bytes) else { return Ok(()) };
        let mut live = seeds::deployment();
        live["metadata"]["managedFields"] = list;
        let config = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": 5}});
        held(bytes.len(), || apply::chosen(&live));
        held(bytes.len(), || apply::applied(seeds::schema(), &live, &config, &manager("one"), true).is_ok());
        held(bytes.len(), || {
            let mut new = live.clone();
            new["spec"]["replicas"] = json!(6);
            apply::updated(seeds::schema(), &live, &mut new, &manager("two"));
        });
    }

    /// The model: a label is there while somebody applies it, with the value of who forced it last.
    #[test]
    fn appliers_agree_with_a_model(steps in proptest::collection::vec((0..3usize, labels()), 1..8)) {
        let names = ["one", "two", "three"];
        let mut live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
        let mut owned: [BTreeMap<String, String>; 3] = Default::default();
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for (who, config) in steps {
            let set: Map<String, Value> = config.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
            let wish = json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "labels": set}});
            live = apply::applied(seeds::schema(), &live, &wish, &manager(names[who]), true).unwrap();
            for (name, value) in &config {
                if values.get(name) != Some(value) {
                    // Who is overruled does not have it any more.
                    owned.iter_mut().for_each(|theirs| drop(theirs.remove(name)));
                }
                values.insert(name.clone(), value.clone());
            }
            owned[who] = config;
            values.retain(|name, _| owned.iter().any(|theirs| theirs.contains_key(name)));
            let found = plain(live.clone())["metadata"]["labels"].clone();
            let found: BTreeMap<String, String> = serde_json::from_value(found).unwrap_or_default();
            prop_assert_eq!(&found, &values);
        }
    }
}

/// What an object says, but for its name, which nobody owns and the server sets.
fn nameless(object: Value) -> Value {
    let mut object = plain(object);
    object["metadata"].as_object_mut().and_then(|metadata| metadata.remove("name"));
    bare(&object)
}

/// Whether all of a configuration is in an object.
fn holds(ty: &'static Type, object: &Value, config: &Value) -> bool {
    config.as_object().into_iter().flatten().all(|(name, wanted)| match ty.field(name) {
        Some(field) => has(field, &object[name], wanted),
        None => &object[name] == wanted,
    })
}

fn has(field: &'static Field, found: &Value, wanted: &Value) -> bool {
    let of = |value: &Value| value.as_array().cloned().unwrap_or_default();
    match (&field.ty, field.list_type) {
        _ if field.atomic == Some(true) => found == wanted,
        (FieldType::Ref(id), _) => value_has(&field.ty, field.atomic == Some(false) || !id.get().atomic, found, wanted),
        (FieldType::List(_), ListType::Set) => of(wanted).iter().all(|item| of(found).contains(item)),
        (FieldType::List(element), ListType::Map) => of(wanted).iter().all(|item| {
            let same = |other: &&Value| field.map_keys.iter().all(|key| other[*key] == item[*key]);
            of(found).iter().find(same).is_some_and(|other| value_has(element, true, other, item))
        }),
        (FieldType::Map(element), _) => {
            let mut pairs = wanted.as_object().into_iter().flatten();
            pairs.all(|(key, value)| value_has(element, true, &found[key], value))
        }
        _ => found == wanted,
    }
}

fn value_has(ty: &'static FieldType, parts: bool, found: &Value, wanted: &Value) -> bool {
    match ty.named().filter(|ty| parts && !ty.fields.is_empty()) {
        Some(ty) => holds(ty, found, wanted),
        None => found == wanted,
    }
}

proptest! {
    /// Over schemas with keyed lists, sets, atomic and nested values.
    #[test]
    fn what_is_applied_is_there_and_goes_again(kind in 0..KINDS.len(), live in choices(), wish in choices()) {
        let ty = registry::by_kind(KINDS[kind].0, KINDS[kind].1).unwrap();
        let [other, config] = [live, wish].map(|bytes| chosen(ty, Keys::Apply, &bytes));
        let nothing = json!({"metadata": {"name": "x"}});
        prop_assert_eq!(apply::check(ty, &config), Ok(()));
        let live = apply::applied(ty, &nothing, &other, &manager("two"), true).unwrap();
        let by = manager("one");
        let once = held(config.to_string().len(), || apply::applied(ty, &live, &config, &by, true)).unwrap();
        prop_assert!(holds(ty, &once, &config), "{} without {}", once, config);
        prop_assert_eq!(&apply::applied(ty, &once, &config, &by, false).unwrap(), &once);
        // Nobody else's: it goes with the one who applied it.
        let alone = apply::applied(ty, &nothing, &config, &by, false).unwrap();
        let gone = apply::applied(ty, &alone, &nothing, &by, false).unwrap();
        prop_assert_eq!(nameless(gone), json!({}), "{}", config);
        // Two who want the same have it together: it stays with the other.
        let both = apply::applied(ty, &live, &other, &by, false).unwrap();
        let left = apply::applied(ty, &both, &nothing, &by, false).unwrap();
        prop_assert_eq!(nameless(left), nameless(live));
    }
}

/// What a manager wants of labels a to d.
fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let wishes = btree_map(proptest::sample::select(vec!["a", "b", "c", "d"]), option::of(0..3u8), 0..4);
    wishes.prop_map(|wishes| {
        let some = wishes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_string())));
        some.collect()
    })
}

/// Managed fields as two managers leave them.
fn fields() -> Vec<u8> {
    let mut live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
    for name in ["one", "two"] {
        live = apply::applied(seeds::schema(), &live, &seeds::deployment(), &manager(name), true).unwrap();
    }
    live["metadata"]["managedFields"].to_string().into_bytes()
}
