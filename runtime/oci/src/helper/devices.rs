//! Device nodes of a container: all of the host's for a privileged one, and those that it was given.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use serde_json::{Value, json};

use crate::config::Device;
use crate::error::{Context, Error, Result};

/// Every device node of the host's /dev.
pub(super) fn of_host() -> Vec<Value> {
    fn collect(dir: &Path, found: &mut Vec<Value>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            let hidden =
                ["pts", "shm", "fd", "mqueue", "console"].iter().any(|name| path == Path::new("/dev").join(name));
            if hidden {
                continue;
            }
            if kind.is_dir() {
                collect(&path, found);
            } else if let Some(node) = entry.metadata().ok().and_then(|meta| node(&path, &meta)) {
                found.push(node);
            }
        }
    }
    let mut found = Vec::new();
    collect(Path::new("/dev"), &mut found);
    found
}

/// None where the file is no device.
fn node(path: &Path, meta: &fs::Metadata) -> Option<Value> {
    let kind = match meta.file_type() {
        kind if kind.is_char_device() => "c",
        kind if kind.is_block_device() => "b",
        _ => return None,
    };
    Some(json!({
        "path": path,
        "type": kind,
        "major": libc::major(meta.rdev()),
        "minor": libc::minor(meta.rdev()),
        "fileMode": meta.mode() & 0o7777,
        "uid": meta.uid(),
        "gid": meta.gid(),
    }))
}

/// Adds the given devices; one of the same path gives way. Links are followed: plugins name `/dev/disk/by-id/…`.
pub(super) fn add(nodes: &mut Vec<Value>, given: &[Device]) -> Result<()> {
    for device in given {
        let meta = fs::metadata(&device.host_path).at("look at device", &device.host_path)?;
        let node = node(&device.container_path, &meta)
            .ok_or_else(|| Error::Invalid(format!("{} is not a device", device.host_path.display())))?;
        nodes.retain(|other| other["path"] != node["path"]);
        nodes.push(node);
    }
    Ok(())
}

/// What the cgroup lets the container do with the given devices.
pub(super) fn allowed(given: &[Device], nodes: &[Value]) -> Vec<Value> {
    let rule = |device: &Device| {
        let node =
            nodes.iter().find(|node| Path::new(node["path"].as_str().unwrap_or_default()) == device.container_path)?;
        let (kind, major, minor) = (&node["type"], &node["major"], &node["minor"]);
        let access = device.permissions.as_str();
        Some(json!({ "allow": true, "type": kind, "major": major, "minor": minor, "access": access }))
    };
    given.iter().filter_map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_devices_are_given_and_only_as_asked() {
        let device = |host: &str, container: &str, permissions: &str| Device {
            host_path: host.into(),
            container_path: container.into(),
            permissions: permissions.to_owned(),
        };
        let given = [device("/dev/null", "/dev/nothing", "r"), device("/dev/zero", "/dev/nothing", "rw")];
        let mut nodes = vec![json!({ "path": "/dev/other" })];
        add(&mut nodes, &given).expect("devices");
        assert_eq!(nodes.len(), 2, "the later of one path");
        let rules = allowed(&given[1..], &nodes);
        assert_eq!(rules, [json!({ "allow": true, "type": "c", "major": 1, "minor": 5, "access": "rw" })]);
        assert!(add(&mut nodes, &[device("/etc/passwd", "/dev/x", "r")]).is_err());
        assert!(add(&mut nodes, &[device("/dev/there/is/none", "/dev/x", "r")]).is_err());
    }
}
