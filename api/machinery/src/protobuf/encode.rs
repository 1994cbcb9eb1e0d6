//! JSON objects to messages.

use super::{
    MAGIC, event,
    message::{ITEMS, KEY, VALUE},
    special, unknown,
    wire::Writer,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use podium_types::registry::{self, Field, FieldType, Shape, Type};
use serde_json::{Value, json};

/// The body of an object that carries `apiVersion` and `kind`; `None` where its type is not known.
pub fn encode(object: &Value) -> Option<Vec<u8>> {
    let schema = registry::by_kind(object["apiVersion"].as_str()?, object["kind"].as_str()?)?;
    Some(encode_as(object, schema))
}

/// The body of an object of `schema`.
pub fn encode_as(object: &Value, schema: &'static Type) -> Vec<u8> {
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    envelope(text("apiVersion"), text("kind"), &message(object, schema))
}

fn envelope(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    let mut meta = Writer::default();
    meta.bytes(unknown::API_VERSION, api_version.as_bytes());
    meta.bytes(unknown::KIND, kind.as_bytes());
    let mut envelope = Writer { out: MAGIC.to_vec() };
    envelope.bytes(unknown::TYPE_META, &meta.out);
    envelope.bytes(unknown::RAW, message);
    envelope.bytes(unknown::CONTENT_ENCODING, b"");
    envelope.bytes(unknown::CONTENT_TYPE, b"");
    envelope.out
}

/// The body of a list; `None` where its type is not known. One object at a time is looked at.
pub fn encode_list(
    api_version: &str,
    kind: &str,
    metadata: &Value,
    objects: impl Iterator<Item = Value>,
) -> Option<Vec<u8>> {
    let schema = registry::by_kind(api_version, kind)?;
    let items = schema.field("items")?;
    let element = items.ty.element()?.named()?;
    let head = json!({"metadata": metadata});
    let mut list = Writer { out: message(&head, schema) };
    for object in objects {
        list.bytes(items.tag, &message(&object, element));
    }
    Some(envelope(api_version, kind, &list.out))
}

/// A frame of a watch: its length, and a `WatchEvent` around the body of an object.
pub fn encode_event(word: &str, object: &[u8]) -> Vec<u8> {
    let mut raw = Writer::default();
    raw.bytes(event::RAW, object);
    let mut made = Writer::default();
    made.bytes(event::TYPE, word.as_bytes());
    made.bytes(event::OBJECT, &raw.out);
    // A frame is far smaller than four gigabytes: an object is at most a few megabytes.
    let length = u32::try_from(made.out.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), made.out.as_slice()].concat()
}

/// Whether a type has a number for each of its fields, and so can be written as protobuf.
pub fn encodable(schema: &Type) -> bool {
    schema.fields.iter().all(|f| f.tag > 0 || matches!(f.name, "apiVersion" | "kind"))
}

/// The message of an object, without an envelope.
pub(super) fn message(object: &Value, schema: &Type) -> Vec<u8> {
    let mut out = Writer::default();
    for field in schema.fields.iter().filter(|f| f.tag > 0) {
        let value = &object[field.name];
        if !value.is_null() {
            put(&mut out, field, value);
        }
    }
    for embedded in &schema.embedded {
        let inner = message(object, embedded.message.get());
        if !inner.is_empty() {
            out.bytes(embedded.tag, &inner);
        }
    }
    out.out
}

fn put(out: &mut Writer, field: &Field, value: &Value) {
    match (&field.ty, value) {
        (FieldType::List(_), Value::Array(items)) if field.wrapped => out.bytes(field.tag, &strings(items)),
        (FieldType::List(element), Value::Array(items)) => items.iter().for_each(|i| one(out, field.tag, element, i)),
        (FieldType::Map(element), Value::Object(map)) => {
            for (key, item) in map {
                let mut entry = Writer::default();
                entry.bytes(KEY, key.as_bytes());
                match item {
                    Value::Array(items) if field.wrapped => entry.bytes(VALUE, &strings(items)),
                    item => one(&mut entry, VALUE, element, item),
                }
                out.bytes(field.tag, &entry.out);
            }
        }
        (ty, value) => one(out, field.tag, ty, value),
    }
}

fn strings(items: &[Value]) -> Vec<u8> {
    let mut out = Writer::default();
    for item in items {
        out.bytes(ITEMS, item.as_str().unwrap_or_default().as_bytes());
    }
    out.out
}

fn one(out: &mut Writer, tag: u32, ty: &FieldType, value: &Value) {
    match ty {
        FieldType::String => out.bytes(tag, value.as_str().unwrap_or_default().as_bytes()),
        FieldType::Bytes => {
            out.bytes(tag, &STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default());
        }
        FieldType::Int32 | FieldType::Int64 => out.integer(tag, value.as_i64().unwrap_or_default()),
        FieldType::Number => out.number(tag, value.as_f64().unwrap_or_default()),
        FieldType::Boolean => out.integer(tag, i64::from(value.as_bool().unwrap_or_default())),
        FieldType::Any => out.bytes(tag, value.to_string().as_bytes()),
        FieldType::Ref(id) => match id.get().shape {
            Shape::Object => out.bytes(tag, &message(value, id.get())),
            shape => out.bytes(tag, &special::encode(shape, value)),
        },
        // No message of the API has lists of lists.
        FieldType::List(_) | FieldType::Map(_) => {}
    }
}
