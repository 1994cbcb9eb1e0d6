//! Whether a value already is what reading it over its schema would make of it.
//!
//! Most values that patches make are; they need not be taken apart and put together again.

use super::scalar;
use podium_types::registry::{FieldType, Shape, Type};
use serde_json::{Map, Value};

/// Every field known, of its type and in its canonical form, and no `null` but where anything goes.
pub(super) fn is_canonical(value: &Value, schema: &Type) -> bool {
    value.as_object().is_some_and(|map| fields(map, schema))
}

fn fields(map: &Map<String, Value>, ty: &Type) -> bool {
    map.iter().all(|(name, value)| ty.field(name).is_some_and(|field| fits(value, &field.ty)))
}

fn fits(value: &Value, ty: &FieldType) -> bool {
    match (ty, value) {
        (FieldType::Any, _) => true,
        (FieldType::Ref(id), value) => named(value, id.get()),
        (FieldType::List(element), Value::Array(items)) => items.iter().all(|item| fits(item, element)),
        (FieldType::Map(element), Value::Object(map)) => map.values().all(|value| fits(value, element)),
        (_, Value::Object(_) | Value::Array(_)) => false,
        (_, value) => scalar::is_plain(value, ty).unwrap_or(false),
    }
}

fn named(value: &Value, ty: &Type) -> bool {
    match (ty.shape, value) {
        (Shape::Object, Value::Object(map)) => fields(map, ty),
        (Shape::Raw | Shape::FieldsV1, Value::Object(_)) => true,
        (Shape::Json, value) => !value.is_null(),
        (Shape::IntOrString | Shape::Duration, Value::String(_)) => true,
        (Shape::IntOrString, Value::Number(n)) => scalar::is_int32(n),
        (shape, Value::String(text)) => matches!(scalar::canonical(value, shape), Ok(Some(made)) if made == *text),
        _ => false,
    }
}
