//! Scalars: what Go's JSON package and the special types of the API accept.

use super::Node;
use base64::{Engine, engine::general_purpose::STANDARD};
use podium_types::{
    Quantity, Timestamp,
    registry::{FieldType, Shape, Type},
};
use serde_json::{Number, Value, json};

/// The JSON type in the words of Go.
pub(super) fn json_type(node: &Node) -> String {
    match node {
        Node::Scalar(Value::String(_)) => "string".to_owned(),
        Node::Scalar(Value::Bool(_)) => "bool".to_owned(),
        Node::Scalar(Value::Number(_)) => "number".to_owned(),
        Node::Scalar(_) => "null".to_owned(),
        Node::List(_) => "array".to_owned(),
        Node::Object(_) => "object".to_owned(),
    }
}

/// The Go type of a field, as its JSON package names it.
pub(super) fn go_type(ty: &FieldType) -> String {
    match ty {
        FieldType::String => "string".to_owned(),
        FieldType::Bytes => "[]uint8".to_owned(),
        FieldType::Int32 => "int32".to_owned(),
        FieldType::Int64 => "int64".to_owned(),
        FieldType::Number => "float64".to_owned(),
        FieldType::Boolean => "bool".to_owned(),
        FieldType::Any => "interface {}".to_owned(),
        FieldType::List(element) => format!("[]{}", go_type(element)),
        FieldType::Map(element) => format!("map[string]{}", go_type(element)),
        FieldType::Ref(id) => go_struct(id.get()),
    }
}

fn go_struct(ty: &Type) -> String {
    let mut parts = ty.name.rsplit('.');
    let (name, package) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{package}.{name}")
}

/// What Go holds where JSON says `null` inside a list or map.
pub(super) fn zero(ty: &FieldType) -> Value {
    match ty {
        FieldType::String | FieldType::Bytes => json!(""),
        FieldType::Int32 | FieldType::Int64 | FieldType::Number => json!(0),
        FieldType::Boolean => json!(false),
        FieldType::Any => Value::Null,
        FieldType::List(_) => json!([]),
        FieldType::Map(_) => json!({}),
        FieldType::Ref(id) => match id.get().shape {
            Shape::Quantity => json!("0"),
            Shape::IntOrString => json!(0),
            Shape::Object => json!({}),
            _ => Value::Null,
        },
    }
}

/// A scalar of a plain type: `Ok(Err(value))` where JSON's type is wrong, an error where the value is.
pub(super) fn plain(value: Value, ty: &FieldType) -> Result<Result<Value, Value>, String> {
    Ok(if is_plain(&value, ty)? { Ok(value) } else { Err(value) })
}

/// Whether a scalar is of a plain type.
pub(super) fn is_plain(value: &Value, ty: &FieldType) -> Result<bool, String> {
    Ok(match (ty, value) {
        (FieldType::String, Value::String(_))
        | (FieldType::Boolean, Value::Bool(_))
        | (FieldType::Number, Value::Number(_)) => true,
        (FieldType::Int32, Value::Number(n)) => is_int32(n),
        (FieldType::Int64, Value::Number(n)) => n.as_i64().is_some(),
        (FieldType::Bytes, Value::String(text)) => {
            STANDARD.decode(text).map_err(|e| format!("illegal base64 data: {e}"))?;
            true
        }
        _ => false,
    })
}

/// A scalar of a special type, in its canonical form; as [`plain`].
pub(super) fn special(value: Value, shape: Shape) -> Result<Result<Value, Value>, String> {
    Ok(match (shape, &value) {
        (Shape::IntOrString | Shape::Duration, Value::String(_)) => Ok(value),
        (Shape::IntOrString, Value::Number(n)) if is_int32(n) => Ok(value),
        _ => canonical(&value, shape)?.map(Value::String).ok_or(value),
    })
}

/// The canonical text of what has one; `None` where JSON's type is wrong.
pub(super) fn canonical(value: &Value, shape: Shape) -> Result<Option<String>, String> {
    Ok(Some(match (shape, value) {
        (Shape::Quantity, Value::String(text)) => Quantity::parse(text.trim())?.to_string(),
        (Shape::Quantity, Value::Number(n)) => Quantity::parse(&n.to_string())?.to_string(),
        (Shape::Time, Value::String(text)) => time(text, "%Y-%m-%dT%H:%M:%SZ")?,
        (Shape::MicroTime, Value::String(text)) => time(text, "%Y-%m-%dT%H:%M:%S.%6fZ")?,
        _ => return Ok(None),
    }))
}

pub(super) fn is_int32(n: &Number) -> bool {
    n.as_i64().is_some_and(|n| i32::try_from(n).is_ok())
}

fn time(text: &str, format: &str) -> Result<String, String> {
    let why = |_| format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse it");
    Ok(text.parse::<Timestamp>().map_err(why)?.strftime(format).to_string())
}
