//! Reading and changing JSON whose shape nobody has checked yet.
//!
//! Strategies run on what a client sent: any member may be of any type. Reading gives
//! an empty value for what is not there, writing leaves alone what is not an object.
//! As in Go's types, `null`, `""` and an absent member are the same.

use serde_json::{Map, Value};

static NULL: Value = Value::Null;

/// The value at a dotted path of members; `Null` where there is none.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(value, |v, name| v.get(name)).unwrap_or(&NULL)
}

/// The string, or `""`.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The integer, or 0.
pub(crate) fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// The elements, or none.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The members in key order, or none.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// How many members or elements.
pub(crate) fn count(value: &Value) -> usize {
    value.as_object().map_or_else(|| items(value).len(), Map::len)
}

/// Whether Go would see the zero value of a string, list, map or pointer.
pub(crate) fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        _ => false,
    }
}

/// A scalar as a field selector writes it; `""` for anything else.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => String::new(),
    }
}

/// The elements at a dotted path, for writing.
pub(crate) fn items_mut<'a>(value: &'a mut Value, path: &str) -> impl Iterator<Item = &'a mut Value> {
    at_mut(value, path).and_then(Value::as_array_mut).into_iter().flatten()
}

/// The value at a dotted path, for writing, where it exists.
pub(crate) fn at_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(value, |v, name| v.get_mut(name))
}

/// Sets a member of an object where it is absent, `null` or `""`.
pub(crate) fn set_default(value: &mut Value, name: &str, default: impl Into<Value>) {
    let Some(map) = value.as_object_mut() else { return };
    if map.get(name).is_none_or(|v| v.is_null() || v.as_str() == Some("")) {
        map.insert(name.to_owned(), default.into());
    }
}

/// Sets a number where it is absent, `null` or 0.
pub(crate) fn set_default_number(value: &mut Value, name: &str, default: i64) {
    let Some(map) = value.as_object_mut() else { return };
    if map.get(name).is_none_or(|v| v.is_null() || v.as_i64() == Some(0)) {
        map.insert(name.to_owned(), default.into());
    }
}

/// Sets a member of an object; anything but an object stays as it is.
pub(crate) fn set(value: &mut Value, name: &str, to: impl Into<Value>) {
    if let Some(map) = value.as_object_mut() {
        map.insert(name.to_owned(), to.into());
    }
}

/// Removes a member of an object.
pub(crate) fn remove(value: &mut Value, name: &str) {
    if let Some(map) = value.as_object_mut() {
        map.remove(name);
    }
}

/// Takes a member out of the object at a dotted path; `Null` where there is none.
pub(crate) fn take(value: &mut Value, path: &str, name: &str) -> Value {
    at_mut(value, path).and_then(Value::as_object_mut).and_then(|map| map.remove(name)).unwrap_or_default()
}

/// Gives a member its old value back, or takes it away where it had none.
pub(crate) fn carry(value: &mut Value, old: &Value, name: &str) {
    match old.get(name) {
        Some(kept) => set(value, name, kept.clone()),
        None => remove(value, name),
    }
}

/// Keeps an old field with one value and the list that came after it in step, where one of them is unset.
///
/// Elements of the list are the values themselves, or objects with the value at `member`.
pub(crate) fn pair(value: &mut Value, one: &str, many: &str, member: Option<&str>) {
    let first = value[many].get(0).map(|e| member.map_or(e, |m| &e[m])).filter(|e| !is_unset(e)).cloned();
    let single = value[one].clone();
    match (is_unset(&single), first) {
        (true, Some(first)) => set(value, one, first),
        (false, None) => {
            let element = member.map_or_else(|| single.clone(), |m| serde_json::json!({m: single}));
            set(value, many, Value::Array(vec![element]));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pairs_stay_in_step() {
        let cases = [
            (json!({"ip": "a"}), json!({"ip": "a", "ips": [{"ip": "a"}]})),
            (json!({"ips": [{"ip": "a"}, {"ip": "b"}]}), json!({"ip": "a", "ips": [{"ip": "a"}, {"ip": "b"}]})),
            (json!({"ip": "", "ips": []}), json!({"ip": "", "ips": []})),
            (json!([1]), json!([1])),
        ];
        for (mut value, expected) in cases {
            pair(&mut value, "ip", "ips", Some("ip"));
            assert_eq!(value, expected);
        }
    }
}
