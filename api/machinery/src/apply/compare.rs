//! Which fields a value has, and which ones differ between two values.

use super::{
    schema::{Member, Node},
    set::{self, SELF, Set, leaf},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What became of an object.
#[derive(Default)]
pub(super) struct Change {
    /// Fields that came or have another value.
    pub(super) changed: Set,
    /// Fields that went, with all below them.
    pub(super) removed: Set,
}

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
    pub(super) fn strip(&mut self) {
        set::strip(&mut self.changed);
        set::strip(&mut self.removed);
    }
}

/// The fields of a value. `optional`: collections that could be absent are owned beside their
/// members, as they are by whoever writes whole objects.
pub(super) fn owned(node: Node, value: &Value, optional: bool) -> Set {
    let mut made = Set::new();
    for member in node.members(value).unwrap_or_default() {
        let Member { key, node, value, item } = member;
        let mut below = owned(node, value, optional);
        if item && !below.is_empty() {
            below.insert(SELF.into(), leaf());
        }
        made.insert(key, Value::Object(below));
    }
    if optional && node.optional && !made.is_empty() {
        made.insert(SELF.into(), leaf());
    }
    made
}

/// What differs between two objects.
pub(super) fn compare(node: Node, old: &Value, new: &Value) -> Change {
    let mut change = Change::default();
    if old != new {
        walk(node, old, new, &mut change);
    }
    change
}

/// The difference of two values that are not equal; false where the value differs as a whole.
fn walk(node: Node, old: &Value, new: &Value, change: &mut Change) -> bool {
    let (Some(before), Some(after)) = (node.members(old), node.members(new)) else { return false };
    // A collection that is empty is a value of its own.
    if before.is_empty() || after.is_empty() {
        let gone = before.iter().map(|m| (m.key.clone(), leaf()));
        change.removed.extend(gone);
        change.changed = owned(node, new, true);
        return !change.removed.is_empty() || !change.changed.is_empty();
    }
    let mut before: BTreeMap<String, Member<'_>> = before.into_iter().map(|m| (m.key.clone(), m)).collect();
    for member in after {
        let Member { key, node, value, item } = member;
        match before.remove(&key) {
            None => {
                let mut below = owned(node, value, true);
                if item && !below.is_empty() {
                    below.insert(SELF.into(), leaf());
                }
                change.changed.insert(key, Value::Object(below));
            }
            Some(old) if old.value == value => {}
            Some(old) => {
                let mut inner = Change::default();
                if walk(node, old.value, value, &mut inner) {
                    if !inner.changed.is_empty() {
                        change.changed.insert(key.clone(), Value::Object(inner.changed));
                    }
                    if !inner.removed.is_empty() {
                        change.removed.insert(key, Value::Object(inner.removed));
                    }
                } else {
                    change.changed.insert(key, leaf());
                }
            }
        }
    }
    change.removed.extend(before.into_keys().map(|key| (key, leaf())));
    true
}
