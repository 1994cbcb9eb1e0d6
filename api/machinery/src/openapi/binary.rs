//! OpenAPI v2 in protobuf, as the gnostic project lays it out: what kubectl before 1.27 reads.
//!
//! A table of messages, and one writer that follows it. Deliberately absent: what the JSON
//! form of ours never has, and security, which clients of this form do not look at.

use crate::protobuf::Writer;
use serde_json::Value;

/// The media type of answers.
pub const MEDIA_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// The same as clients before 1.27 name it.
pub const OLD_MEDIA_TYPE: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// Name and value of an entry of a map.
const NAME: u32 = 1;
const VALUE: u32 = 2;
/// YAML within `Any`; JSON is YAML.
const YAML: u32 = 2;
/// The only field of messages that stand for a list or a choice.
const ONLY: u32 = 1;

/// How a member is written.
enum Form {
    Text,
    Flag,
    Texts,
    Any,
    /// `TypeItem`
    Type,
    One(&'static Message),
    /// A message whose only field is that one.
    Wrapped(&'static Message),
    /// `Parameter` and what it chooses between.
    Parameters,
    /// A message with entries at that tag; values lie that much deeper.
    Map(u32, &'static Message, Depth),
}

/// Whether the value of an entry is a choice with the message at its first place.
#[derive(PartialEq)]
enum Depth {
    Plain,
    Choice,
}

struct Message {
    fields: &'static [(&'static str, u32, Form)],
    /// Where members that begin with `x-` go.
    extension: u32,
}

static DOCUMENT: Message = Message {
    fields: &[
        ("swagger", 1, Form::Text),
        ("info", 2, Form::One(&INFO)),
        ("paths", 8, Form::Map(2, &PATH, Depth::Plain)),
        ("definitions", 9, Form::Map(1, &SCHEMA, Depth::Plain)),
    ],
    extension: 16,
};
static INFO: Message = Message { fields: &[("title", 1, Form::Text), ("version", 2, Form::Text)], extension: 7 };
static PATH: Message = Message {
    fields: &[
        ("get", 2, Form::One(&OPERATION)),
        ("put", 3, Form::One(&OPERATION)),
        ("post", 4, Form::One(&OPERATION)),
        ("delete", 5, Form::One(&OPERATION)),
        ("options", 6, Form::One(&OPERATION)),
        ("head", 7, Form::One(&OPERATION)),
        ("patch", 8, Form::One(&OPERATION)),
        ("parameters", 9, Form::Parameters),
    ],
    extension: 10,
};
static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Form::Texts),
        ("description", 3, Form::Text),
        ("operationId", 5, Form::Text),
        ("produces", 6, Form::Texts),
        ("consumes", 7, Form::Texts),
        ("parameters", 8, Form::Parameters),
        ("responses", 9, Form::Map(1, &RESPONSE, Depth::Choice)),
    ],
    extension: 13,
};
static RESPONSE: Message =
    Message { fields: &[("description", 1, Form::Text), ("schema", 2, Form::Wrapped(&SCHEMA))], extension: 5 };
static BODY: Message = Message {
    fields: &[
        ("description", 1, Form::Text),
        ("name", 2, Form::Text),
        ("in", 3, Form::Text),
        ("required", 4, Form::Flag),
        ("schema", 5, Form::One(&SCHEMA)),
    ],
    extension: 6,
};
static QUERY: Message = Message {
    fields: &[
        ("required", 1, Form::Flag),
        ("in", 2, Form::Text),
        ("description", 3, Form::Text),
        ("name", 4, Form::Text),
        ("type", 6, Form::Text),
        ("uniqueItems", 20, Form::Flag),
    ],
    extension: 23,
};
static IN_PATH: Message = Message {
    fields: &[
        ("required", 1, Form::Flag),
        ("in", 2, Form::Text),
        ("description", 3, Form::Text),
        ("name", 4, Form::Text),
        ("type", 5, Form::Text),
        ("uniqueItems", 19, Form::Flag),
    ],
    extension: 22,
};
static SCHEMA: Message = Message {
    fields: &[
        ("$ref", 1, Form::Text),
        ("format", 2, Form::Text),
        ("title", 3, Form::Text),
        ("description", 4, Form::Text),
        ("default", 5, Form::Any),
        ("required", 19, Form::Texts),
        ("additionalProperties", 21, Form::Wrapped(&SCHEMA)),
        ("type", 22, Form::Type),
        ("items", 23, Form::Wrapped(&SCHEMA)),
        ("properties", 25, Form::Map(1, &SCHEMA, Depth::Plain)),
    ],
    extension: 31,
};

/// The OpenAPI v2 document of [`super::v2`] in protobuf.
pub fn binary(document: &Value) -> Vec<u8> {
    message(document, &DOCUMENT)
}

