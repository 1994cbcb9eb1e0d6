//! Rules for `metadata` that hold for every kind.

use podium_kinds::Kind;
use podium_types::{FieldError, meta};
use serde_json::Value;

/// Bytes that all annotations of an object may take together.
const MAX_ANNOTATIONS: usize = 256 * 1024;
/// Longest name part of a qualified name and longest label value.
const MAX_PART: usize = 63;
/// Longest prefix of a qualified name.
const MAX_PREFIX: usize = 253;

/// Members of `metadata` that only the server sets.
pub(super) const OWNED: &[&str] =
    &["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"];

const NAME_RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
    with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
    '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
    used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// The rules for a whole object; `old` is the object before, for an update.
pub(super) fn validate(kind: &Kind, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if old.is_none() {
        name(kind, object, &mut errors);
    }
    string_maps(object, &mut errors);
    finalizers(object, old, &mut errors);
    owners(object, &mut errors);
    errors
}

fn name(kind: &Kind, object: &Value, errors: &mut Vec<FieldError>) {
    let name = meta::name(object);
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else if let Err(why) = path_segment(name).and_then(|()| kind.strategy.validate_name(name)) {
        errors.push(FieldError::invalid("metadata.name", &name.into(), &why));
    }
    let namespace = meta::namespace(object);
    if kind.namespaced && namespace.is_empty() {
        errors.push(FieldError::required("metadata.namespace", ""));
    }
}

/// A name must stand in a URL path whatever a kind allows.
fn path_segment(name: &str) -> Result<(), String> {
    if matches!(name, "." | "..") {
        return Err(format!("may not be '{name}'"));
    }
    match name.chars().find(|c| matches!(c, '/' | '%')) {
        Some(c) => Err(format!("may not contain '{c}'")),
        None => Ok(()),
    }
}

fn string_maps(object: &Value, errors: &mut Vec<FieldError>) {
    for field in ["labels", "annotations"] {
        let path = format!("metadata.{field}");
        let map = &object["metadata"][field];
        let Some(members) = map.as_object() else {
            if !map.is_null() {
                errors.push(FieldError::invalid(path, map, "must be an object of strings"));
            }
            continue;
        };
        for (key, value) in members {
            let Some(value) = value.as_str() else {
                errors.push(FieldError::invalid(path.clone(), value, "must be a string"));
                continue;
            };
            // Annotation keys alone may have capitals in their prefix.
            let checked = if field == "annotations" { key.to_lowercase() } else { key.clone() };
            if let Err(why) = qualified_name(&checked) {
                errors.push(FieldError::invalid(path.clone(), &key.as_str().into(), &why));
            }
            if field == "labels"
                && let Err(why) = label_value(value)
            {
                errors.push(FieldError::invalid(path.clone(), &value.into(), &why));
            }
        }
        let size = |(k, v): (&str, &str)| k.len() + v.len();
        if field == "annotations" && meta::pairs(object, field).map(size).sum::<usize>() > MAX_ANNOTATIONS {
            errors.push(FieldError::too_long(path, MAX_ANNOTATIONS));
        }
    }
}

fn finalizers(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let known = |name: &str| old.is_some_and(|o| meta::finalizers(o).any(|f| f == name));
    for (i, name) in meta::finalizers(object).enumerate() {
        if let Err(why) = qualified_name(name) {
            errors.push(FieldError::invalid(format!("metadata.finalizers[{i}]"), &name.into(), &why));
        } else if old.is_some_and(meta::is_deleting) && !known(name) {
            let added = Value::from(vec![name]);
            let why = format!("no new finalizers can be added if the object is being deleted, found new finalizers {added}");
            errors.push(FieldError::forbidden("metadata.finalizers", &why));
        }
    }
}

fn owners(object: &Value, errors: &mut Vec<FieldError>) {
    let references = object["metadata"]["ownerReferences"].as_array().map_or(&[][..], Vec::as_slice);
    for (i, reference) in references.iter().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if reference[field].as_str().unwrap_or_default().is_empty() {
                let path = format!("metadata.ownerReferences[{i}].{field}");
                errors.push(FieldError::invalid(path, &reference[field], "must not be empty"));
            }
        }
    }
    let controllers = references.iter().filter(|r| r["controller"] == true).count();
    if controllers > 1 {
        let why = "Only one reference can have Controller set to true";
        errors.push(FieldError::invalid("metadata.ownerReferences", &controllers.into(), why));
    }
}

fn middle(part: &str) -> bool {
    let edge = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = part.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

/// `example.com/name` or `name`, as label keys and finalizers are written.
fn qualified_name(text: &str) -> Result<(), String> {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(p, n)| (Some(p), n));
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Err("prefix part must be non-empty".to_owned());
        }
        if prefix.len() > MAX_PREFIX {
            return Err(format!("prefix part must be no more than {MAX_PREFIX} bytes"));
        }
        podium_kinds::strategy::dns_subdomain(prefix).map_err(|why| format!("prefix part {why}"))?;
    }
    if name.is_empty() {
        return Err("name part must be non-empty".to_owned());
    }
    if name.len() > MAX_PART {
        return Err(format!("name part must be no more than {MAX_PART} bytes"));
    }
    if middle(name) { Ok(()) } else { Err(NAME_RULE.to_owned()) }
}

fn label_value(value: &str) -> Result<(), String> {
    if value.len() > MAX_PART {
        return Err(format!("must be no more than {MAX_PART} bytes"));
    }
    if value.is_empty() || middle(value) { Ok(()) } else { Err(VALUE_RULE.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        for good in ["a", "a.b/c-d_e", "app.kubernetes.io/name", "A1"] {
            assert_eq!(qualified_name(good), Ok(()), "{good}");
        }
        for bad in ["", "/a", "a/", "a b", "-a", "a/b/c", &"x".repeat(64)] {
            assert!(qualified_name(bad).is_err(), "{bad}");
        }
        assert!(label_value("").is_ok() && label_value("v1.2").is_ok());
        assert!(label_value("v 1").is_err() && label_value(&"x".repeat(64)).is_err());
        assert!(path_segment("a/b").is_err() && path_segment("..").is_err() && path_segment("a.b").is_ok());
    }
}
