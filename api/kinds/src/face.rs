//! Other groups and versions under which a kind's objects are served.
//!
//! Objects are stored in one form. A face is a kind of its own to clients: it has another
//! group, version and schema. It turns their objects into the stored form and back.

use crate::{FACES, Kind};
use serde_json::Value;

/// A kind as clients of another group or version know it.
pub struct Face {
    /// What these clients see; its `resource` is that of the stored kind.
    pub shown: &'static Kind,
    /// Whose rules hold, and in whose form objects are stored.
    pub stored: &'static Kind,
    /// Makes the stored form of what a client sent, `apiVersion` excepted.
    pub to_stored: fn(&mut Value),
    /// Makes of the stored form what these clients know, `apiVersion` excepted.
    pub from_stored: fn(&mut Value),
}

impl Face {
    /// The face that `kind` is; `None` for a stored kind.
    pub fn of(kind: &Kind) -> Option<&'static Self> {
        FACES.iter().copied().find(|f| std::ptr::eq(f.shown, kind))
    }
    /// The stored form of a client's object.
    pub fn store(&self, mut object: Value) -> Value {
        (self.to_stored)(&mut object);
        crate::json::set(&mut object, "apiVersion", self.stored.api_version());
        object
    }
    /// What a client sees of a stored object.
    pub fn show(&self, mut object: Value) -> Value {
        (self.from_stored)(&mut object);
        crate::json::set(&mut object, "apiVersion", self.shown.api_version());
        object
    }
}
