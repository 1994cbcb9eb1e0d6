//! Types of the registry as OpenAPI schemas.

use super::Dialect;
use podium_types::registry::{self, Field, FieldType, ListType, Shape, Type};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const SCHEMA_PROPS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// Adds the type of that name, and all types that its fields name.
pub(super) fn reach(types: &mut BTreeMap<&'static str, &'static Type>, name: &str) {
    let Some(ty) = registry::get(name) else { return };
    if types.insert(ty.name.as_str(), ty).is_some() {
        return;
    }
    for field in &ty.fields {
        let mut part = &field.ty;
        while let Some(element) = part.element() {
            part = element;
        }
        if let Some(named) = part.named() {
            reach(types, &named.name);
        }
    }
    if matches!(ty.shape, Shape::SchemaOrArray | Shape::SchemaOrBool) {
        reach(types, SCHEMA_PROPS);
    }
}

/// The schema of a type.
pub(super) fn of_type(dialect: Dialect, ty: &Type) -> Value {
    let mut made = match ty.shape {
        Shape::Object => object(dialect, ty),
        Shape::Time | Shape::MicroTime => json!({"type": "string", "format": "date-time"}),
        Shape::Duration => json!({"type": "string"}),
        Shape::Raw | Shape::FieldsV1 => json!({"type": "object"}),
        Shape::Json | Shape::SchemaOrArray | Shape::SchemaOrBool | Shape::SchemaOrStrings => json!({}),
        // Swagger has no `oneOf`.
        Shape::Quantity if dialect == Dialect::V2 => json!({"type": "string"}),
        Shape::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        Shape::IntOrString if dialect == Dialect::V2 => json!({"type": "string", "format": "int-or-string"}),
        Shape::IntOrString => json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
    };
    if ty.atomic {
        made["x-kubernetes-map-type"] = json!("atomic");
    }
    if let Some((version, kind)) = ty.gvk.and_then(|gvk| gvk.rsplit_once('/')) {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        made["x-kubernetes-group-version-kind"] = json!([{"group": group, "version": version, "kind": kind}]);
    }
    made
}

fn object(dialect: Dialect, ty: &Type) -> Value {
    let mut made = json!({"type": "object"});
    let properties: Map<String, Value> = ty.fields.iter().map(|f| (f.name.to_owned(), property(dialect, f))).collect();
    if !properties.is_empty() {
        made["properties"] = Value::Object(properties);
    }
    let required: Vec<&str> = ty.fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    if !required.is_empty() {
        made["required"] = json!(required);
    }
    made
}

fn property(dialect: Dialect, field: &Field) -> Value {
    let mut made = match (dialect, field.ty.named()) {
        // Beside `$ref` nothing else counts in version 3.
        (Dialect::V3, Some(named)) => json!({"allOf": [dialect.reference(&named.name)]}),
        _ => of_field(dialect, &field.ty),
    };
    let list_type = match field.list_type {
        ListType::Unset => None,
        ListType::Atomic => Some("atomic"),
        ListType::Set => Some("set"),
        ListType::Map => Some("map"),
    };
    let strategy: Vec<&str> =
        [(field.patch_merge, "merge"), (field.patch_replace, "replace"), (field.retain_keys, "retainKeys")]
            .into_iter()
            .filter_map(|(holds, word)| holds.then_some(word))
            .collect();
    let mut set = |name: &str, value: Value| made[name] = value;
    if let Some(word) = list_type {
        set("x-kubernetes-list-type", json!(word));
    }
    if !field.map_keys.is_empty() {
        set("x-kubernetes-list-map-keys", json!(field.map_keys));
    }
    if let Some(atomic) = field.atomic {
        set("x-kubernetes-map-type", json!(if atomic { "atomic" } else { "granular" }));
    }
    if !strategy.is_empty() {
        set("x-kubernetes-patch-strategy", json!(strategy.join(",")));
    }
    if let Some(key) = field.merge_key {
        set("x-kubernetes-patch-merge-key", json!(key));
    }
    if let Some(default) = &field.default {
        set("default", default.clone());
    }
    made
}

fn of_field(dialect: Dialect, ty: &FieldType) -> Value {
    match ty {
        FieldType::String => json!({"type": "string"}),
        FieldType::Bytes => json!({"type": "string", "format": "byte"}),
        FieldType::Int32 => json!({"type": "integer", "format": "int32"}),
        FieldType::Int64 => json!({"type": "integer", "format": "int64"}),
        FieldType::Number => json!({"type": "number", "format": "double"}),
        FieldType::Boolean => json!({"type": "boolean"}),
        FieldType::Any => json!({}),
        FieldType::Ref(id) => dialect.reference(&id.get().name),
        FieldType::List(element) => json!({"type": "array", "items": of_field(dialect, element)}),
        FieldType::Map(element) => json!({"type": "object", "additionalProperties": of_field(dialect, element)}),
    }
}
