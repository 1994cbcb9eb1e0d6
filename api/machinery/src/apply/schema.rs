//! How apply sees a value: as a whole, or as members that can have owners of their own.

use podium_types::registry::{Field, FieldType, ListType, Shape, Type};
use serde_json::{Map, Value};

/// What the schema says of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) form: Form,
    /// Whether the collection itself may be absent, and so is owned beside its members.
    pub(super) optional: bool,
}

/// The members of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// None: it is owned as a whole.
    Leaf,
    /// Fields.
    Struct(&'static Type),
    /// Keys, with values of one type.
    Map(&'static FieldType),
    /// Unique scalars.
    Set,
    /// Elements told apart by some of their fields.
    Keyed(&'static [&'static str], &'static FieldType),
}

/// One member of a value.
pub(super) struct Member<'a> {
    /// As `FieldsV1` writes it: `f:name`, `k:{"name":"a"}`, `v:"a"`.
    pub(super) key: String,
    pub(super) node: Node,
    pub(super) value: &'a Value,
    /// Whether it is owned beside its own members: elements and keys are, fields are not.
    pub(super) item: bool,
}

const LEAF: Node = Node { form: Form::Leaf, optional: false };

impl Node {
    pub(super) fn root(schema: &'static Type) -> Self {
        Self { form: Form::Struct(schema), optional: false }
    }
    fn of_field(field: &'static Field) -> Self {
        let form = match (&field.ty, field.list_type) {
            _ if field.atomic == Some(true) => Form::Leaf,
            // The field's word counts, not that of its type.
            (FieldType::Ref(id), _) if field.atomic == Some(false) => Form::Struct(id.get()),
            (FieldType::List(_), ListType::Set) => Form::Set,
            (FieldType::List(element), ListType::Map) => Form::Keyed(&field.map_keys, element),
            (ty, _) => Self::of_type(ty).form,
        };
        Self { form, optional: !field.required && !matches!(form, Form::Leaf | Form::Struct(_)) }
    }
    fn of_type(ty: &'static FieldType) -> Self {
        match ty {
            FieldType::Ref(id) if id.get().shape == Shape::Object && !id.get().atomic => Self::root(id.get()),
            FieldType::Map(element) => Self { form: Form::Map(element), optional: true },
            _ => LEAF,
        }
    }
    /// The member of an object.
    pub(super) fn field(self, name: &str) -> Self {
        match self.form {
            Form::Struct(ty) => ty.field(name).map_or(LEAF, Self::of_field),
            Form::Map(element) => Self::of_type(element),
            _ => LEAF,
        }
    }
    /// The elements of a list.
    pub(super) fn element(self) -> Self {
        if let Form::Keyed(_, element) = self.form { Self::of_type(element) } else { LEAF }
    }
    /// The fields that tell the elements of a list apart.
    pub(super) fn keys(self) -> &'static [&'static str] {
        if let Form::Keyed(keys, _) = self.form { keys } else { &[] }
    }
    /// The members of a value; `None` where it is owned as a whole.
    pub(super) fn members(self, value: &Value) -> Option<Vec<Member<'_>>> {
        let made = match (self.form, value) {
            (Form::Struct(_) | Form::Map(_), Value::Object(map)) => {
                let item = matches!(self.form, Form::Map(_));
                let member = |(name, value): (&'_ String, _)| Member {
                    key: field_key(name),
                    node: self.field(name),
                    value,
                    item,
                };
                map.iter().map(member).collect()
            }
            (Form::Set | Form::Keyed(..), Value::Array(items)) => {
                let node = self.element();
                let member = |value| Some(Member { key: self.key_of(value)?, node, value, item: true });
                items.iter().filter_map(member).collect()
            }
            _ => return None,
        };
        Some(made)
    }
    /// The key of an element; `None` where it has none.
    pub(super) fn key_of(self, element: &Value) -> Option<String> {
        match self.form {
            Form::Set => Some(format!("v:{element}")),
            Form::Keyed(keys, ty) => {
                let default = |name: &str| ty.named()?.field(name)?.default.as_ref().filter(|d| !is_zero(d));
                let mut parts = Map::new();
                for name in keys {
                    if let Some(value) = element.get(name).or_else(|| default(name)) {
                        parts.insert((*name).to_owned(), value.clone());
                    }
                }
                (!parts.is_empty()).then(|| format!("k:{}", Value::Object(parts)))
            }
            _ => None,
        }
    }
    /// The member of that key, with its node.
    pub(super) fn child_mut<'a>(self, value: &'a mut Value, key: &str) -> Option<(Self, &'a mut Value)> {
        match value {
            Value::Object(map) => {
                let name = key.strip_prefix("f:")?;
                map.get_mut(name).map(|v| (self.field(name), v))
            }
            Value::Array(items) => {
                let found = items.iter_mut().find(|i| self.key_of(i).as_deref() == Some(key))?;
                Some((self.element(), found))
            }
            _ => None,
        }
    }
    /// Takes the member of that key out.
    pub(super) fn remove(self, value: &mut Value, key: &str) {
        match value {
            Value::Object(map) => {
                map.remove(key.strip_prefix("f:").unwrap_or_default());
            }
            Value::Array(items) => items.retain(|i| self.key_of(i).as_deref() != Some(key)),
            _ => {}
        }
    }
}

pub(super) fn field_key(name: &str) -> String {
    let mut key = String::with_capacity(name.len() + 2);
    key.push_str("f:");
    key.push_str(name);
    key
}

/// Go's zero values are published as defaults; they say nothing.
fn is_zero(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value == "" || value.as_f64() == Some(0.0)
}
