//! Validation rules that several kinds share, with Kubernetes' field paths and words.

use crate::{
    json::{is_unset, items, members, text},
    names::{self, Checked},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::{collections::BTreeSet, net::IpAddr, ops::RangeInclusive};

/// What all values of a ConfigMap or Secret may weigh together, in bytes.
const MAX_DATA: usize = 1024 * 1024;
/// Detail of errors about fields that are fixed once written.
pub(crate) const IMMUTABLE: &str = "field is immutable";
/// Transport protocols of ports.
pub(crate) const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// The address of a node that is in no network: link-local, and yet where its pods find it.
const LONELY_NODE: &str = "169.254.1.1";

/// Collected errors.
pub(crate) type Errors = Vec<FieldError>;

/// `path.name`, or `name` at the top.
pub(crate) fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Reports a value whose form is wrong.
pub(crate) fn form(errors: &mut Errors, checked: Checked, path: &str, value: &str) {
    if let Err(why) = checked {
        errors.push(FieldError::invalid(path, &json!(value), &why));
    }
}

/// Reports a string that is missing, or whose form is wrong.
pub(crate) fn required_form(errors: &mut Errors, check: fn(&str) -> Checked, value: &Value, path: &str) {
    match text(value) {
        "" => errors.push(FieldError::required(path, "")),
        s => form(errors, check(s), path, s),
    }
}

/// Reports a set value outside an enumeration.
pub(crate) fn one_of(errors: &mut Errors, value: &Value, path: &str, supported: &[&str]) {
    if !is_unset(value) && !value.as_str().is_some_and(|s| supported.contains(&s)) {
        errors.push(FieldError::not_supported(path, value, supported));
    }
}

/// Reports a missing value, or one outside an enumeration.
pub(crate) fn required_one_of(errors: &mut Errors, value: &Value, path: &str, supported: &[&str]) {
    if is_unset(value) {
        errors.push(FieldError::required(path, ""));
    }
    one_of(errors, value, path, supported);
}

/// Reports a number below `least`.
pub(crate) fn at_least(errors: &mut Errors, value: &Value, path: &str, least: i64) {
    if value.as_i64().is_some_and(|n| n < least) {
        let detail = if least == 1 {
            "must be greater than 0".to_owned()
        } else {
            format!("must be greater than or equal to {least}")
        };
        errors.push(FieldError::invalid(path, value, &detail));
    }
}

/// Reports a number outside a range.
pub(crate) fn within(errors: &mut Errors, value: &Value, path: &str, range: RangeInclusive<i64>) {
    if value.as_i64().is_some_and(|n| !range.contains(&n)) {
        let detail = format!("must be between {} and {}, inclusive", range.start(), range.end());
        errors.push(FieldError::invalid(path, value, &detail));
    }
}

/// A count or a percentage as its number, 0 where there is none; reports what is neither.
pub(crate) fn count_or_percent(errors: &mut Errors, value: &Value, path: &str) -> Option<i64> {
    const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                           '93%', regex used for validation is '[0-9]+%')";
    if is_unset(value) {
        return Some(0);
    }
    let Some(percent) = value.as_str() else {
        at_least(errors, value, path, 0);
        return value.as_i64();
    };
    let number = percent_of(percent);
    if number.is_none() {
        errors.push(FieldError::invalid(path, value, PERCENT));
    }
    number
}

/// The number of a text such as `25%`.
fn percent_of(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%').filter(|d| !d.is_empty() && d.bytes().all(|c| c.is_ascii_digit()))?;
    // Too many digits for a number is more than any percentage.
    Some(digits.parse().unwrap_or(i64::MAX))
}

/// Reports a percentage that is more than the whole.
pub(crate) fn at_most_all(errors: &mut Errors, value: &Value, path: &str) {
    if value.as_str().and_then(percent_of).is_some_and(|percent| percent > 100) {
        errors.push(FieldError::invalid(path, value, "must not be greater than 100%"));
    }
}

/// Reports a list that is longer than allowed.
pub(crate) fn too_many(errors: &mut Errors, count: usize, max: usize, path: &str) {
    if count > max {
        let message = format!("Too many: {count}: must have at most {max} items");
        errors.push(FieldError { reason: "FieldValueTooMany", field: path.to_owned(), message });
    }
}

