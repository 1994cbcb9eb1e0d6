//! Other groups and versions under which a kind's objects are served.
//!
//! Objects are stored in one form. A face turns a client's object into that form and
//! back; names, columns and rules are the kind's.

use crate::Kind;
use serde_json::Value;

/// A group and version beside the stored one.
pub struct Face {
    /// Whose objects these are.
    pub kind: &'static Kind,
    /// API group.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// OpenAPI name of the type in the schema registry.
    pub schema: &'static str,
    /// Makes the stored form of what a client sent, `apiVersion` excepted.
    pub to_stored: fn(&mut Value),
    /// Makes of the stored form what clients of this version know, `apiVersion` excepted.
    pub from_stored: fn(&mut Value),
    /// Field selectors that are called otherwise here: the name here, the kind's own.
    pub selectors: &'static [(&'static str, &'static str)],
}

impl Face {
    /// `autoscaling/v1`
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }
    /// The stored form of a client's object.
    pub fn store(&self, mut object: Value) -> Value {
        (self.to_stored)(&mut object);
        crate::json::set(&mut object, "apiVersion", self.kind.api_version());
        object
    }
    /// What a client sees of a stored object.
    pub fn show(&self, mut object: Value) -> Value {
        (self.from_stored)(&mut object);
        crate::json::set(&mut object, "apiVersion", self.api_version());
        object
    }
    /// The kind's name of a field selector.
    pub fn selector<'a>(&self, name: &'a str) -> &'a str {
        self.selectors.iter().find(|(here, _)| *here == name).map_or(name, |(_, own)| own)
    }
}
