//! Rules for where a container finds volumes: as files, and as devices.

use super::{
    container::is_privileged,
    volume::{self, Volumes},
};
use crate::{
    json::{is_unset, items, text},
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PROPAGATIONS: &[&str] = &["Bidirectional", "HostToContainer", "None"];
const RECURSIVE: &[&str] = &["Disabled", "Enabled", "IfPossible"];
/// Volumes that may be a device.
const CLAIMS: &[&str] = &["persistentVolumeClaim", "ephemeral"];

/// Rules for `volumeMounts` and `volumeDevices`.
pub(super) fn validate(errors: &mut Errors, container: &Value, path: &str, volumes: &Volumes) {
    let (mounts, devices) = (items(&container["volumeMounts"]), items(&container["volumeDevices"]));
    let list = child(path, "volumeMounts");
    let mut seen = BTreeSet::new();
    for (i, mount) in mounts.iter().enumerate() {
        let path = format!("{list}[{i}]");
        known(errors, mount, &path, volumes);
        place(errors, mount, "mountPath", &path, &mut seen);
        apart(errors, (mount, "mountPath"), (devices, "devicePath", "volumeDevices"), &path);
        subpaths(errors, mount, &path, &list);
        propagation(errors, mount, &list, container);
    }
    let list = child(path, "volumeDevices");
    let (mut seen, mut named) = (BTreeSet::new(), BTreeSet::new());
    for (i, device) in devices.iter().enumerate() {
        let path = format!("{list}[{i}]");
        let name = &device["name"];
        if !is_unset(name) && !named.insert(text(name)) {
            errors.push(FieldError::invalid(child(&path, "name"), name, "must be unique"));
        }
        if volumes.get(text(name)).is_some_and(|kind| !CLAIMS.contains(&kind.as_str())) {
            let why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
            errors.push(FieldError::invalid(child(&path, "name"), name, why));
        }
        known(errors, device, &path, volumes);
        place(errors, device, "devicePath", &path, &mut seen);
        if text(&device["devicePath"]).split('/').any(|part| part == "..") {
            let why = "can not contain backsteps ('..')";
            errors.push(FieldError::invalid(child(&path, "devicePath"), &device["devicePath"], why));
        }
        apart(errors, (device, "devicePath"), (mounts, "mountPath", "volumeMounts"), &path);
    }
}

/// The volume is one of the pod's.
fn known(errors: &mut Errors, entry: &Value, path: &str, volumes: &Volumes) {
    let path = child(path, "name");
    rules::required(errors, &entry["name"], &path, "");
    if !volumes.contains_key(text(&entry["name"])) {
        errors.push(FieldError::not_found(path, &json!(text(&entry["name"]))));
    }
}

/// A place in the container is one entry's alone.
fn place<'a>(errors: &mut Errors, entry: &'a Value, field: &str, path: &str, seen: &mut BTreeSet<&'a str>) {
    let path = child(path, field);
    rules::required(errors, &entry[field], &path, "");
    if !seen.insert(text(&entry[field])) {
        errors.push(FieldError::invalid(path, &json!(text(&entry[field])), "must be unique"));
    }
}

/// What is mounted is no device, and the other way round.
fn apart(errors: &mut Errors, (one, place): (&Value, &str), others: (&[Value], &str, &str), path: &str) {
    let (others, there, list) = others;
    if others.iter().any(|o| o["name"] == one["name"]) {
        let why = format!("must not already exist in {list}");
        errors.push(FieldError::invalid(child(path, "name"), &one["name"], &why));
    }
    if others.iter().any(|o| o[there] == one[place]) {
        let why = format!("must not already exist as a path in {list}");
        errors.push(FieldError::invalid(child(path, place), &one[place], &why));
    }
}

/// Kubernetes names the list, not its element, where a path leaves its volume.
fn subpaths(errors: &mut Errors, mount: &Value, path: &str, list: &str) {
    let (plain, expanded) = (&mount["subPath"], &mount["subPathExpr"]);
    volume::relative_path(errors, text(plain), &child(list, "subPath"));
    if !is_unset(plain) && !is_unset(expanded) {
        let why = "subPathExpr and subPath are mutually exclusive";
        errors.push(FieldError::invalid(child(path, "subPathExpr"), expanded, why));
    }
    volume::relative_path(errors, text(expanded), &child(list, "subPathExpr"));
}

fn propagation(errors: &mut Errors, mount: &Value, list: &str, container: &Value) {
    let (mode, path) = (&mount["mountPropagation"], child(list, "mountPropagation"));
    rules::one_of(errors, mode, &path, PROPAGATIONS);
    if mode == "Bidirectional" && !is_privileged(container) {
        let why = "Bidirectional mount propagation is available only to privileged containers";
        errors.push(FieldError::forbidden(path, why));
    }
    let (recursive, path) = (&mount["recursiveReadOnly"], child(list, "recursiveReadOnly"));
    rules::one_of(errors, recursive, &path, RECURSIVE);
    if matches!(text(recursive), "Enabled" | "IfPossible") {
        if mount["readOnly"] != json!(true) {
            errors.push(FieldError::forbidden(&path, "may only be specified when readOnly is true"));
        }
        if !matches!(text(mode), "" | "None") {
            let why = "may only be specified when mountPropagation is None or not specified";
            errors.push(FieldError::forbidden(path, why));
        }
    }
}
