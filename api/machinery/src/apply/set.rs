//! Sets of fields in the form of `FieldsV1`.
//!
//! A member without members of its own is `{}`; one that has some, and is in the set itself
//! besides, has a `.` among them.

use serde_json::{Map, Value};
use std::sync::LazyLock;

/// The fields below one place.
pub(super) type Set = Map<String, Value>;

/// The place itself, among its members.
pub(super) const SELF: &str = ".";
static NONE: LazyLock<Set> = LazyLock::new(Set::new);

/// Members of `metadata` and of the object that nobody owns.
const UNOWNED: &[&str] =
    &["name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"];
const UNOWNED_TOP: &[&str] = &["f:kind", "f:apiVersion"];

/// An empty set, as a member.
pub(super) fn leaf() -> Value {
    Value::Object(Set::new())
}

fn below(value: &Value) -> &Set {
    value.as_object().unwrap_or(&NONE)
}

/// Takes out what nobody owns.
pub(super) fn strip(set: &mut Set) {
    for key in UNOWNED_TOP {
        set.remove(*key);
    }
    let Some(metadata) = set.get_mut("f:metadata").and_then(Value::as_object_mut) else { return };
    metadata.retain(|key, _| !key.strip_prefix("f:").is_some_and(|name| UNOWNED.contains(&name)));
    if metadata.is_empty() {
        set.remove("f:metadata");
    }
}

/// Adds the members of `more`.
pub(super) fn unite(set: &mut Set, more: &Set) {
    for (key, added) in more {
        match set.get_mut(key) {
            None => {
                set.insert(key.clone(), added.clone());
            }
            Some(Value::Object(have)) => {
                let (bare, plain) = (have.is_empty(), below(added).is_empty());
                if bare && plain {
                    continue;
                }
                unite(have, below(added));
                // A bare member now has members; it stays in the set itself.
                if key != SELF && (bare || plain) {
                    have.insert(SELF.into(), leaf());
                }
            }
            Some(_) => {}
        }
    }
}

/// Takes the members of `less` out; of a member that stands bare in `less`, all that is below it.
pub(super) fn subtract(set: &mut Set, less: &Set) {
    for (key, gone) in less {
        let gone = below(gone);
        let Some(Value::Object(have)) = set.get_mut(key) else { continue };
        let empty = if gone.is_empty() {
            true
        } else if have.is_empty() {
            gone.contains_key(SELF)
        } else {
            subtract(have, gone);
            if have.len() == 1 && have.contains_key(SELF) {
                have.clear();
                false
            } else {
                have.is_empty()
            }
        };
        if empty {
            set.remove(key);
        }
    }
}

/// Whether a member is in its set itself, beside what is below it.
fn is_member(below: &Set) -> bool {
    below.is_empty() || below.contains_key(SELF)
}

/// The paths of the members that both sets have: `.spec.containers[name="a"].image`.
pub(super) fn common(one: &Set, other: &Set, path: &str, found: &mut Vec<String>) {
    for (key, theirs) in other.iter().filter(|(key, _)| *key != SELF) {
        let Some(ours) = one.get(key).map(below) else { continue };
        let (theirs, path) = (below(theirs), step(path, key));
        if is_member(ours) && is_member(theirs) {
            found.push(path.clone());
        }
        common(ours, theirs, &path, found);
    }
}

/// A path with one more member.
pub(super) fn step(path: &str, key: &str) -> String {
    match key.split_at_checked(2) {
        Some(("f:", name)) => format!("{path}.{name}"),
        Some(("v:", value)) => format!("{path}[={value}]"),
        Some(("k:", parts)) => {
            let parts: Set = serde_json::from_str(parts).unwrap_or_default();
            let parts: Vec<String> = parts.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{path}[{}]", parts.join(","))
        }
        _ => format!("{path}[{}]", key.trim_start_matches("i:")),
    }
}
