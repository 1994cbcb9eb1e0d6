//! Strategic merge patch: lists merge by key where the schema says so.
//!
//! Follows k8s.io/apimachinery/pkg/util/strategicpatch. Directives: `$patch` (`replace`,
//! `delete`, `merge`), `$retainKeys`, `$deleteFromPrimitiveList/x`, `$setElementOrder/x`.

use podium_types::{
    ApiError,
    registry::{Field, FieldType, Type},
};
use serde_json::{Map, Value};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

type Object = Map<String, Value>;

/// Applies a strategic merge patch to an object of `schema`. 400 where the patch makes no sense.
pub fn strategic(schema: &'static Type, original: &Value, patch: &Value) -> Result<Value, ApiError> {
    let Value::Object(patch) = patch else {
        return Err(ApiError::bad_request("strategic merge patch: the patch must be an object"));
    };
    let original = original.as_object().cloned().unwrap_or_default();
    merge_object(original, patch, Shape::Type(schema)).map(Value::Object)
}

/// What is known of the value that is merged.
#[derive(Clone, Copy)]
enum Shape<'a> {
    Type(&'static Type),
    Map(&'a FieldType),
    Unknown,
}

impl<'a> Shape<'a> {
    fn of(ty: &'a FieldType) -> Self {
        match ty {
            FieldType::Ref(id) => Self::Type(id.get()),
            FieldType::Map(element) => Self::Map(element),
            _ => Self::Unknown,
        }
    }
    fn field(self, name: &str) -> Option<&'static Field> {
        if let Self::Type(ty) = self { ty.field(name) } else { None }
    }
    /// The shape of a member, and its field where it is one of a type.
    fn member(self, name: &str) -> Self {
        match self {
            Self::Type(ty) => ty.field(name).map_or(Self::Unknown, |f| Self::of(&f.ty)),
            Self::Map(element) => Self::of(element),
            Self::Unknown => Self::Unknown,
        }
    }
}

fn merge_object(mut original: Object, patch: &Object, shape: Shape<'_>) -> Result<Object, ApiError> {
    match patch.get(DIRECTIVE).map(|d| d.as_str().unwrap_or_default()) {
        Some("replace") => return Ok(without_directives(patch)),
        Some("delete") => return Ok(Object::new()),
        Some("merge") | None => {}
        Some(odd) => return Err(ApiError::bad_request(format!("Unknown patch type found: {odd}"))),
    }
    if let Some(keep) = patch.get(RETAIN_KEYS) {
        let keep: Vec<&str> = keep.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for name in patch.keys().filter(|n| !n.starts_with('$')) {
            if !patch[name].is_null() && !keep.contains(&name.as_str()) {
                return Err(ApiError::bad_request(format!(
                    "{RETAIN_KEYS} list must contain all the fields that are present in the patch: {name}"
                )));
            }
        }
        original.retain(|name, _| keep.contains(&name.as_str()));
    }
    for (key, list) in patch {
        let Some(name) = key.strip_prefix(DELETE) else { continue };
        let doomed = elements(key, list)?;
        if let Some(Value::Array(items)) = original.get_mut(name) {
            items.retain(|item| !doomed.contains(item));
        }
    }
    for (name, change) in patch.iter().filter(|(n, _)| !n.starts_with('$')) {
        if change.is_null() {
            original.remove(name);
            continue;
        }
        let old = original.remove(name);
        let merged = merge_member(old, change, shape.field(name), shape.member(name))?;
        if let Some(value) = merged {
            original.insert(name.clone(), value);
        }
    }
    for (key, order) in patch {
        let Some(name) = key.strip_prefix(ORDER) else { continue };
        let order = elements(key, order)?;
        let server_only = original.get_mut(name).and_then(Value::as_array_mut);
        if let Some(items) = server_only {
            reorder(items, order, shape.field(name).and_then(|f| f.merge_key));
        }
    }
    Ok(original)
}

fn elements<'a>(key: &str, list: &'a Value) -> Result<&'a [Value], ApiError> {
    let list = list.as_array().map(Vec::as_slice);
    list.ok_or_else(|| ApiError::bad_request(format!("strategic merge patch: {key} must be a list")))
}

