//! Three-way merges as `kubectl apply` does them on the client's side, against a model.
//!
//! The client compares what it applied last, what it applies now and what is there, and sends a
//! strategic merge patch; here both are written a second time, as simply as can be. The model
//! never sees a patch: what is applied now wins, what was applied last and is not any more goes,
//! all else stays.

use crate::{
    bounds::held,
    objects::{KINDS, Keys, choices, chosen, plain},
};
use podium_machinery::patch;
use podium_types::registry::{self, Field, FieldType, Type};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What the schema says of an object: the type of its members.
#[derive(Clone, Copy)]
enum Of {
    Type(&'static Type),
    Map(&'static FieldType),
    Nothing,
}

impl Of {
    fn typed(ty: &'static FieldType) -> Self {
        match ty {
            FieldType::Ref(id) => Self::Type(id.get()),
            FieldType::Map(element) => Self::Map(element),
            _ => Self::Nothing,
        }
    }
    fn field(self, name: &str) -> Option<&'static Field> {
        if let Self::Type(ty) = self { ty.field(name) } else { None }
    }
    fn member(self, name: &str) -> Self {
        match self {
            Self::Type(ty) => ty.field(name).map_or(Self::Nothing, |field| Self::typed(&field.ty)),
            Self::Map(element) => Self::typed(element),
            Self::Nothing => Self::Nothing,
        }
    }
    /// The element type of a list at that member.
    fn element(self, name: &str) -> Self {
        self.field(name).and_then(|field| field.ty.element()).map_or(Self::Nothing, Self::typed)
    }
}

/// How a member merges.
enum Way {
    Object,
    Keyed(&'static str),
    Primitive,
    Whole,
}

fn way(of: Of, name: &str, value: &Value) -> Way {
    let field = of.field(name);
    match value {
        Value::Object(_) if !field.is_some_and(|f| f.patch_replace) => Way::Object,
        Value::Array(_) if field.is_some_and(|f| f.patch_merge) => {
            field.and_then(|f| f.merge_key).map_or(Way::Primitive, Way::Keyed)
        }
        _ => Way::Whole,
    }
}

fn retains(of: Of, name: &str) -> bool {
    of.field(name).is_some_and(|field| field.retain_keys)
}

/// The three sides of a merge.
#[derive(Clone, Copy)]
struct Sides<'a> {
    last: &'a Value,
    now: &'a Value,
    live: &'a Value,
}

impl<'a> Sides<'a> {
    fn member(self, name: &str) -> Self {
        Self { last: &self.last[name], now: &self.now[name], live: &self.live[name] }
    }
    fn element(self, key: &str, id: &Value) -> Self {
        let find = |list: &'a Value| items(list).iter().find(|e| &e[key] == id).unwrap_or(&Value::Null);
        Self { last: find(self.last), now: find(self.now), live: find(self.live) }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn names(value: &Value) -> impl Iterator<Item = &String> {
    value.as_object().into_iter().flat_map(Map::keys)
}

/// What the live object must become.
fn model(of: Of, sides: Sides<'_>, retain: bool) -> Value {
    let mut made = Map::new();
    for name in names(sides.live).filter(|name| !retain || sides.now.get(name.as_str()).is_some()) {
        if sides.now.get(name).is_some() || sides.last.get(name).is_none() {
            made.insert(name.clone(), sides.live[name].clone());
        }
    }
    for name in names(sides.now) {
        let of_member = sides.member(name);
        let value = match way(of, name, of_member.now) {
            Way::Object => model(of.member(name), of_member, retains(of, name)),
            Way::Whole => of_member.now.clone(),
            Way::Primitive => {
                let gone = |item: &Value| items(of_member.last).contains(item) && !items(of_member.now).contains(item);
                let stays = items(of_member.live).iter().filter(|item| !items(of_member.now).contains(item));
                items(of_member.now).iter().chain(stays.filter(|item| !gone(item))).cloned().collect()
            }
            Way::Keyed(key) => {
                let element =
                    |item: &Value| model(of.element(name), of_member.element(key, &item[key]), retains(of, name));
                let has = |list: &Value, item: &Value| items(list).iter().any(|other| other[key] == item[key]);
                let stays = items(of_member.live).iter();
                let stays = stays.filter(|item| !has(of_member.now, item) && !has(of_member.last, item));
                items(of_member.now).iter().map(element).chain(stays.cloned()).collect()
            }
        };
        made.insert(name.clone(), value);
    }
    Value::Object(made)
}

/// The patch that a client sends.
fn delta(of: Of, sides: Sides<'_>, retain: bool) -> Map<String, Value> {
    let mut patch = Map::new();
    for name in names(sides.last).filter(|name| sides.now.get(name.as_str()).is_none()) {
        patch.insert(name.clone(), Value::Null);
    }
    for name in names(sides.now).filter(|name| sides.now[name.as_str()] != sides.live[name.as_str()]) {
        let of_member = sides.member(name);
        match way(of, name, of_member.now) {
            Way::Object if of_member.live.is_object() => {
                let inner = delta(of.member(name), of_member, retains(of, name));
                if !inner.is_empty() {
                    patch.insert(name.clone(), Value::Object(inner));
                }
            }
            Way::Keyed(key) if of_member.live.is_array() => keyed(&mut patch, of, name, key, of_member),
            Way::Primitive if of_member.live.is_array() => primitive(&mut patch, name, of_member),
            _ => drop(patch.insert(name.clone(), of_member.now.clone())),
        }
    }
    let other = names(sides.live).any(|name| sides.now.get(name).is_none());
    if retain && (other || !patch.is_empty()) {
        let kept: Vec<&String> = names(sides.now).collect();
        patch.insert("$retainKeys".to_owned(), json!(kept));
    }
    patch
}

fn keyed(patch: &mut Map<String, Value>, of: Of, name: &str, key: &str, sides: Sides<'_>) {
    let mut changes = Vec::new();
    for item in items(sides.now) {
        let of_element = sides.element(key, &item[key]);
        if of_element.live.is_null() {
            changes.push(item.clone());
            continue;
        }
        let mut change = delta(of.element(name), of_element, retains(of, name));
        if !change.is_empty() {
            change.insert(key.to_owned(), item[key].clone());
            changes.push(Value::Object(change));
        }
    }
    for item in items(sides.last).iter().filter(|item| sides.element(key, &item[key]).now.is_null()) {
        changes.push(json!({"$patch": "delete", key: item[key]}));
    }
    let order: Vec<Value> = items(sides.now).iter().map(|item| json!({key: item[key]})).collect();
    patch.insert(format!("$setElementOrder/{name}"), Value::Array(order));
    if !changes.is_empty() {
        patch.insert(name.to_owned(), Value::Array(changes));
    }
}

fn primitive(patch: &mut Map<String, Value>, name: &str, sides: Sides<'_>) {
    let without = |list: &Value, others: &Value| -> Vec<Value> {
        items(list).iter().filter(|item| !items(others).contains(item)).cloned().collect()
    };
    let (new, gone) = (without(sides.now, sides.live), without(sides.last, sides.now));
    patch.insert(format!("$setElementOrder/{name}"), sides.now.clone());
    if !new.is_empty() {
        patch.insert(name.to_owned(), Value::Array(new));
    }
    if !gone.is_empty() {
        patch.insert(format!("$deleteFromPrimitiveList/{name}"), Value::Array(gone));
    }
}

/// The same object with merged lists in an order of their own: where the others' elements stand, nobody promises.
fn sorted(of: Of, value: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    let member = |(name, value): (&String, &Value)| {
        let made = match way(of, name, value) {
            Way::Object => sorted(of.member(name), value),
            Way::Whole => value.clone(),
            Way::Keyed(_) | Way::Primitive => {
                let mut list: Vec<Value> = items(value).iter().map(|item| sorted(of.element(name), item)).collect();
                list.sort_by_key(Value::to_string);
                Value::Array(list)
            }
        };
        (name.clone(), made)
    };
    Value::Object(map.iter().map(member).collect())
}

/// Whether the elements that are applied now stand in the order in which they are applied.
fn in_order(of: Of, now: &Value, made: &Value) -> bool {
    names(now).all(|name| {
        let (now, made) = (&now[name], &made[name]);
        match way(of, name, now) {
            Way::Object => in_order(of.member(name), now, made),
            Way::Whole => true,
            Way::Primitive => items(made).iter().filter(|item| items(now).contains(item)).eq(items(now)),
            Way::Keyed(key) => {
                let wanted: Vec<&Value> = items(now).iter().map(|item| &item[key]).collect();
                items(made).iter().map(|item| &item[key]).filter(|id| wanted.contains(id)).eq(wanted.iter().copied())
            }
        }
    })
}

proptest! {
    #[test]
    fn merges_agree_with_a_model(kind in 0..KINDS.len(), last in choices(), now in choices(), live in choices()) {
        let ty = registry::by_kind(KINDS[kind].0, KINDS[kind].1).unwrap();
        let [last, now, live] = [last, now, live].map(|bytes| chosen(ty, Keys::Merge, &bytes));
        let sides = Sides { last: &last, now: &now, live: &live };
        let patch = Value::Object(delta(Of::Type(ty), sides, false));
        let made = held(patch.to_string().len(), || patch::strategic(ty, &live, &patch)).unwrap();
        let expected = model(Of::Type(ty), sides, false);
        let shown = |value: &Value| plain(&sorted(Of::Type(ty), value));
        prop_assert_eq!(shown(&made), shown(&expected), "{}", patch);
        prop_assert!(in_order(Of::Type(ty), &now, &made), "{} by {}", made, patch);
        // Applied a second time there is nothing to do.
        let again = Sides { last: &now, now: &now, live: &made };
        let settled = Value::Object(delta(Of::Type(ty), again, false));
        let twice = patch::strategic(ty, &made, &settled).unwrap();
        prop_assert_eq!(plain(&twice), plain(&made), "{}", settled);
    }
}

#[test]
fn the_sides_that_kubectl_documents() {
    let ty = registry::by_kind("v1", "Pod").unwrap();
    let pod = |containers: Value| json!({"spec": {"containers": containers}});
    let last = pod(json!([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]));
    let now = pod(json!([{"name": "a", "image": "2"}, {"name": "c", "image": "1"}]));
    let live = pod(json!([{"name": "a", "image": "1", "tty": true}, {"name": "b", "image": "1"}, {"name": "d"}]));
    let expected = pod(json!([{"name": "a", "image": "2", "tty": true}, {"name": "c", "image": "1"}, {"name": "d"}]));
    let sides = Sides { last: &last, now: &now, live: &live };
    assert_eq!(model(Of::Type(ty), sides, false), expected);
    let patch = Value::Object(delta(Of::Type(ty), sides, false));
    assert_eq!(sorted(Of::Type(ty), &patch::strategic(ty, &live, &patch).unwrap()), sorted(Of::Type(ty), &expected));
}
