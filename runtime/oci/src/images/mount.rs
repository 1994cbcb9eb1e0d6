//! An image as a container's root file system: overlayfs over its layers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount as mount_at, umount2};
use nix::sched::{CloneFlags, unshare};

use super::Image;
use super::store::Store;
use crate::error::{Context, Error, Result};
use crate::idmap::bind_mapped;

/// In a container's directory: mounts with shifted ids.
pub const MAPPED: &str = "mapped";

pub(super) fn mount(
    store: &Store,
    image: &Image,
    container_dir: &Path,
    users: Option<(&Path, u32)>,
) -> Result<PathBuf> {
    let container_dir = std::path::absolute(container_dir).at("resolve", container_dir)?;
    let rootfs = container_dir.join("rootfs");
    if is_mounted(&rootfs) {
        return Ok(rootfs);
    }
    let [upper, work] = ["upper", "work"].map(|name| container_dir.join(name));
    for dir in [&rootfs, &upper, &work] {
        fs::create_dir_all(dir).at("create", dir)?;
    }
    // overlayfs lists the uppermost first. Names are relative and short: all of them must fit into one page.
    let mut lower: Vec<String> =
        image.layers.iter().rev().map(|layer| store.layer_name(layer)).collect::<Result<_>>()?;
    if lower.is_empty() {
        lower.push(store.empty_layer()?);
    }
    let mut layers = store.layers().to_owned();
    if let Some((namespace, base)) = users {
        lower = shifted(&layers, &lower, namespace, &container_dir)?;
        layers = container_dir.join(MAPPED);
        // What the pod's root makes of the image is its own, from the root directory on.
        std::os::unix::fs::chown(&upper, Some(base), Some(base)).at("chown", &upper)?;
    }
    for path in [&upper, &work] {
        if path.as_os_str().as_encoded_bytes().iter().any(|byte| b",:\\".contains(byte)) {
            return Err(Error::Invalid(format!("{} cannot be an overlayfs directory", path.display())));
        }
    }
    let options = format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display());
    let target = rootfs.clone();
    // Relative names need a working directory: a thread's own, so that the process keeps its.
    let mounting = std::thread::spawn(move || -> io::Result<()> {
        unshare(CloneFlags::CLONE_FS)?;
        std::env::set_current_dir(layers)?;
        Ok(mount_at(Some("overlay"), &target, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?)
    });
    let result = mounting.join().map_err(|_| Error::Invalid("the mounting thread panicked".to_owned()))?;
    // The overlay has copies of them.
    unmount_mapped(&container_dir)?;
    result.at("mount overlay at", &rootfs)?;
    Ok(rootfs)
}

/// Layers by short names below [`MAPPED`], owned by the namespace's users.
fn shifted(layers: &Path, lower: &[String], users: &Path, container_dir: &Path) -> Result<Vec<String>> {
    let mapped = |(n, layer): (usize, &String)| {
        let name = format!("l{n}");
        bind_mapped(&layers.join(layer), users, &container_dir.join(MAPPED).join(&name)).map(|()| name)
    };
    lower.iter().enumerate().map(mapped).collect()
}

/// Unmounts and removes everything below [`MAPPED`]. Nothing there is fine.
fn unmount_mapped(container_dir: &Path) -> Result<()> {
    let dir = container_dir.join(MAPPED);
    for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match umount2(&path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) | Err(nix::errno::Errno::EINVAL) => {}
            Err(error) => return Err(error).at("unmount", &path),
        }
        if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) }.at("remove", &path)?;
    }
    match fs::remove_dir(&dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", &dir),
        _ => Ok(()),
    }
}

/// Unmounts what [`super::Images::mount`] mounted and removes the writable layer. Nothing there is fine.
pub fn unmount(container_dir: &Path) -> Result<()> {
    let rootfs = container_dir.join("rootfs");
    match umount2(&rootfs, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
        Err(error) => return Err(error).at("unmount", &rootfs),
    }
    unmount_mapped(container_dir)?;
    match fs::remove_dir(&rootfs) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).at("remove", &rootfs),
        _ => {}
    }
    for name in ["upper", "work"] {
        let dir = container_dir.join(name);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).at("remove", &dir),
            _ => {}
        }
    }
    Ok(())
}

/// It is on another file system than its parent.
fn is_mounted(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).ok().map(|meta| meta.dev());
    device(path).is_some_and(|own| path.parent().and_then(device) != Some(own))
}
