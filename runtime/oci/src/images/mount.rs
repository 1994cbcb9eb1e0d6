//! An image as a container's root file system: overlayfs over its layers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount as mount_at, umount2};
use nix::sched::{CloneFlags, unshare};

use super::Image;
use super::store::Store;
use crate::error::{Context, Error, Result};

pub(super) fn mount(store: &Store, image: &Image, container_dir: &Path) -> Result<PathBuf> {
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
    for path in [&upper, &work] {
        if path.as_os_str().as_encoded_bytes().iter().any(|byte| b",:\\".contains(byte)) {
            return Err(Error::Invalid(format!("{} cannot be an overlayfs directory", path.display())));
        }
    }
    let options = format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display());
    let (layers, target) = (store.layers().to_owned(), rootfs.clone());
    // Relative names need a working directory: a thread's own, so that the process keeps its.
    let mounting = std::thread::spawn(move || -> io::Result<()> {
        unshare(CloneFlags::CLONE_FS)?;
        std::env::set_current_dir(layers)?;
        Ok(mount_at(Some("overlay"), &target, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?)
    });
    let result = mounting.join().map_err(|_| Error::Invalid("the mounting thread panicked".to_owned()))?;
    result.at("mount overlay at", &rootfs)?;
    Ok(rootfs)
}

/// Unmounts what [`super::Images::mount`] mounted and removes the writable layer. Nothing there is fine.
pub fn unmount(container_dir: &Path) -> Result<()> {
    let rootfs = container_dir.join("rootfs");
    match umount2(&rootfs, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
        Err(error) => return Err(error).at("unmount", &rootfs),
    }
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