fn message(value: &Value, layout: &Message) -> Vec<u8> {
    let mut to = Writer::default();
    for (name, tag, form) in layout.fields {
        if let Some(member) = value.get(name) {
            member_into(&mut to, *tag, member, form);
        }
    }
    for (name, member) in value.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-")) {
        to.bytes(layout.extension, &entry(name, &any(member)));
    }
    to.out
}

fn member_into(to: &mut Writer, tag: u32, value: &Value, form: &Form) {
    let texts = || value.as_array().into_iter().flatten().filter_map(Value::as_str);
    match form {
        Form::Text => to.bytes(tag, value.as_str().unwrap_or_default().as_bytes()),
        Form::Flag => to.integer(tag, i64::from(value == true)),
        Form::Texts => texts().for_each(|text| to.bytes(tag, text.as_bytes())),
        Form::Any => to.bytes(tag, &any(value)),
        Form::Type => to.bytes(tag, &wrapped(ONLY, value.as_str().unwrap_or_default().as_bytes())),
        Form::One(layout) => to.bytes(tag, &message(value, layout)),
        Form::Wrapped(layout) => to.bytes(tag, &wrapped(ONLY, &message(value, layout))),
        Form::Parameters => {
            for parameter in value.as_array().into_iter().flatten() {
                to.bytes(tag, &wrapped(ONLY, &self::parameter(parameter)));
            }
        }
        Form::Map(entries, layout, depth) => {
            let mut map = Writer::default();
            for (name, value) in value.as_object().into_iter().flatten() {
                let value = message(value, layout);
                let value = if *depth == Depth::Choice { wrapped(ONLY, &value) } else { value };
                map.bytes(*entries, &entry(name, &value));
            }
            to.bytes(tag, &map.out);
        }
    }
}

/// A body, or one of the other places; those are a choice of their own.
fn parameter(value: &Value) -> Vec<u8> {
    match value["in"].as_str() {
        Some("body") => wrapped(1, &message(value, &BODY)),
        Some("path") => wrapped(2, &wrapped(4, &message(value, &IN_PATH))),
        _ => wrapped(2, &wrapped(3, &message(value, &QUERY))),
    }
}

fn wrapped(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut to = Writer::default();
    to.bytes(tag, bytes);
    to.out
}

fn any(value: &Value) -> Vec<u8> {
    wrapped(YAML, format!("{value}\n").as_bytes())
}

fn entry(name: &str, value: &[u8]) -> Vec<u8> {
    let mut to = Writer::default();
    to.bytes(NAME, name.as_bytes());
    to.bytes(VALUE, value);
    to.out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::Fields;

    /// The values of a field, in order.
    fn all(message: &[u8], tag: u32) -> Vec<&[u8]> {
        let fields = Fields::new(message).map(Result::unwrap);
        fields.filter(|(found, _)| *found == tag).map(|(_, wire)| wire.bytes().unwrap()).collect()
    }

    /// What lies below a path of tags.
    fn below<'a>(message: &'a [u8], path: &[u32]) -> &'a [u8] {
        path.iter().fold(message, |message, tag| all(message, *tag)[0])
    }

    #[test]
    fn the_document_is_all_there() {
        let document = crate::openapi::v2("v1.36.0", &[]);
        let bytes = binary(&document);
        assert_eq!(all(&bytes, 1), [b"2.0"]);
        let names = |map: &[u8], tag| -> Vec<String> {
            all(map, tag).iter().map(|e| String::from_utf8(all(e, NAME)[0].to_vec()).unwrap()).collect()
        };
        let keys = |field: &str| document[field].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(below(&bytes, &[8]), 2), keys("paths"));
        assert_eq!(names(below(&bytes, &[9]), 1), keys("definitions"));
    }

    #[test]
    fn a_schema_keeps_what_clients_look_for() {
        let document = serde_json::json!({"definitions": {"D": {"type": "object", "required": ["spec"],
            "properties": {"list": {"type": "array", "items": {"$ref": "#/definitions/E"}}},
            "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "D"}]}}});
        let bytes = binary(&document);
        let schema = below(&bytes, &[9, 1, VALUE]);
        assert_eq!(below(schema, &[22, 1]), b"object");
        assert_eq!(all(schema, 19), [b"spec"]);
        assert_eq!(below(schema, &[25, 1, VALUE, 23, 1, 1]), b"#/definitions/E");
        assert_eq!(below(schema, &[31, NAME]), b"x-kubernetes-group-version-kind");
        let yaml: Value = serde_json::from_slice(below(schema, &[31, VALUE, YAML])).unwrap();
        assert_eq!(yaml, document["definitions"]["D"]["x-kubernetes-group-version-kind"]);
    }
}
