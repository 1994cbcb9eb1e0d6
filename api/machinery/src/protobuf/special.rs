//! Types whose JSON is no object of their protobuf fields.

use super::{Broken, encode::message as encode_message, message, wire};
use podium_types::{
    Timestamp,
    registry::{self, Shape, Type},
};
use serde_json::{Value, json};

const SCHEMA_PROPS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
/// `IntOrString.type` of a string.
const IS_STRING: i64 = 1;
const NANOS_PER_UNIT: [(&str, i64); 3] = [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000)];

fn props() -> Result<&'static Type, Broken> {
    registry::get(SCHEMA_PROPS).ok_or_else(|| "JSONSchemaProps is not known".to_owned())
}

/// The JSON of a message of a special shape; `null` where Go has the zero value.
pub(super) fn decode(shape: Shape, bytes: &[u8], depth: usize) -> Result<Value, Broken> {
    let mut integers = [0i64; 4];
    let mut blob: &[u8] = &[];
    let mut list = Vec::new();
    let mut object = Value::Null;
    for field in wire::Fields::new(bytes) {
        let (tag, value) = field?;
        match (shape, tag, value) {
            (Shape::SchemaOrArray | Shape::SchemaOrStrings, 1, v) | (Shape::SchemaOrBool, 2, v) => {
                object = Value::Object(message::decode(v.bytes()?, props()?, depth)?);
            }
            (Shape::SchemaOrArray, 2, v) => list.push(Value::Object(message::decode(v.bytes()?, props()?, depth)?)),
            (Shape::SchemaOrStrings, 2, v) => list.push(json!(v.text()?)),
            (_, 1..=3, wire::Wire::Varint(_)) => {
                if let Some(slot) = usize::try_from(tag).ok().and_then(|t| integers.get_mut(t)) {
                    *slot = value.integer()?;
                }
            }
            (_, _, wire::Wire::Bytes(b)) => blob = b,
            _ => {}
        }
    }
    let text = || std::str::from_utf8(blob).map_err(|_| "a string is not UTF-8".to_owned());
    Ok(match shape {
        Shape::Quantity => json!(text()?),
        Shape::Time => time(integers[1], 0, "%Y-%m-%dT%H:%M:%SZ")?,
        Shape::MicroTime => time(integers[1], integers[2], "%Y-%m-%dT%H:%M:%S.%6fZ")?,
        Shape::Duration => json!(go_duration(integers[1])),
        Shape::IntOrString if integers[1] == IS_STRING => json!(text()?),
        Shape::IntOrString => json!(integers[2]),
        Shape::SchemaOrBool if object.is_null() => json!(integers[1] != 0),
        Shape::SchemaOrArray | Shape::SchemaOrStrings if object.is_null() => Value::Array(list),
        Shape::SchemaOrArray | Shape::SchemaOrStrings | Shape::SchemaOrBool => object,
        // An object inside: JSON, or a protobuf envelope of its own.
        Shape::Raw if blob.starts_with(super::MAGIC) => super::decode(blob).map_err(|e| e.message)?,
        Shape::Raw | Shape::FieldsV1 | Shape::Json if blob.is_empty() => Value::Null,
        Shape::Raw | Shape::FieldsV1 | Shape::Json => serde_json::from_slice(blob).map_err(|e| e.to_string())?,
        Shape::Object => Value::Null,
    })
}

/// RFC 3339; `null` for the zero time, whose seconds and nanoseconds Go leaves out.
fn time(seconds: i64, nanos: i64, format: &str) -> Result<Value, Broken> {
    if seconds == 0 && nanos == 0 {
        return Ok(Value::Null);
    }
    let nanos = i32::try_from(nanos).map_err(|e| e.to_string())?;
    let time = Timestamp::new(seconds, nanos).map_err(|e| e.to_string())?;
    Ok(json!(time.strftime(format).to_string()))
}

/// The protobuf message of a value of a special shape.
pub(super) fn encode(shape: Shape, value: &Value) -> Vec<u8> {
    let mut out = wire::Writer::default();
    match (shape, value) {
        (Shape::Quantity, Value::String(text)) => out.bytes(1, text.as_bytes()),
        (Shape::Time | Shape::MicroTime, Value::String(text)) => {
            if let Ok(time) = text.parse::<Timestamp>() {
                out.integer(1, time.as_second());
                out.integer(2, i64::from(time.subsec_nanosecond()));
            }
        }
        (Shape::Duration, Value::String(text)) => out.integer(1, nanos(text)),
        (Shape::IntOrString, Value::String(text)) => {
            out.integer(1, IS_STRING);
            out.integer(2, 0);
            out.bytes(3, text.as_bytes());
        }
        (Shape::IntOrString, number) => {
            out.integer(1, 0);
            out.integer(2, number.as_i64().unwrap_or_default());
            out.bytes(3, b"");
        }
        (Shape::SchemaOrBool, Value::Bool(allows)) => out.integer(1, i64::from(*allows)),
        (Shape::SchemaOrBool, schema) => {
            out.integer(1, 1);
            out.bytes(2, &nested(schema));
        }
        (Shape::SchemaOrArray, Value::Array(items)) => items.iter().for_each(|i| out.bytes(2, &nested(i))),
        (Shape::SchemaOrStrings, Value::Array(items)) => {
            items.iter().for_each(|i| out.bytes(2, i.as_str().unwrap_or_default().as_bytes()));
        }
        (Shape::SchemaOrArray | Shape::SchemaOrStrings, schema) => out.bytes(1, &nested(schema)),
        (Shape::Raw | Shape::FieldsV1 | Shape::Json, value) => out.bytes(1, value.to_string().as_bytes()),
        _ => {}
    }
    out.out
}

fn nested(schema: &Value) -> Vec<u8> {
    props().map(|props| encode_message(schema, props)).unwrap_or_default()
}

/// Nanoseconds as Go prints a duration: `1h2m3.5s`.
fn go_duration(nanos: i64) -> String {
    let (sign, mut rest) = if nanos < 0 { ("-", nanos.unsigned_abs()) } else { ("", nanos.unsigned_abs()) };
    if rest == 0 {
        return "0s".to_owned();
    }
    for (unit, size) in [("ns", 1), ("µs", 1_000), ("ms", 1_000_000)] {
        if rest < size * 1000 {
            return format!("{sign}{}{unit}", fraction(rest, size));
        }
    }
    let mut text = sign.to_owned();
    for (unit, size) in [("h", 3_600_000_000_000u64), ("m", 60_000_000_000)] {
        if rest >= size || text.len() > sign.len() {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    format!("{text}{}s", fraction(rest, 1_000_000_000))
}

/// `amount / size` in decimal, exactly.
fn fraction(amount: u64, size: u64) -> String {
    if amount.is_multiple_of(size) {
        return (amount / size).to_string();
    }
    let digits = size.ilog10() as usize;
    let text = format!("{}.{:0digits$}", amount / size, amount % size);
    text.trim_end_matches('0').to_owned()
}

/// Nanoseconds of a Go duration; what cannot be read counts as nothing.
fn nanos(text: &str) -> i64 {
    let (negative, mut rest) = text.strip_prefix('-').map_or((false, text), |r| (true, r));
    let mut total = 0f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let small = [("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000)];
        let size = small.iter().chain(&NANOS_PER_UNIT).find(|(name, _)| *name == unit).map_or(0, |(_, size)| *size);
        total += number.parse::<f64>().unwrap_or_default() * size as f64;
        rest = tail;
    }
    if negative { -(total as i64) } else { total as i64 }
}
