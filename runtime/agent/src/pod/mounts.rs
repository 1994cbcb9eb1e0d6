//! Mounts of a container: its volumes, and the files that every container gets.

use super::{
    Place,
    prepare::{self, write_file},
    volumes,
};
use crate::{Error, Result};
use k8s_openapi::api::core::v1::{Container, VolumeMount};
use podium_lifecycle::env::expand;
use podium_oci::{Mount, Propagation};
use podium_volumes::Volumes;
use std::{
    cell::RefCell,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// When a container names no terminationMessagePath.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Read-only with all that is mounted below (KEP-3857).
const RECURSIVE: &str = "rro";

/// All mounts; blocking. `env` is for `subPathExpr`.
pub(super) fn mounts(place: &Place, container: &Container, id: &str, env: &[(String, String)]) -> Result<Vec<Mount>> {
    let (paths, read_only, no_exec) = (volumes::paths(place), volumes::read_only(place), volumes::no_exec(place));
    let mut out = Vec::new();
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let Some(root) = paths.get(&mount.name) else {
            return Err(Error::Other(format!("volume {:?} not found", mount.name)));
        };
        let mut source = source(place, mount, root, env, &format!("{id}-{index}"))?;
        // An image's own files are mounted for everybody, as overlays cannot be shifted.
        if let Some(users) = place.users().filter(|_| !no_exec.contains(&mount.name)) {
            let mapped = place.container_dir(id).join(podium_oci::MAPPED).join(format!("v{index}"));
            prepare::directory(mapped.parent())?;
            podium_oci::bind_mapped(&source, &users, &mapped)?;
            source = mapped;
        }
        let propagation = match mount.mount_propagation.as_deref() {
            Some("HostToContainer") => Propagation::HostToContainer,
            Some("Bidirectional") => Propagation::Bidirectional,
            _ => Propagation::Private,
        };
        let recursive = matches!(mount.recursive_read_only.as_deref(), Some("Enabled" | "IfPossible"));
        let mut options = if recursive { vec![RECURSIVE.to_owned()] } else { Vec::new() };
        options.extend(no_exec.contains(&mount.name).then(|| "noexec".to_owned()));
        out.push(Mount {
            source,
            destination: PathBuf::from(&mount.mount_path),
            readonly: mount.read_only == Some(true) || read_only.contains(&mount.name),
            propagation,
            options,
            ..Mount::default()
        });
    }
    for (name, destination) in
        [("hosts", "/etc/hosts"), ("resolv.conf", "/etc/resolv.conf"), ("hostname", "/etc/hostname")]
    {
        // What the user mounts there is not managed.
        if out.iter().all(|m| m.destination != Path::new(destination)) {
            out.push(bind(place.etc(name), destination));
        }
    }
    let log = place.termination_log(id);
    write_file(&log, "")?;
    // Containers of any user may write their last words.
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o666))
        .map_err(crate::error::io("chmod the termination log"))?;
    let destination = container.termination_message_path.as_deref().filter(|p| !p.is_empty());
    out.push(bind(log, destination.unwrap_or(TERMINATION_LOG)));
    Ok(out)
}

fn bind(source: PathBuf, destination: &str) -> Mount {
    Mount { source, destination: PathBuf::from(destination), ..Mount::default() }
}

fn source(place: &Place, mount: &VolumeMount, root: &Path, env: &[(String, String)], key: &str) -> Result<PathBuf> {
    let sub = match (&mount.sub_path_expr, &mount.sub_path) {
        (Some(text), _) if !text.is_empty() => {
            let missing = RefCell::new(None);
            let find = |name: &str| {
                let found = env.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
                if found.is_none() {
                    missing.replace(Some(name.to_owned()));
                }
                found
            };
            let sub = expand(text, find);
            if let Some(name) = missing.into_inner() {
                return Err(Error::Other(format!("failed to expand subPathExpr {text:?}: missing value for {name:?}")));
            }
            sub
        }
        (_, Some(sub)) if !sub.is_empty() => sub.clone(),
        _ => return Ok(root.to_owned()),
    };
    Ok(Volumes::new(&place.dir()).subpath(root, &sub, key)?)
}
