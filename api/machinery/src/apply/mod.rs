//! Server-side apply: who owns which field, and what an applied configuration makes of an object.
//!
//! Follows sigs.k8s.io/structured-merge-diff. Which lists are maps or sets, and which values are
//! owned as a whole, the schema registry says. Sets of fields are held in the form in which they
//! are stored and answered (`FieldsV1`), so that a write parses and prints none that it leaves
//! alone. Time and names are arguments; nothing here knows of requests.

mod check;
mod compare;
mod entries;
mod merge;
mod schema;
mod set;

pub use entries::Operation;

use compare::{compare, owned};
use entries::{Conflict, Entries};
use podium_types::{ApiError, registry::Type};
use schema::Node;
use serde_json::Value;
use set::Set;

/// Whose write it is.
#[derive(Clone, Copy, Debug)]
pub struct Manager<'a> {
    /// `kubectl`, `deployment-controller`, …
    pub name: &'a str,
    /// How it writes.
    pub operation: Operation,
    /// The version that it writes in.
    pub api_version: &'a str,
    /// `status`, `scale` or nothing.
    pub subresource: &'a str,
    /// The time, as the API writes it.
    pub now: &'a str,
}

/// Notes in a new object that `by` owns all that is in it.
pub fn created(schema: &'static Type, object: &mut Value, by: &Manager<'_>) {
    let mut set = owned(Node::root(schema), object, by.operation == Operation::Update);
    set::strip(&mut set);
    let mut entries = Entries::default();
    entries.replace(by, set);
    entries.store(object);
}

/// Notes in `new` what `by` changed of `old`: it owns that now, and nobody else does.
///
/// `new` carries the managed fields of `old`, or those that the client put in their place.
pub fn updated(schema: &'static Type, old: &Value, new: &mut Value, by: &Manager<'_>) {
    let mut change = compare(Node::root(schema), old, new);
    change.strip();
    if change.is_empty() {
        return;
    }
    let mut entries = Entries::take(new);
    entries.lose(by, &change);
    entries.gain(by, &change);
    entries.store(new);
}

/// The live object after `config` is applied, managed fields included.
///
/// Fields that `by` applied before and does not any more go, unless another manager has them.
/// 409 where another manager has what would change, unless `force` takes it away from them.
/// `live` must carry the object's own defaults; those of what the configuration adds are the
/// caller's business.
pub fn applied(
    schema: &'static Type,
    live: &Value,
    config: &Value,
    by: &Manager<'_>,
    force: bool,
) -> Result<Value, ApiError> {
    let node = Node::root(schema);
    let mut set = owned(node, config, false);
    set::strip(&mut set);
    let mut made = merge::merge(node, live, config);
    let mut entries = Entries::take(&mut made);
    let mut keep = set.clone();
    let mut last = Set::new();
    for entry in entries.iter() {
        if entry.is_of(by) {
            last.clone_from(&entry.fields);
        } else {
            set::unite(&mut keep, &entry.fields);
        }
    }
    merge::prune(node, &mut made, &last, &keep);
    let mut change = compare(node, live, &made);
    change.strip();
    let conflicts = entries.conflicts(by, &change);
    if !force && !conflicts.is_empty() {
        return Err(Conflict::refusal(&conflicts));
    }
    entries.lose(by, &change);
    entries.replace(by, set);
    entries.store(&mut made);
    Ok(made)
}

/// Whether a configuration can be applied at all: every field known, every element with its key.
/// The error is in the words of Kubernetes' typed objects.
pub fn check(schema: &'static Type, config: &Value) -> Result<(), String> {
    check::check(Node::root(schema), config, "")
}

/// Sets the time of `by`'s entry; for a write that is about to be committed.
pub fn touch(object: &mut Value, by: &Manager<'_>) {
    let mut entries = Entries::take(object);
    entries.touch(by);
    entries.store(object);
}

/// The managed fields that a client's object carries in place of those of the live one: `Some` of
/// what is to be stored (nothing, where the client resets them), `None` to keep the live ones.
pub fn chosen(object: &Value) -> Option<Value> {
    let list = object["metadata"]["managedFields"].as_array()?;
    match list.as_slice() {
        [] => None,
        // The documented way to take all ownership away.
        [Value::Object(empty)] if empty.is_empty() => Some(Value::Null),
        list => list.iter().all(entries::is_sound).then(|| Value::Array(list.to_vec())),
    }
}

#[cfg(test)]
mod tests;
