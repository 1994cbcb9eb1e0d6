//! What the cells of `kubectl get` have in common.

use crate::json::{at, int, items, members, text};
use podium_types::{Timestamp, duration::human_age};
use serde_json::{Value, json};

/// What kubectl shows for nothing.
pub(crate) const NONE: &str = "<none>";
const UNKNOWN: &str = "<unknown>";
/// Endpoints and ports listed in a cell before `+ N more...`.
const MAX_LISTED: usize = 3;

/// The object's name.
pub(crate) fn name(object: &Value) -> Value {
    json!(podium_types::meta::name(object))
}

/// The row of kinds of which nothing more is shown.
pub(crate) fn name_and_age(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), age(object, now)]
}

/// The row of kinds that kubectl shows with the time they were made.
pub(crate) fn name_and_creation(object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(text(&object["metadata"]["creationTimestamp"]))]
}

/// The object's age, such as `5m30s`.
pub(crate) fn age(object: &Value, now: Timestamp) -> Value {
    json!(since(&object["metadata"]["creationTimestamp"], now))
}

/// Time since an RFC 3339 timestamp; `<unknown>` where it is none.
pub(crate) fn since(time: &Value, now: Timestamp) -> String {
    time_of(time).map_or_else(|| UNKNOWN.to_owned(), |t| human_age(t, now))
}

/// The timestamp of a Time or MicroTime.
pub(crate) fn time_of(time: &Value) -> Option<Timestamp> {
    time.as_str()?.parse().ok()
}

/// The string, or `<none>`.
pub(crate) fn or_none(value: &Value) -> String {
    or_word(text(value), NONE)
}

/// The string, or `<unknown>`.
pub(crate) fn or_unknown(value: &Value) -> String {
    or_word(text(value), UNKNOWN)
}

fn or_word(s: &str, word: &str) -> String {
    if s.is_empty() { word } else { s }.to_owned()
}

/// Names and images of a pod spec's containers, each joined by commas.
pub(crate) fn containers(spec: &Value) -> [Value; 2] {
    ["name", "image"].map(|field| {
        let list: Vec<&str> = items(&spec["containers"]).iter().map(|c| text(&c[field])).collect();
        json!(list.join(","))
    })
}

/// A map of labels as `a=b,c=d`, or `<none>`.
pub(crate) fn labels(map: &Value) -> String {
    let list: Vec<String> = members(map).map(|(k, v)| format!("{k}={}", text(v))).collect();
    or_word(&list.join(","), NONE)
}

/// A LabelSelector as `a=b,c in (d,e),!f`, or `<none>`.
pub(crate) fn label_selector(selector: &Value) -> String {
    let mut list: Vec<(&str, String)> =
        members(&selector["matchLabels"]).map(|(k, v)| (k.as_str(), format!("{k}={}", text(v)))).collect();
    for rule in items(&selector["matchExpressions"]) {
        let key = text(&rule["key"]);
        let mut values: Vec<&str> = items(&rule["values"]).iter().map(text).collect();
        values.sort_unstable();
        let values = values.join(",");
        list.push((
            key,
            match text(&rule["operator"]) {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key.to_owned(),
                "DoesNotExist" => format!("!{key}"),
                _ => return "<error>".to_owned(),
            },
        ));
    }
    list.sort_by(|a, b| a.0.cmp(b.0));
    let list: Vec<String> = list.into_iter().map(|(_, s)| s).collect();
    or_word(&list.join(","), NONE)
}

/// The first few of a list, and how many more there are.
pub(crate) fn first_few(list: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = list.collect();
    let shown = all.iter().take(MAX_LISTED).map(String::as_str).collect::<Vec<_>>().join(",");
    match all.len().checked_sub(MAX_LISTED) {
        Some(more) if more > 0 => format!("{shown} + {more} more..."),
        _ => or_word(&shown, "<unset>"),
    }
}

/// The number at a dotted path, 0 where there is none.
pub(crate) fn number(object: &Value, path: &str) -> Value {
    json!(int(at(object, path)))
}