/// The merged member; `None` where it goes.
fn merge_member(
    old: Option<Value>,
    change: &Value,
    field: Option<&'static Field>,
    shape: Shape<'_>,
) -> Result<Option<Value>, ApiError> {
    Ok(match (old, change) {
        (old, Value::Object(patch)) => {
            let deletes = patch.get(DIRECTIVE).is_some_and(|d| d == "delete");
            let replaces = field.is_some_and(|f| f.patch_replace) && !patch.contains_key(DIRECTIVE);
            let old = match old {
                Some(Value::Object(map)) if !replaces => map,
                _ => Object::new(),
            };
            let merged = merge_object(old, patch, shape)?;
            (!deletes).then_some(Value::Object(merged))
        }
        (old, Value::Array(patch)) => {
            let old = match old {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            };
            Some(Value::Array(merge_list(old, patch, field)?))
        }
        (_, scalar) => Some(scalar.clone()),
    })
}

fn merge_list(old: Vec<Value>, patch: &[Value], field: Option<&'static Field>) -> Result<Vec<Value>, ApiError> {
    let Some(field) = field.filter(|f| f.patch_merge) else {
        return Ok(patch.iter().filter(|item| item[DIRECTIVE] != "replace").map(cleaned).collect());
    };
    let mut merged = old;
    match field.merge_key {
        None => {
            for item in patch {
                if !merged.contains(item) {
                    merged.push(item.clone());
                }
            }
        }
        Some(key) => {
            if patch.iter().any(|item| item[DIRECTIVE] == "replace") {
                merged.clear();
            }
            let element = field.ty.element().map_or(Shape::Unknown, Shape::of);
            for item in patch {
                merge_element(&mut merged, item, key, element)?;
            }
        }
    }
    Ok(merged)
}

fn merge_element(merged: &mut Vec<Value>, item: &Value, key: &str, shape: Shape<'_>) -> Result<(), ApiError> {
    let Value::Object(change) = item else {
        return Err(ApiError::bad_request(format!("strategic merge patch: elements must be objects with key {key}")));
    };
    let directive = change.get(DIRECTIVE).and_then(Value::as_str);
    let Some(id) = change.get(key).filter(|v| !v.is_null()) else {
        // A bare `{"$patch": "replace"}` only empties the list.
        if directive == Some("replace") {
            return Ok(());
        }
        return Err(ApiError::bad_request(format!("map: {item} does not contain declared merge key: {key}")));
    };
    let place = merged.iter().position(|have| &have[key] == id);
    match (directive, place) {
        (Some("delete"), _) => merged.retain(|have| &have[key] != id),
        (_, Some(at)) => {
            let old = std::mem::take(&mut merged[at]);
            let old = if let Value::Object(map) = old { map } else { Object::new() };
            merged[at] = Value::Object(merge_object(old, change, shape)?);
        }
        (_, None) => merged.push(Value::Object(merge_object(Object::new(), change, shape)?)),
    }
    Ok(())
}

/// Puts the elements that `order` names into its order; the others keep their place among
/// what they followed.
fn reorder(items: &mut Vec<Value>, order: &[Value], key: Option<&str>) {
    let id = |item: &Value| key.map_or_else(|| item.clone(), |k| item[k].clone());
    let wanted: Vec<Value> = order.iter().map(&id).collect();
    let rank = |item: &Value| wanted.iter().position(|w| *w == id(item));
    let mut ranked: Vec<(usize, Value)> = Vec::with_capacity(items.len());
    let mut others: Vec<(usize, Value)> = Vec::new();
    for (place, item) in std::mem::take(items).into_iter().enumerate() {
        match rank(&item) {
            Some(rank) => ranked.push((rank, item)),
            None => others.push((place, item)),
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut made: Vec<Value> = ranked.into_iter().map(|(_, item)| item).collect();
    for (place, item) in others {
        made.insert(place.min(made.len()), item);
    }
    *items = made;
}

fn without_directives(patch: &Object) -> Object {
    patch
        .iter()
        .filter(|(name, value)| !name.starts_with('$') && !value.is_null())
        .map(|(name, value)| (name.clone(), cleaned(value)))
        .collect()
}

/// A value of a patch as it is stored: without directives and without `null` members.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_directives(map)),
        Value::Array(items) => Value::Array(items.iter().map(cleaned).collect()),
        scalar => scalar.clone(),
    }
}
