//! Rules for volumes.

use super::env;
use crate::{
    json::{is_unset, items, members, text},
    names, resources,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Names of a pod's volumes.
pub(super) type Volumes = BTreeSet<String>;

/// Highest mode of a file: 0777.
const MAX_MODE: i64 = 0o777;
const HOST_PATH_TYPES: &[&str] =
    &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
/// Shortest time that a projected token may be valid, in seconds.
const MIN_TOKEN_SECONDS: i64 = 600;

/// Rules for all volumes; their names.
pub(super) fn validate(errors: &mut Errors, volumes: &Value, path: &str) -> Volumes {
    let mut seen = Volumes::new();
    for (i, volume) in items(volumes).iter().enumerate() {
        let path = format!("{path}[{i}]");
        let name = child(&path, "name");
        rules::required_form(errors, names::dns_label, &volume["name"], &name);
        if !is_unset(&volume["name"]) {
            rules::unique(errors, &mut seen, text(&volume["name"]), &name);
        }
        let mut sources = members(volume).filter(|(name, source)| *name != "name" && !source.is_null());
        match sources.next() {
            None => errors.push(FieldError::required(&path, "must specify a volume type")),
            Some((kind, of)) => source(errors, kind, of, &child(&path, kind)),
        }
        for (kind, _) in sources {
            errors.push(FieldError::forbidden(child(&path, kind), "may not specify more than 1 volume type"));
        }
    }
    seen
}

fn source(errors: &mut Errors, kind: &str, source: &Value, path: &str) {
    let require = |errors: &mut Errors, field: &str| {
        if is_unset(&source[field]) {
            errors.push(FieldError::required(child(path, field), ""));
        }
    };
    match kind {
        "emptyDir" if resources::quantity(&source["sizeLimit"]).is_some_and(|q| q.is_negative()) => {
            let why = "SizeLimit field must be a valid resource quantity";
            errors.push(FieldError::forbidden(child(path, "sizeLimit"), why));
        }
        "hostPath" => {
            require(errors, "path");
            no_backsteps(errors, text(&source["path"]), &child(path, "path"));
            if source["type"] != "" {
                rules::one_of(errors, &source["type"], &child(path, "type"), HOST_PATH_TYPES);
            }
        }
        "secret" => {
            require(errors, "secretName");
            files(errors, source, path);
        }
        "configMap" => {
            require(errors, "name");
            files(errors, source, path);
        }
        "downwardAPI" => {
            mode(errors, &source["defaultMode"], &child(path, "defaultMode"));
            downward(errors, source, path);
        }
        "projected" => projected(errors, source, path),
        "persistentVolumeClaim" => require(errors, "claimName"),
        "csi" => require(errors, "driver"),
        "nfs" => {
            require(errors, "server");
            require(errors, "path");
        }
        "image" => require(errors, "reference"),
        _ => {}
    }
}

fn projected(errors: &mut Errors, source: &Value, path: &str) {
    mode(errors, &source["defaultMode"], &child(path, "defaultMode"));
    for (i, of) in items(&source["sources"]).iter().enumerate() {
        let path = format!("{path}.sources[{i}]");
        for (n, (kind, part)) in members(of).filter(|(_, v)| !v.is_null()).enumerate() {
            let path = child(&path, kind);
            if n > 0 {
                errors.push(FieldError::forbidden(path, "may not specify more than 1 volume type per source"));
                continue;
            }
            match kind.as_str() {
                "secret" | "configMap" => {
                    if is_unset(&part["name"]) {
                        errors.push(FieldError::required(child(&path, "name"), ""));
                    }
                    files(errors, part, &path);
                }
                "downwardAPI" => downward(errors, part, &path),
                "serviceAccountToken" => token(errors, part, &path),
                _ => {}
            }
        }
    }
}

fn token(errors: &mut Errors, token: &Value, path: &str) {
    let seconds = &token["expirationSeconds"];
    if seconds.as_i64().is_some_and(|s| s < MIN_TOKEN_SECONDS) {
        let why = "may not specify a duration less than 10 minutes";
        errors.push(FieldError::invalid(child(path, "expirationSeconds"), seconds, why));
    }
    file_path(errors, &token["path"], &child(path, "path"));
}

fn downward(errors: &mut Errors, source: &Value, path: &str) {
    for (i, item) in items(&source["items"]).iter().enumerate() {
        let path = format!("{path}.items[{i}]");
        file_path(errors, &item["path"], &child(&path, "path"));
        mode(errors, &item["mode"], &child(&path, "mode"));
        match (!item["fieldRef"].is_null(), !item["resourceFieldRef"].is_null()) {
            (true, true) => {
                let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(FieldError::invalid(&path, &json!("resource"), why));
            }
            (true, false) => env::field(errors, &item["fieldRef"], &child(&path, "fieldRef"), env::FILE_FIELDS),
            (false, true) => {
                let path = child(&path, "resourceFieldRef");
                if is_unset(&item["resourceFieldRef"]["containerName"]) {
                    errors.push(FieldError::required(child(&path, "containerName"), ""));
                }
                env::resource(errors, &item["resourceFieldRef"], &path);
            }
            (false, false) => {
                errors.push(FieldError::required(&path, "one of fieldRef and resourceFieldRef is required"));
            }
        }
    }
}

/// Keys of an object as files.
fn files(errors: &mut Errors, source: &Value, path: &str) {
    mode(errors, &source["defaultMode"], &child(path, "defaultMode"));
    for (i, item) in items(&source["items"]).iter().enumerate() {
        let path = format!("{path}.items[{i}]");
        if is_unset(&item["key"]) {
            errors.push(FieldError::required(child(&path, "key"), ""));
        }
        file_path(errors, &item["path"], &child(&path, "path"));
        mode(errors, &item["mode"], &child(&path, "mode"));
    }
}

fn file_path(errors: &mut Errors, value: &Value, path: &str) {
    if is_unset(value) {
        errors.push(FieldError::required(path, ""));
    }
    relative_path(errors, text(value), path);
    if text(value).starts_with("..") && !text(value).split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(path, value, "must not start with '..'"));
    }
}

fn mode(errors: &mut Errors, mode: &Value, path: &str) {
    if mode.as_i64().is_some_and(|m| !(0..=MAX_MODE).contains(&m)) {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(FieldError::invalid(path, mode, why));
    }
}

/// A path within a volume may not leave it.
pub(super) fn relative_path(errors: &mut Errors, value: &str, path: &str) {
    if value.starts_with('/') {
        errors.push(FieldError::invalid(path, &json!(value), "must be a relative path"));
    }
    no_backsteps(errors, value, path);
}

fn no_backsteps(errors: &mut Errors, value: &str, path: &str) {
    if value.split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(path, &json!(value), "must not contain '..'"));
    }
}
