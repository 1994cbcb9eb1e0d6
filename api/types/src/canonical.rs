//! The stored text of an object, and how its revision gets into it.
//!
//! A revision is known only once the write commits, and serialising again for that
//! would cost a parse per write. So stored text begins with `kind`, `apiVersion`,
//! `metadata`, without `resourceVersion`, and the revision is spliced in as the first
//! member of `metadata`.

use serde_json::{Map, Value};
use std::fmt::Write;

const METADATA: &str = "\"metadata\":{";

/// Serialises an object in canonical order, without `metadata.resourceVersion`.
///
/// The result always has a `metadata` object, so that [`with_revision`] finds its place.
pub fn encode(object: &Value) -> String {
    let empty = Map::new();
    let map = object.as_object().unwrap_or(&empty);
    let mut text = String::with_capacity(1024);
    text.push('{');
    for name in ["kind", "apiVersion"] {
        if let Some(value) = map.get(name) {
            push_member(&mut text, name, value);
        }
    }
    if text.len() > 1 {
        text.push(',');
    }
    text.push_str(METADATA);
    for (name, value) in map.get("metadata").and_then(Value::as_object).unwrap_or(&empty) {
        if name != "resourceVersion" {
            push_member(&mut text, name, value);
        }
    }
    text.push('}');
    for (name, value) in map {
        if !matches!(name.as_str(), "kind" | "apiVersion" | "metadata") {
            push_member(&mut text, name, value);
        }
    }
    text.push('}');
    text
}

/// Adds a member to the object at the end of `text`.
fn push_member(text: &mut String, name: &str, value: &Value) {
    if !text.ends_with('{') {
        text.push(',');
    }
    // Writing JSON into a string cannot fail.
    let _ = write!(text, "{}:{value}", Value::from(name));
}

/// The text of [`encode`] with `metadata.resourceVersion` set to `revision`.
pub fn with_revision(text: &str, revision: u64) -> String {
    let Some(at) = text.find(METADATA).map(|i| i + METADATA.len()) else { return text.to_owned() };
    let (head, tail) = text.split_at(at);
    let comma = if tail.starts_with('}') { "" } else { "," };
    format!("{head}\"resourceVersion\":\"{revision}\"{comma}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn revision_is_spliced_into_metadata() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"metadata": "x", "\"metadata\":{": "y"},
            "metadata": {"name": "a", "resourceVersion": "7"}});
        let text = with_revision(&encode(&object), 12);
        let mut expected = object;
        expected["metadata"]["resourceVersion"] = json!("12");
        assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(expected));
    }

    #[test]
    fn an_object_without_metadata_gets_one() {
        assert_eq!(with_revision(&encode(&json!({})), 1), r#"{"metadata":{"resourceVersion":"1"}}"#);
    }
}
