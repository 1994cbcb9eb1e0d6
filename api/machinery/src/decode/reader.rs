//! Lays a document over its schema: checks types, drops what is unknown, in document order.

use super::{Node, scalar};
use podium_types::registry::{self, FieldType, Shape, Type};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Most unknown and duplicate fields that one answer lists.
const MAX_ISSUES: usize = 100;
const SCHEMA_PROPS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// Where the reader is.
struct Place<'a> {
    /// `spec.containers[0]`, for unknown and duplicate fields.
    path: &'a str,
    /// `spec.containers`, as Go's JSON package tells a path.
    go_path: &'a str,
    /// The struct around the value.
    owner: &'a str,
}

pub(super) struct Reader {
    /// `unknown field "spec.x"`, `duplicate field "spec.y"`, in document order.
    pub(super) issues: Vec<String>,
    /// Whether duplicates have been told already, in other words.
    told: bool,
}

impl Reader {
    pub(super) fn new(issues: Vec<String>) -> Self {
        Self { issues, told: false }
    }

    /// The document as an object of `ty`; the error is Go's text for a wrong type.
    pub(super) fn root(&mut self, tree: Node, ty: &Type, told: bool) -> Result<Value, String> {
        self.told = told;
        match tree {
            Node::Object(members) => self.object(members, ty, "", ""),
            other => Err(format!(
                "json: cannot unmarshal {} into Go value of type {}",
                scalar::json_type(&other),
                ty.short_name()
            )),
        }
    }

    fn issue(&mut self, what: &str, path: &str) {
        if self.issues.len() < MAX_ISSUES {
            self.issues.push(format!("{what} field {path:?}"));
        }
    }

    fn object(&mut self, members: Vec<(String, Node)>, ty: &Type, path: &str, go_path: &str) -> Result<Value, String> {
        let mut made = Map::new();
        let mut seen = BTreeSet::new();
        for (name, node) in members {
            let field_path = join(path, &name);
            let Some(field) = ty.field(&name) else {
                if seen.insert(name) {
                    self.issue("unknown", &field_path);
                }
                continue;
            };
            if !seen.insert(name.clone()) && !self.told {
                self.issue("duplicate", &field_path);
            }
            if node.is_null() && field.ty != FieldType::Any {
                // Go leaves the field as it is where JSON says null.
                made.remove(&name);
                continue;
            }
            let go_path = join(go_path, &name);
            let place = Place { path: &field_path, go_path: &go_path, owner: ty.short_name() };
            let value = self.value(node, &field.ty, &place)?;
            made.insert(name, value);
        }
        Ok(Value::Object(made))
    }

    fn value(&mut self, node: Node, ty: &FieldType, place: &Place<'_>) -> Result<Value, String> {
        match (ty, node) {
            (FieldType::Any, node) => Ok(node.into_value()),
            (FieldType::Ref(id), node) => self.named(node, id.get(), ty, place),
            (FieldType::List(element), Node::List(items)) => self.list(items, element, place),
            (FieldType::Map(element), Node::Object(members)) => {
                let mut made = Map::new();
                for (key, node) in members {
                    let path = join(place.path, &key);
                    if made.contains_key(&key) && !self.told {
                        self.issue("duplicate", &path);
                    }
                    let value = self.element(node, element, &Place { path: &path, ..*place })?;
                    made.insert(key, value);
                }
                Ok(Value::Object(made))
            }
            (_, Node::Scalar(value)) => {
                let text = value.clone();
                scalar::plain(value, ty)?.ok_or_else(|| wrong(&Node::Scalar(text), ty, place))
            }
            (_, node) => Err(wrong(&node, ty, place)),
        }
    }

    fn list(&mut self, items: Vec<Node>, element: &FieldType, place: &Place<'_>) -> Result<Value, String> {
        let mut made = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            let path = format!("{}[{i}]", place.path);
            made.push(self.element(item, element, &Place { path: &path, ..*place })?);
        }
        Ok(Value::Array(made))
    }

    fn element(&mut self, node: Node, ty: &FieldType, place: &Place<'_>) -> Result<Value, String> {
        if node.is_null() { Ok(scalar::zero(ty)) } else { self.value(node, ty, place) }
    }

    fn named(&mut self, node: Node, ty: &Type, field: &FieldType, place: &Place<'_>) -> Result<Value, String> {
        match (ty.shape, node) {
            (Shape::Object, Node::Object(members)) => self.object(members, ty, place.path, place.go_path),
            (Shape::Json, node) | (Shape::Raw | Shape::FieldsV1, node @ Node::Object(_)) => Ok(node.into_value()),
            (Shape::SchemaOrArray | Shape::SchemaOrBool | Shape::SchemaOrStrings, node) => {
                self.schema_or(node, ty.shape, field, place)
            }
            (_, Node::Scalar(value)) => {
                let text = value.clone();
                scalar::special(value, ty.shape)?.ok_or_else(|| wrong(&Node::Scalar(text), field, place))
            }
            (_, node) => Err(wrong(&node, field, place)),
        }
    }

    fn schema_or(&mut self, node: Node, shape: Shape, field: &FieldType, place: &Place<'_>) -> Result<Value, String> {
        let props = registry::get(SCHEMA_PROPS);
        match (shape, node, props) {
            (_, Node::Object(members), Some(props)) => self.object(members, props, place.path, place.go_path),
            (Shape::SchemaOrBool, Node::Scalar(value @ Value::Bool(_)), _) => Ok(value),
            (Shape::SchemaOrStrings, Node::List(items), _) => self.list(items, &FieldType::String, place),
            (Shape::SchemaOrArray, Node::List(items), Some(props)) => {
                let made = items.into_iter().enumerate().map(|(i, item)| match item {
                    Node::Object(members) => {
                        self.object(members, props, &format!("{}[{i}]", place.path), place.go_path)
                    }
                    other => Err(wrong(&other, field, place)),
                });
                made.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            (_, node, _) => Err(wrong(&node, field, place)),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Go's text for a value of the wrong type.
fn wrong(node: &Node, ty: &FieldType, place: &Place<'_>) -> String {
    let mut got = scalar::json_type(node);
    if let (Node::Scalar(Value::Number(n)), FieldType::Int32 | FieldType::Int64) = (node, ty) {
        got = format!("number {n}");
    }
    format!(
        "json: cannot unmarshal {got} into Go struct field {}.{} of type {}",
        place.owner,
        place.go_path,
        scalar::go_type(ty)
    )
}
