//! Lays a document over its schema: checks types, drops what is unknown, in document order.

use super::{Node, path::Path, scalar};
use podium_types::registry::{self, FieldType, Shape, Type};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Most unknown and duplicate fields that one answer lists.
const MAX_ISSUES: usize = 100;
const SCHEMA_PROPS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// Where the reader is.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path<'a>,
    /// The struct around the value.
    owner: &'a Type,
}

impl<'a> Place<'a> {
    fn at(self, path: &'a Path<'a>) -> Self {
        Self { path, ..self }
    }
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
            Node::Object(members) => self.object(members, ty, &Path::Root),
            other => Err(format!(
                "json: cannot unmarshal {} into Go value of type {}",
                scalar::json_type(&other),
                ty.short_name()
            )),
        }
    }

    fn issue(&mut self, what: &str, path: &Path<'_>) {
        if self.issues.len() < MAX_ISSUES {
            self.issues.push(format!("{what} field {:?}", path.to_string()));
        }
    }

    fn object(&mut self, members: Vec<(String, Node)>, ty: &Type, path: &Path<'_>) -> Result<Value, String> {
        let mut made = Map::new();
        // The known are few; of the unknown there may be as many as the body holds.
        let (mut seen, mut unknown) = (Vec::new(), BTreeSet::new());
        for (name, node) in members {
            let Some(field) = ty.field(&name) else {
                if !unknown.contains(&name) {
                    self.issue("unknown", &Path::Field(path, &name));
                    unknown.insert(name);
                }
                continue;
            };
            let field_path = Path::Field(path, field.name);
            if seen.contains(&field.name) {
                if !self.told {
                    self.issue("duplicate", &field_path);
                }
            } else {
                seen.push(field.name);
            }
            if node.is_null() && field.ty != FieldType::Any {
                // Go leaves the field as it is where JSON says null.
                made.remove(&name);
                continue;
            }
            let value = self.value(node, &field.ty, Place { path: &field_path, owner: ty })?;
            made.insert(name, value);
        }
        Ok(Value::Object(made))
    }

    fn value(&mut self, node: Node, ty: &FieldType, place: Place<'_>) -> Result<Value, String> {
        match (ty, node) {
            (FieldType::Any, node) => Ok(node.into_value()),
            (FieldType::Ref(id), node) => self.named(node, id.get(), ty, place),
            (FieldType::List(element), Node::List(items)) => self.list(items, element, place),
            (FieldType::Map(element), Node::Object(members)) => {
                let mut made = Map::new();
                for (key, node) in members {
                    let path = Path::Key(place.path, &key);
                    if made.contains_key(&key) && !self.told {
                        self.issue("duplicate", &path);
                    }
                    let value = self.element(node, element, place.at(&path))?;
                    made.insert(key, value);
                }
                Ok(Value::Object(made))
            }
            (_, Node::Scalar(value)) => {
                scalar::plain(value, ty)?.map_err(|value| wrong(&Node::Scalar(value), ty, place))
            }
            (_, node) => Err(wrong(&node, ty, place)),
        }
    }

    fn list(&mut self, items: Vec<Node>, element: &FieldType, place: Place<'_>) -> Result<Value, String> {
        let mut made = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            made.push(self.element(item, element, place.at(&Path::Item(place.path, i)))?);
        }
        Ok(Value::Array(made))
    }

    fn element(&mut self, node: Node, ty: &FieldType, place: Place<'_>) -> Result<Value, String> {
        if node.is_null() { Ok(scalar::zero(ty)) } else { self.value(node, ty, place) }
    }

    fn named(&mut self, node: Node, ty: &Type, field: &FieldType, place: Place<'_>) -> Result<Value, String> {
        match (ty.shape, node) {
            (Shape::Object, Node::Object(members)) => self.object(members, ty, place.path),
            (Shape::Json, node) | (Shape::Raw | Shape::FieldsV1, node @ Node::Object(_)) => Ok(node.into_value()),
            (Shape::SchemaOrArray | Shape::SchemaOrBool | Shape::SchemaOrStrings, node) => {
                self.schema_or(node, ty.shape, field, place)
            }
            (_, Node::Scalar(value)) => {
                scalar::special(value, ty.shape)?.map_err(|value| wrong(&Node::Scalar(value), field, place))
            }
            (_, node) => Err(wrong(&node, field, place)),
        }
    }

    fn schema_or(&mut self, node: Node, shape: Shape, field: &FieldType, place: Place<'_>) -> Result<Value, String> {
        let props = registry::get(SCHEMA_PROPS);
        match (shape, node, props) {
            (_, Node::Object(members), Some(props)) => self.object(members, props, place.path),
            (Shape::SchemaOrBool, Node::Scalar(value @ Value::Bool(_)), _) => Ok(value),
            (Shape::SchemaOrStrings, Node::List(items), _) => self.list(items, &FieldType::String, place),
            (Shape::SchemaOrArray, Node::List(items), Some(props)) => {
                let made = items.into_iter().enumerate().map(|(i, item)| match item {
                    Node::Object(members) => self.object(members, props, &Path::Item(place.path, i)),
                    other => Err(wrong(&other, field, place)),
                });
                made.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            (_, node, _) => Err(wrong(&node, field, place)),
        }
    }
}

/// Go's text for a value of the wrong type.
fn wrong(node: &Node, ty: &FieldType, place: Place<'_>) -> String {
    let mut got = scalar::json_type(node);
    if let (Node::Scalar(Value::Number(n)), FieldType::Int32 | FieldType::Int64) = (node, ty) {
        got = format!("number {n}");
    }
    format!(
        "json: cannot unmarshal {got} into Go struct field {}.{} of type {}",
        place.owner.short_name(),
        place.path.go(),
        scalar::go_type(ty)
    )
}
