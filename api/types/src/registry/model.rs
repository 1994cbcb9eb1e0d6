//! What the registry tells of a type.

use serde_json::Value;
use std::fmt;

/// A named type of the API.
#[derive(Debug)]
pub struct Type {
    /// OpenAPI name: `io.k8s.api.core.v1.Pod`.
    pub name: String,
    /// How its JSON looks.
    pub shape: Shape,
    /// Fields of an object, sorted by name; empty for other shapes.
    pub fields: Vec<Field>,
    /// Protobuf messages whose fields the JSON inlines.
    pub embedded: Vec<Embedded>,
    /// Whether server-side apply owns it as a whole (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// `v1/Pod`, where the type is a kind.
    pub gvk: Option<&'static str>,
}

/// How a type looks in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An object with the fields listed.
    Object,
    /// RFC 3339 with seconds.
    Time,
    /// RFC 3339 with microseconds.
    MicroTime,
    /// A Go duration such as `1h30m`.
    Duration,
    /// A number with a suffix, as a string (a plain number is read too).
    Quantity,
    /// An integer or a string.
    IntOrString,
    /// Any object: `runtime.RawExtension` and other free-form objects.
    Raw,
    /// Owned fields of server-side apply: any object.
    FieldsV1,
    /// Any JSON value.
    Json,
    /// JSONSchemaProps or a list of them.
    SchemaOrArray,
    /// JSONSchemaProps or a boolean.
    SchemaOrBool,
    /// JSONSchemaProps or a list of strings.
    SchemaOrStrings,
}

/// A protobuf message that a type embeds and its JSON inlines.
#[derive(Debug)]
pub struct Embedded {
    /// The message.
    pub message: TypeId,
    /// Its protobuf field number.
    pub tag: u32,
}

/// One field of an object.
#[derive(Debug)]
pub struct Field {
    /// JSON name.
    pub name: &'static str,
    /// Its type.
    pub ty: FieldType,
    /// Protobuf field number; 0 where it has none of its own (inlined or JSON only).
    pub tag: u32,
    /// Whether the API demands it.
    pub required: bool,
    /// Whether the zero value of protobuf (empty, 0, false) is a value, not an absence.
    pub pointer: bool,
    /// Whether protobuf wraps the list in a message with `items`.
    pub wrapped: bool,
    /// The published default; Go's zero values are listed here too.
    pub default: Option<Value>,
    /// How server-side apply merges a list.
    pub list_type: ListType,
    /// Keys of the elements of a [`ListType::Map`].
    pub map_keys: Vec<&'static str>,
    /// Whether server-side apply owns a map or struct as a whole; `None` where the field leaves it to its type.
    pub atomic: Option<bool>,
    /// Strategic merge: elements of the list merge, by `merge_key` where there is one.
    pub patch_merge: bool,
    /// Strategic merge: the value is replaced as a whole.
    pub patch_replace: bool,
    /// Strategic merge: `$retainKeys` applies.
    pub retain_keys: bool,
    /// Strategic merge: the key that tells elements apart.
    pub merge_key: Option<&'static str>,
}

/// How server-side apply merges a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListType {
    /// Not said: atomic.
    #[default]
    Unset,
    /// Replaced as a whole.
    Atomic,
    /// Unique scalars.
    Set,
    /// Elements with keys.
    Map,
}

/// The type of a field or element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A string.
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A floating-point number.
    Number,
    /// A boolean.
    Boolean,
    /// Any JSON value.
    Any,
    /// A named type.
    Ref(TypeId),
    /// A list.
    List(Box<FieldType>),
    /// A map with string keys.
    Map(Box<FieldType>),
}

/// A type by its place in the registry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TypeId(pub(super) u16);

impl TypeId {
    /// The type.
    pub fn get(self) -> &'static Type {
        // Ids are made by the parser alone, from places in this very table.
        &super::all()[usize::from(self.0)]
    }
}

impl fmt::Debug for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeId({})", self.0)
    }
}

impl Type {
    /// The field of that JSON name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.binary_search_by(|f| f.name.cmp(name)).ok().and_then(|i| self.fields.get(i))
    }
    /// The field of that protobuf number.
    pub fn field_by_tag(&self, tag: u32) -> Option<&Field> {
        self.fields.iter().find(|f| f.tag == tag)
    }
    /// The name without its package: `Pod`.
    pub fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or_default()
    }
    /// The protobuf message's name: `k8s.io.api.core.v1.Pod`.
    pub fn message(&self) -> String {
        let name = self.name.strip_prefix("io.k8s.").map_or_else(|| self.name.clone(), |rest| format!("k8s.io.{rest}"));
        name.replace("apiextensions-apiserver", "apiextensions_apiserver").replace("kube-aggregator", "kube_aggregator")
    }
}

impl FieldType {
    /// The type of the elements of a list or the values of a map.
    pub fn element(&self) -> Option<&FieldType> {
        match self {
            Self::List(element) | Self::Map(element) => Some(element),
            _ => None,
        }
    }
    /// The named type, where it is one.
    pub fn named(&self) -> Option<&'static Type> {
        if let Self::Ref(id) = self { Some(id.get()) } else { None }
    }
}
