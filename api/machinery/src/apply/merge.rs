//! Laying a configuration over an object, and taking out what it no longer says.

use super::{
    schema::{Form, Node, field_key},
    set::{SELF, Set},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// `live` with all that `config` says.
pub(super) fn merge(node: Node, live: &Value, config: &Value) -> Value {
    match (node.form, live, config) {
        (Form::Struct(_) | Form::Map(_), Value::Object(live), Value::Object(config)) => {
            let kept = live.iter().map(|(name, old)| match config.get(name) {
                Some(value) => (name.clone(), merge(node.field(name), old, value)),
                None => (name.clone(), old.clone()),
            });
            let added = config.iter().filter(|(name, _)| !live.contains_key(*name));
            Value::Object(kept.chain(added.map(|(name, value)| (name.clone(), value.clone()))).collect())
        }
        (Form::Set | Form::Keyed(..), Value::Array(live), Value::Array(config)) => {
            Value::Array(merge_list(node, live, config))
        }
        _ => config.clone(),
    }
}

/// Elements of the configuration in its order; each of the others stays before the one that it
/// stood before.
fn merge_list(node: Node, live: &[Value], config: &[Value]) -> Vec<Value> {
    let mut places = BTreeMap::new();
    for (place, item) in live.iter().enumerate() {
        places.entry(node.key_of(item)).or_insert(place);
    }
    let place = |item| node.key_of(item).and_then(|key| places.get(&Some(key)).copied());
    let wanted: Vec<Option<usize>> = config.iter().map(place).collect();
    let mut shared = vec![false; live.len()];
    for place in wanted.iter().flatten() {
        if let Some(slot) = shared.get_mut(*place) {
            *slot = true;
        }
    }
    let mut made = Vec::with_capacity(live.len() + config.len());
    let mut rest = live.iter().zip(&shared).enumerate().peekable();
    for (item, place) in config.iter().zip(wanted) {
        match place.and_then(|place| Some((place, live.get(place)?))) {
            None => made.push(item.clone()),
            Some((place, old)) => {
                while let Some((_, (other, shared))) = rest.next_if(|(at, _)| *at < place) {
                    if !shared {
                        made.push(other.clone());
                    }
                }
                made.push(merge(node.element(), old, item));
            }
        }
    }
    made.extend(rest.filter(|(_, (_, shared))| !**shared).map(|(_, (other, _))| other.clone()));
    made
}

/// Takes out of `value` what is in `last` and not in `keep`.
pub(super) fn prune(node: Node, value: &mut Value, last: &Set, keep: &Set) {
    prune_but(node, value, last, keep, &[]);
}

/// The same; an element that stays keeps the fields that tell it apart.
fn prune_but(node: Node, value: &mut Value, last: &Set, keep: &Set, keys: &[&str]) {
    for (key, below) in last.iter().filter(|(key, _)| *key != SELF) {
        if keys.iter().any(|name| field_key(name) == **key) {
            continue;
        }
        let Some(kept) = keep.get(key) else {
            node.remove(value, key);
            continue;
        };
        if let (Value::Object(below), Value::Object(kept)) = (below, kept)
            && let Some((child_node, child)) = node.child_mut(value, key)
        {
            prune_but(child_node, child, below, kept, node.keys());
        }
    }
}
