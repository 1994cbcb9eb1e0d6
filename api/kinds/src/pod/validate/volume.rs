//! Rules for volumes.

use super::env;
use crate::{
    json::{is_unset, items, members, text},
    names, resources,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A pod's volumes: their names, and what each is made of.
pub(super) type Volumes = BTreeMap<String, String>;

/// Highest mode of a file: 0777.
const MAX_MODE: i64 = 0o777;
const HOST_PATH_TYPES: &[&str] =
    &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
const NFS: &[&str] = &["server", "path"];
/// What the sources that have no other rules need.
const NEEDS: &[(&str, &[&str])] = &[
    ("awsElasticBlockStore", &["volumeID"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("azureFile", &["secretName", "shareName"]),
    ("cephfs", &["monitors"]),
    ("cinder", &["volumeID"]),
    ("csi", &["driver"]),
    ("flexVolume", &["driver"]),
    ("gcePersistentDisk", &["pdName"]),
    ("gitRepo", &["repository"]),
    ("glusterfs", &["endpoints", "path"]),
    ("image", &["reference"]),
    ("iscsi", &["targetPortal", "iqn"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("quobyte", &["registry", "volume"]),
    ("rbd", &["monitors", "image"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("storageos", &["volumeName"]),
    ("vsphereVolume", &["volumePath"]),
];
/// Shortest time that a projected token may be valid, in seconds.
const MIN_TOKEN_SECONDS: i64 = 600;
/// Longest time, in seconds.
const MAX_TOKEN_SECONDS: i64 = 1 << 32;

/// Rules for all volumes; what there is.
pub(super) fn validate(errors: &mut Errors, volumes: &Value, path: &str) -> Volumes {
    let (mut seen, mut found) = (BTreeSet::new(), Volumes::new());
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
            Some((kind, of)) => {
                source(errors, kind, of, &child(&path, kind));
                found.insert(text(&volume["name"]).to_owned(), kind.clone());
            }
        }
        for (kind, _) in sources {
            errors.push(FieldError::forbidden(child(&path, kind), "may not specify more than 1 volume type"));
        }
    }
    found
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
        "nfs" => {
            NFS.iter().for_each(|field| require(errors, field));
            if !text(&source["path"]).starts_with('/') {
                let why = "must be an absolute path";
                errors.push(FieldError::invalid(child(path, "path"), &json!(text(&source["path"])), why));
            }
        }
        "ephemeral" => ephemeral(errors, &source["volumeClaimTemplate"], &child(path, "volumeClaimTemplate")),
        _ => {
            let needs = NEEDS.iter().filter(|(name, _)| *name == kind).flat_map(|(_, fields)| *fields);
            needs.for_each(|field| require(errors, field));
        }
    }
}

/// A claim that is made with its pod.
fn ephemeral(errors: &mut Errors, template: &Value, path: &str) {
    if template.is_null() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    rules::labels(errors, &template["metadata"]["labels"], &child(path, "metadata.labels"));
    for (field, value) in members(&template["metadata"]) {
        if !matches!(field.as_str(), "labels" | "annotations") && !is_unset(value) {
            errors.push(FieldError::forbidden(format!("{path}.metadata.{field}"), "cannot be set"));
        }
    }
    crate::persistentvolumeclaim::validate_spec(errors, &template["spec"], &child(path, "spec"));
}

fn projected(errors: &mut Errors, source: &Value, path: &str) {
    mode(errors, &source["defaultMode"], &child(path, "defaultMode"));
    let mut seen = BTreeSet::new();
    for (i, of) in items(&source["sources"]).iter().enumerate() {
        let at = format!("{path}.sources[{i}]");
        let parts: Vec<_> = members(of).filter(|(_, part)| !part.is_null()).collect();
        for (kind, part) in &parts {
            projection(errors, kind, part, &child(&at, kind), path);
            let files = items(&part["items"]).iter().map(|item| &item["path"]);
            for file in files.chain([&part["path"]]).map(text).filter(|file| !file.is_empty()) {
                if !seen.insert(file.to_owned()) {
                    let named = if is_unset(&part["name"]) { json!(file) } else { part["name"].clone() };
                    errors.push(FieldError::invalid(path, &named, "conflicting duplicate paths"));
                }
            }
        }
        if parts.len() > 1 {
            errors.push(FieldError::forbidden(at, "may not specify more than 1 volume type per source"));
        }
    }
}

/// One source at `path` of the projected volume at `volume`.
fn projection(errors: &mut Errors, kind: &str, part: &Value, path: &str, volume: &str) {
    match kind {
        "secret" | "configMap" => {
            rules::required(errors, &part["name"], &child(path, "name"), "");
            files(errors, part, path);
        }
        "downwardAPI" => downward(errors, part, path),
        "serviceAccountToken" => token(errors, part, path, volume),
        "clusterTrustBundle" => {
            match (is_unset(&part["name"]), is_unset(&part["signerName"])) {
                (false, false) => {
                    let why = "only one of name and signerName may be used";
                    errors.push(FieldError::invalid(path, part, why));
                }
                (true, true) => {
                    errors.push(FieldError::required(path, "either name or signerName must be specified"));
                }
                _ => {}
            }
            file_path(errors, &part["path"], &child(path, "path"));
        }
        _ => {}
    }
}

fn token(errors: &mut Errors, token: &Value, path: &str, volume: &str) {
    let seconds = &token["expirationSeconds"];
    if seconds.as_i64().is_some_and(|s| s < MIN_TOKEN_SECONDS) {
        let why = "may not specify a duration less than 10 minutes";
        errors.push(FieldError::invalid(child(path, "expirationSeconds"), seconds, why));
    }
    if seconds.as_i64().is_some_and(|s| s > MAX_TOKEN_SECONDS) {
        let why = "may not specify a duration larger than 2^32 seconds";
        errors.push(FieldError::invalid(child(path, "expirationSeconds"), seconds, why));
    }
    file_path(errors, &token["path"], &child(volume, "path"));
}

/// Kubernetes names the source, not its item.
fn downward(errors: &mut Errors, source: &Value, path: &str) {
    for item in items(&source["items"]) {
        file_path(errors, &item["path"], &child(path, "path"));
        let (field, resource) = (&item["fieldRef"], &item["resourceFieldRef"]);
        if !field.is_null() {
            env::field(errors, field, &child(path, "fieldRef"), env::FILE_FIELDS);
            if !resource.is_null() {
                let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(FieldError::invalid(path, &json!("resource"), why));
            }
        } else if resource.is_null() {
            errors.push(FieldError::required(path, "one of fieldRef and resourceFieldRef is required"));
        } else if is_unset(&resource["containerName"]) {
            errors.push(FieldError::required(child(path, "resourceFieldRef.containerName"), ""));
        } else {
            env::resource(errors, resource, &child(path, "resourceFieldRef"));
        }
        mode(errors, &item["mode"], &child(path, "mode"));
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

pub(super) fn file_path(errors: &mut Errors, value: &Value, path: &str) {
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