/// Reports a missing string.
pub(crate) fn required(errors: &mut Errors, value: &Value, path: &str, why: &str) {
    if is_unset(value) {
        errors.push(FieldError::required(path, why));
    }
}

/// Reports numbers below 0 in some fields of an object.
pub(crate) fn not_negative(errors: &mut Errors, object: &Value, path: &str, fields: &[&str]) {
    for field in fields {
        at_least(errors, &object[*field], &child(path, field), 0);
    }
}

/// Reports changed fields of an object that may not change.
pub(crate) fn fixed(errors: &mut Errors, new: &Value, old: &Value, path: &str, fields: &[&str]) {
    for field in fields {
        immutable(errors, &new[*field], &old[*field], &child(path, field));
    }
}

/// Reports what is not a port number; absent is 0, as in Go.
pub(crate) fn port(errors: &mut Errors, value: &Value, path: &str) {
    let number = if value.is_null() { json!(0) } else { value.clone() };
    within(errors, &number, path, 1..=65535);
}

/// Reports what is neither a port number nor a port's name.
pub(crate) fn port_or_name(errors: &mut Errors, value: &Value, path: &str) {
    match value.as_str() {
        Some(name) => form(errors, names::port_name(name), path, name),
        None => port(errors, value, path),
    }
}

/// Reports values that stand twice; `seen` is kept by the caller.
pub(crate) fn unique(errors: &mut Errors, seen: &mut BTreeSet<String>, value: &str, path: &str) {
    if !seen.insert(value.to_owned()) {
        errors.push(FieldError::duplicate(path, &json!(value)));
    }
}

/// Reports a changed field that may not change.
pub(crate) fn immutable(errors: &mut Errors, new: &Value, old: &Value, path: &str) {
    if new != old && !(is_unset(new) && is_unset(old)) {
        errors.push(FieldError::invalid(path, new, IMMUTABLE));
    }
}

/// Reports keys and values of a label map that have the wrong form.
pub(crate) fn labels(errors: &mut Errors, map: &Value, path: &str) {
    for (key, value) in members(map) {
        form(errors, names::qualified_name(key), path, key);
        form(errors, names::label_value(text(value)), path, text(value));
    }
}

/// Reports a LabelSelector that is malformed.
pub(crate) fn label_selector(errors: &mut Errors, selector: &Value, path: &str) {
    labels(errors, &selector["matchLabels"], &child(path, "matchLabels"));
    for (i, rule) in items(&selector["matchExpressions"]).iter().enumerate() {
        let path = format!("{path}.matchExpressions[{i}]");
        let values = items(&rule["values"]);
        match text(&rule["operator"]) {
            "In" | "NotIn" if values.is_empty() => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(child(&path, "values"), why));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(child(&path, "values"), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => {
                let why = "not a valid selector operator";
                errors.push(FieldError::invalid(child(&path, "operator"), &text(&rule["operator"]).into(), why));
            }
        }
        let key = text(&rule["key"]);
        form(errors, names::qualified_name(key), &child(&path, "key"), key);
        for (j, value) in values.iter().enumerate() {
            form(errors, names::label_value(text(value)), &format!("{path}.values[{j}]"), text(value));
        }
    }
}

