//! Messages to JSON objects.

use super::{Broken, special, wire};
use base64::{Engine, engine::general_purpose::STANDARD};
use podium_types::registry::{Field, FieldType, Shape, Type};
use serde_json::{Map, Value, json};

/// Entries of a protobuf map, and the one field of a wrapped list.
pub(super) const KEY: u32 = 1;
pub(super) const VALUE: u32 = 2;
pub(super) const ITEMS: u32 = 1;

/// The JSON object of a message.
pub(super) fn decode(bytes: &[u8], schema: &Type, depth: usize) -> Result<Map<String, Value>, Broken> {
    let depth = depth.checked_sub(1).ok_or("it nests too deep")?;
    let mut made = Map::new();
    for field in wire::Fields::new(bytes) {
        let (tag, value) = field?;
        if let Some(field) = schema.field_by_tag(tag) {
            put(&mut made, field, value, depth)?;
        } else if let Some(embedded) = schema.embedded.iter().find(|e| e.tag == tag) {
            made.extend(decode(value.bytes()?, embedded.message.get(), depth)?);
        }
    }
    Ok(made)
}

fn put(made: &mut Map<String, Value>, field: &Field, value: wire::Wire<'_>, depth: usize) -> Result<(), Broken> {
    match &field.ty {
        FieldType::List(_) if field.wrapped => {
            made.insert(field.name.to_owned(), strings(value.bytes()?)?);
        }
        FieldType::List(element) => {
            let item = one(element, value, depth)?;
            if let Value::Array(items) = made.entry(field.name).or_insert_with(|| json!([])) {
                items.push(item);
            }
        }
        FieldType::Map(element) => {
            let (key, item) = entry(field, element, value.bytes()?, depth)?;
            if let Value::Object(map) = made.entry(field.name).or_insert_with(|| json!({})) {
                map.insert(key, item);
            }
        }
        ty => {
            let item = one(ty, value, depth)?;
            // Go writes what is not behind a pointer even when it is empty; its JSON leaves that out.
            let absent = item.is_null() || !field.pointer && !field.required && is_zero(&item);
            if absent {
                made.remove(field.name);
            } else {
                made.insert(field.name.to_owned(), item);
            }
        }
    }
    Ok(())
}

/// Whether Go's JSON omits it (`omitempty`): its type's zero value.
fn is_zero(item: &Value) -> bool {
    item == "" || *item == false || *item == 0
}

/// A message whose only field is a list of strings.
fn strings(bytes: &[u8]) -> Result<Value, Broken> {
    let mut list = Vec::new();
    for field in wire::Fields::new(bytes) {
        let (tag, value) = field?;
        if tag == ITEMS {
            list.push(json!(value.text()?));
        }
    }
    Ok(Value::Array(list))
}

fn entry(field: &Field, element: &FieldType, bytes: &[u8], depth: usize) -> Result<(String, Value), Broken> {
    let mut key = String::new();
    let mut item = None;
    for part in wire::Fields::new(bytes) {
        let (tag, value) = part?;
        match tag {
            KEY => value.text()?.clone_into(&mut key),
            VALUE if field.wrapped => item = Some(strings(value.bytes()?)?),
            VALUE => item = Some(one(element, value, depth)?),
            _ => {}
        }
    }
    // Protobuf leaves out a value that is empty.
    Ok((key, item.unwrap_or_else(|| empty(element))))
}

fn empty(ty: &FieldType) -> Value {
    match ty {
        FieldType::String | FieldType::Bytes => json!(""),
        FieldType::List(_) => json!([]),
        FieldType::Boolean => json!(false),
        FieldType::Int32 | FieldType::Int64 | FieldType::Number => json!(0),
        FieldType::Ref(id) if id.get().shape == Shape::Quantity => json!("0"),
        FieldType::Map(_) | FieldType::Ref(_) => json!({}),
        FieldType::Any => Value::Null,
    }
}

/// One value of a field, an element of a list or a value of a map.
fn one(ty: &FieldType, value: wire::Wire<'_>, depth: usize) -> Result<Value, Broken> {
    Ok(match ty {
        FieldType::String => json!(value.text()?),
        FieldType::Bytes => json!(STANDARD.encode(value.bytes()?)),
        FieldType::Int32 => json!(i32::try_from(value.integer()?).map_err(|e| e.to_string())?),
        FieldType::Int64 => json!(value.integer()?),
        FieldType::Number => json!(value.number()?),
        FieldType::Boolean => json!(value.integer()? != 0),
        FieldType::Any => serde_json::from_slice(value.bytes()?).map_err(|e| e.to_string())?,
        FieldType::Ref(id) => match id.get().shape {
            Shape::Object => Value::Object(decode(value.bytes()?, id.get(), depth)?),
            shape => special::decode(shape, value.bytes()?, depth)?,
        },
        FieldType::List(_) | FieldType::Map(_) => return Err("a list within a list".to_owned()),
    })
}
