//! Objects as their schemas have them: any field, small values, elements told apart by their keys.

use podium_types::registry::{self, Field, FieldType, ListType, Shape, Type};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// How deep objects go.
const DEPTH: usize = 7;
/// Most bytes that one object is chosen by.
const CHOICES: usize = 160;
/// Kinds with keyed lists, sets, atomic values, and structures that merge in ways of their own.
pub const KINDS: &[(&str, &str)] = &[
    ("apps/v1", "Deployment"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "PersistentVolumeClaim"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
];

/// What tells the elements of a list apart.
#[derive(Clone, Copy)]
pub enum Keys {
    /// The keys of server-side apply.
    Apply,
    /// The one key of strategic merges.
    Merge,
}

/// The bytes that decide; no more of them means "no" and "the first".
pub struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(*self.0.next().unwrap_or(&0)) % bound.max(1)
    }
}

/// Bytes to choose an object by.
pub fn choices() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..CHOICES)
}

/// The object that some bytes choose.
pub fn chosen(ty: &'static Type, keys: Keys, bytes: &[u8]) -> Value {
    let mut choices = Choices(bytes.iter());
    let mut made = json!({});
    while choices.0.len() > 0 {
        for field in ["metadata", "spec"].iter().filter_map(|name| ty.field(name)).chain(&ty.fields) {
            if choices.0.len() > 0 && !is_identity(field) {
                let value = of_field(&mut choices, field, keys, DEPTH);
                lay(&mut made, field.name, value);
            }
        }
    }
    // Sets of primitive values are few, and these are on every object.
    if let Some(field) = registry::get(META).and_then(|ty| ty.field("finalizers")).filter(|_| !bytes.is_empty()) {
        made["metadata"]["finalizers"] = of_field(&mut Choices(bytes.iter()), field, keys, DEPTH);
    }
    made["metadata"] = json!({"name": "x", "labels": made["metadata"]["labels"].take(),
        "finalizers": made["metadata"]["finalizers"].take(),
        "ownerReferences": made["metadata"]["ownerReferences"].take()});
    if let Some(metadata) = made["metadata"].as_object_mut() {
        metadata.retain(|_, value| !value.is_null());
    }
    made
}

/// Members of an object that came before stay.
fn lay(object: &mut Value, name: &str, value: Value) {
    match (&mut object[name], value) {
        (Value::Object(old), Value::Object(new)) => old.extend(new),
        (old, new) => *old = new,
    }
}

/// What says which object it is, which no merge is about.
fn is_identity(field: &Field) -> bool {
    matches!(field.name, "apiVersion" | "kind" | "status")
}

fn of_field(choices: &mut Choices<'_>, field: &'static Field, keys: Keys, depth: usize) -> Value {
    let FieldType::List(element) = &field.ty else { return of_type(choices, &field.ty, keys, depth) };
    let told_apart: Vec<&'static str> = match keys {
        Keys::Apply if field.list_type == ListType::Map => field.map_keys.clone(),
        Keys::Merge if field.patch_merge => field.merge_key.into_iter().collect(),
        _ => Vec::new(),
    };
    let unique = field.list_type == ListType::Set || field.patch_merge;
    let mut list: Vec<Value> = Vec::new();
    for _ in 0..choices.below(4) {
        let mut made = of_type(choices, element, keys, depth.saturating_sub(1));
        for key in &told_apart {
            let ty = element.named().and_then(|ty| ty.field(key)).map_or(&FieldType::String, |f| &f.ty);
            made[*key] = of_type(choices, ty, keys, 0);
        }
        let is_there = list.iter().any(|other| match told_apart[..] {
            [] => unique && *other == made,
            _ => told_apart.iter().all(|key| other[*key] == made[*key]),
        });
        if !is_there {
            list.push(made);
        }
    }
    Value::Array(list)
}

fn of_type(choices: &mut Choices<'_>, ty: &'static FieldType, keys: Keys, depth: usize) -> Value {
    let number = choices.below(3);
    match ty {
        FieldType::String | FieldType::Bytes => json!(["a", "b", "c"][number]),
        FieldType::Int32 | FieldType::Int64 | FieldType::Number => json!(number + 1),
        FieldType::Boolean => json!(number > 0),
        FieldType::Any => json!({"x": number}),
        FieldType::List(element) => {
            (0..number).map(|_| of_type(choices, element, keys, depth.saturating_sub(1))).collect()
        }
        FieldType::Map(element) => {
            let value = |choices: &mut Choices<'_>| of_type(choices, element, keys, depth.saturating_sub(1));
            let pairs = (0..number).map(|_| (["a", "b", "c"][choices.below(3)].to_owned(), value(choices)));
            Value::Object(pairs.collect())
        }
        FieldType::Ref(id) => of_shape(choices, id.get(), keys, depth, number),
    }
}

fn of_shape(choices: &mut Choices<'_>, ty: &'static Type, keys: Keys, depth: usize, number: usize) -> Value {
    match ty.shape {
        Shape::Object => {
            let mut made = Map::new();
            let count = if depth == 0 { 0 } else { choices.below(5) };
            for _ in 0..count {
                if let Some(field) = ty.fields.get(choices.below(ty.fields.len())) {
                    made.insert(field.name.to_owned(), of_field(choices, field, keys, depth.saturating_sub(1)));
                }
            }
            Value::Object(made)
        }
        Shape::Time => json!(format!("2024-01-0{}T00:00:00Z", number + 1)),
        Shape::MicroTime => json!(format!("2024-01-0{}T00:00:00.000000Z", number + 1)),
        Shape::Duration => json!(format!("{}s", number + 1)),
        Shape::Quantity => json!((number + 1).to_string()),
        Shape::IntOrString => [json!(1), json!("25%"), json!(2)][number].clone(),
        _ => json!({"x": number}),
    }
}

/// The value without what says nothing: empty objects and lists, and null.
pub fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().map(|(name, value)| (name.clone(), plain(value))).filter(|(_, v)| !is_nothing(v));
            Value::Object(kept.collect())
        }
        Value::Array(list) => list.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

#[test]
fn many_bytes_choose_deep_objects() {
    let ty = podium_types::registry::by_kind("apps/v1", "Deployment").unwrap();
    let bytes: Vec<u8> = (0..4000u32).map(|i| u8::try_from(i.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    let text = chosen(ty, Keys::Apply, &bytes).to_string();
    assert!(text.len() > 200 && text.contains("spec"), "{text}");
    assert_eq!(plain(&chosen(ty, Keys::Apply, &[])), json!({"metadata": {"name": "x"}}));
}
