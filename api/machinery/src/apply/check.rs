//! Whether a configuration fits the schema; the rest of its checks are those of every body.

use super::{
    schema::{Form, Node},
    set::step,
};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn check(node: Node, value: &Value, path: &str) -> Result<(), String> {
    match (node.form, value) {
        (Form::Struct(ty), Value::Object(map)) => {
            for (name, value) in map {
                let path = format!("{path}.{name}");
                if ty.field(name).is_none() {
                    return Err(format!("{path}: field not declared in schema"));
                }
                check(node.field(name), value, &path)?;
            }
            Ok(())
        }
        (Form::Map(_), Value::Object(map)) => {
            map.iter().try_for_each(|(name, value)| check(node.field(name), value, &format!("{path}.{name}")))
        }
        (Form::Set | Form::Keyed(..), Value::Array(items)) => list(node, items, path),
        _ => Ok(()),
    }
}

fn list(node: Node, items: &[Value], path: &str) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (place, item) in items.iter().enumerate() {
        let Some(key) = node.key_of(item) else {
            let name = node.keys().first().copied().unwrap_or_default();
            return Err(format!(
                "{path}: element {place}: associative list with keys has an element that omits key field {name:?} \
                 (and doesn't have default value)"
            ));
        };
        let place = step(path, &key);
        check(node.element(), item, &place)?;
        if !seen.insert(key) {
            return Err(format!("{path}: duplicate entries for key {}", place.strip_prefix(path).unwrap_or_default()));
        }
    }
    Ok(())
}