/// Whether a LabelSelector matches a label map.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = members(&selector["matchLabels"]).all(|(key, value)| labels.get(key) == Some(value));
    equal
        && items(&selector["matchExpressions"]).iter().all(|rule| {
            let value = labels.get(text(&rule["key"]));
            let listed = value.is_some_and(|v| items(&rule["values"]).contains(v));
            match text(&rule["operator"]) {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// Reports addresses that are one for every machine: nobody else can send to them.
pub(crate) fn not_special(errors: &mut Errors, address: &str, path: &str) {
    let Ok(ip) = address.parse::<IpAddr>() else { return };
    if address == LONELY_NODE {
        return;
    }
    let (v4, v6) = match ip {
        IpAddr::V4(v4) => (Some(v4), None),
        IpAddr::V6(v6) => (None, Some(v6)),
    };
    let first = v6.map_or(0, |v6| v6.segments()[0]);
    let link_local = v4.is_some_and(|v4| v4.is_link_local()) || first & 0xffc0 == 0xfe80;
    let multicast = v4.is_some_and(|v4| v4.octets()[..3] == [224, 0, 0]) || first & 0xff0f == 0xff02;
    for (is, why) in [
        (ip.is_unspecified(), format!("may not be unspecified ({address})")),
        (ip.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned()),
        (link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()),
        (multicast, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned()),
    ] {
        if is {
            errors.push(FieldError::invalid(path, &json!(address), &why));
        }
    }
}

/// Reports keys of a ConfigMap or Secret that cannot be file names.
pub(crate) fn data_keys(errors: &mut Errors, map: &Value, path: &str) {
    for (key, _) in members(map) {
        form(errors, names::data_key(key), &format!("{path}[{key}]"), key);
    }
}

/// Reports values that are not base64 (RFC 4648).
pub(crate) fn data_base64(errors: &mut Errors, map: &Value, path: &str) {
    for (key, value) in members(map) {
        if BASE64_STANDARD.decode(text(value)).is_err() {
            errors.push(FieldError::invalid(format!("{path}[{key}]"), value, "illegal base64 data"));
        }
    }
}

/// Reports a ConfigMap or Secret that is too large; `path` is where Kubernetes says so.
pub(crate) fn data_size(errors: &mut Errors, plain: &Value, base64: &Value, path: &str) {
    let plain: usize = members(plain).map(|(_, v)| text(v).len()).sum();
    let decoded: usize = members(base64).map(|(_, v)| decoded_len(text(v))).sum();
    if plain + decoded > MAX_DATA {
        errors.push(FieldError::too_long(path, MAX_DATA));
    }
}

/// Bytes that a base64 text stands for.
fn decoded_len(base64: &str) -> usize {
    let padding = base64.bytes().rev().take_while(|b| *b == b'=').count();
    (base64.len() / 4 * 3).saturating_sub(padding)
}

/// Reports a change of a ConfigMap or Secret that its `immutable` forbids.
pub(crate) fn sealed_data(object: &Value, old: &Value, fields: &[&str]) -> Errors {
    const WHY: &str = "field is immutable when `immutable` is set";
    if old["immutable"] != json!(true) {
        return Errors::new();
    }
    let mut errors = Errors::new();
    if object["immutable"] != json!(true) {
        errors.push(FieldError::forbidden("immutable", WHY));
    }
    for field in fields {
        let (new, old) = (&object[field], &old[field]);
        if new != old && !(is_unset(new) && is_unset(old)) {
            errors.push(FieldError::forbidden(*field, WHY));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let labels = json!({"app": "a", "tier": "web"});
        let rule = |operator: &str, key: &str, values: Value| {
            let rule = json!({"key": key, "operator": operator, "values": values});
            json!({"matchExpressions": [rule]})
        };
        let cases = [
            (json!({}), true),
            (json!({"matchLabels": {"app": "a"}}), true),
            (json!({"matchLabels": {"app": "b"}}), false),
            (rule("In", "app", json!(["a", "b"])), true),
            (rule("In", "gone", json!(["a"])), false),
            (rule("NotIn", "app", json!(["a"])), false),
            (rule("NotIn", "gone", json!(["a"])), true),
            (rule("Exists", "tier", json!([])), true),
            (rule("DoesNotExist", "tier", json!([])), false),
            (rule("Near", "app", json!(["a"])), false),
        ];
        for (selector, expected) in cases {
            assert_eq!(selects(&selector, &labels), expected, "{selector}");
        }
    }

    #[test]
    fn malformed_selectors_are_named() {
        let selector = json!({"matchLabels": {"a": "-"}, "matchExpressions": [
            {"key": "a", "operator": "In"}, {"key": "a", "operator": "Exists", "values": ["x"]}, {"key": "-", "operator": "Near"}]});
        let mut errors = Errors::new();
        label_selector(&mut errors, &selector, "s");
        let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
        let expected = [
            "s.matchLabels",
            "s.matchExpressions[0].values",
            "s.matchExpressions[1].values",
            "s.matchExpressions[2].operator",
            "s.matchExpressions[2].key",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn base64_lengths() {
        for (text, bytes) in [("", 0), ("eA==", 1), ("eHk=", 2), ("eHl6", 3), ("===", 0)] {
            assert_eq!(decoded_len(text), bytes, "{text}");
        }
    }
}
