//! `meta.k8s.io/v1` Table: the answer that `kubectl get` asks for.

use crate::partial;
use podium_kinds::Kind;
use podium_types::Timestamp;
use serde_json::{Value, json};

/// What a row carries of its object (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// PartialObjectMetadata.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

impl IncludeObject {
    /// The query parameter; `None` where it is not one of the words. Empty means [`Self::Metadata`].
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "None" => Self::None,
            "" | "Metadata" => Self::Metadata,
            "Object" => Self::Object,
            _ => return None,
        })
    }
}

/// The Table of some objects. `metadata` is the list's (`resourceVersion`, `continue`, …).
///
/// A watch sends a table per event; only the first one of a watch needs columns, but
/// each may carry them.
pub fn render(
    kind: &Kind,
    objects: impl Iterator<Item = Value>,
    now: Timestamp,
    include: IncludeObject,
    metadata: Value,
) -> Value {
    let rows: Vec<Value> = objects.map(|object| row(kind, object, now, include)).collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns(kind), "rows": rows})
}

/// The column definitions of a kind.
pub fn columns(kind: &Kind) -> Value {
    let column = |c: &podium_kinds::Column| {
        json!({"name": c.name, "type": c.kind, "format": c.format, "priority": c.priority,
            "description": description(c.name)})
    };
    kind.columns.iter().map(column).collect()
}

/// Clients show descriptions in help only; two of them are the same everywhere.
fn description(column: &str) -> String {
    match column {
        "Name" => "Name must be unique within a namespace.".to_owned(),
        "Age" => "Time since the object was created.".to_owned(),
        other => format!("{other} of the object."),
    }
}

fn row(kind: &Kind, object: Value, now: Timestamp, include: IncludeObject) -> Value {
    let cells = (kind.row)(&object, now);
    match include {
        IncludeObject::None => json!({"cells": cells}),
        IncludeObject::Metadata => json!({"cells": cells, "object": partial::metadata(&object)}),
        IncludeObject::Object => json!({"cells": cells, "object": object}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_fills_every_column() {
        let object = json!({"metadata": {"name": "a", "namespace": "b", "creationTimestamp": "2026-01-01T00:00:00Z"}});
        let now: Timestamp = "2026-01-01T00:05:00Z".parse().expect("a time");
        for kind in podium_kinds::KINDS {
            let objects = std::iter::once(object.clone());
            let table = render(kind, objects, now, IncludeObject::Metadata, json!({"resourceVersion": "7"}));
            let columns = table["columnDefinitions"].as_array().map(Vec::len);
            assert_eq!(table["rows"][0]["cells"].as_array().map(Vec::len), columns, "{}", kind.kind);
            assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
            if let Some(place) = kind.columns.iter().position(|c| c.name == "Name") {
                assert_eq!(table["rows"][0]["cells"][place], "a", "{}", kind.kind);
            }
        }
    }

    #[test]
    fn rows_carry_what_was_asked_for() {
        let kind = podium_kinds::by_kind("v1", "ConfigMap").expect("ConfigMap");
        let object = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
        let render = |include| render(kind, std::iter::once(object.clone()), Timestamp::UNIX_EPOCH, include, json!({}));
        assert_eq!(render(IncludeObject::None)["rows"][0].get("object"), None);
        assert_eq!(render(IncludeObject::Object)["rows"][0]["object"], object);
        assert_eq!(render(IncludeObject::Metadata)["rows"][0]["object"].get("data"), None);
        assert_eq!(IncludeObject::parse("Nothing"), None);
    }
}
