//! Who owns the fields of what is written (`metadata.managedFields`).

use super::WriteOptions;
use crate::{time, user::User};
use podium_kinds::Kind;
use podium_machinery::apply::{self, Manager, Operation};
use podium_types::{Timestamp, meta, registry};
use serde_json::Value;

/// One write, as the managed fields see it.
pub(super) struct Writer<'a> {
    kind: &'static Kind,
    name: &'a str,
    operation: Operation,
    api_version: String,
    subresource: &'a str,
    now: String,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        kind: &'static Kind,
        user: &'a User,
        subresource: &'a str,
        options: &'a WriteOptions,
        now: Timestamp,
    ) -> Self {
        let name = match options.field_manager.as_str() {
            // `system:serviceaccount:kube-system:deployment-controller` is known by its last part.
            "" => user.name.rsplit(':').next().unwrap_or_default(),
            name => name,
        };
        let api_version = kind.api_version();
        Self { kind, name, operation: options.operation, api_version, subresource, now: time::stamp(now) }
    }
    pub(super) fn manager(&self) -> Manager<'_> {
        Manager {
            name: self.name,
            operation: self.operation,
            api_version: &self.api_version,
            subresource: self.subresource,
            now: &self.now,
        }
    }
    /// Notes who made `object`; to be called before and after it gets its defaults. What is applied
    /// owns what it says, what is created otherwise also what the server added.
    pub(super) fn made(&self, object: &mut Value, defaulted: bool) {
        if defaulted == (self.operation == Operation::Update)
            && let Some(schema) = registry::get(self.kind.schema)
        {
            apply::created(schema, object, &self.manager());
        }
    }
    /// The managed fields that an update begins with: those of `old`, or what the client or the
    /// apply put in their place.
    pub(super) fn before(&self, new: &mut Value, old: &Value) -> Option<Value> {
        let set = match self.operation {
            Operation::Apply => Some(meta::metadata_mut(new).remove("managedFields").unwrap_or_default()),
            Operation::Update => apply::chosen(new),
        };
        set.or_else(|| old["metadata"].get("managedFields").cloned()).filter(|list| !list.is_null())
    }
    /// Notes what became of `old`.
    pub(super) fn changed(&self, new: &mut Value, old: &Value) {
        if self.operation == Operation::Update
            && let Some(schema) = registry::get(self.kind.schema)
        {
            apply::updated(schema, old, new, &self.manager());
        }
    }
    /// The write is about to be committed.
    pub(super) fn stamp(&self, new: &mut Value) {
        if new["metadata"]["managedFields"].is_array() {
            apply::touch(new, &self.manager());
        }
    }
}

/// Puts the managed fields where they belong.
pub(super) fn set(object: &mut Value, list: Option<Value>) {
    let metadata = meta::metadata_mut(object);
    match list {
        Some(list) => metadata.insert("managedFields".into(), list),
        None => metadata.remove("managedFields"),
    };
}
