//! Files that change all at once: `..data` is a link that is swapped by rename
//! (the scheme of k8s.io/kubernetes/pkg/volume/util/atomic_writer.go, which programs rely upon).

use crate::{Result, error::at, owner};
use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, PermissionsExt, symlink},
    path::{Component, Path},
};

const DATA: &str = "..data";
const DATA_NEW: &str = "..data_tmp";

/// One file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative path.
    pub path: String,
    /// Contents.
    pub data: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner; root when None. Tokens belong to the user who runs the container.
    pub uid: Option<u32>,
}

/// Makes `dir` hold exactly `files`. False when it did already.
pub(crate) fn write(dir: &Path, files: &[File], fs_group: Option<u32>) -> Result<bool> {
    for file in files {
        let clean = Path::new(&file.path).components().all(|c| matches!(c, Component::Normal(_)));
        if file.path.is_empty() || !clean || file.path.starts_with("..") {
            return Err(crate::Error::Path(format!("invalid path {:?} in a volume", file.path)));
        }
    }
    let current = fs::read_link(dir.join(DATA)).ok();
    if current.is_some() && same(dir, files) {
        return Ok(false);
    }
    let name = fresh_name(dir);
    let payload = dir.join(&name);
    if let Err(error) = fill(&payload, files, fs_group) {
        // It is tried again and again: nothing half done may pile up. Why it failed says more than why this did.
        let _ = fs::remove_dir_all(&payload);
        return Err(error);
    }
    let new = dir.join(DATA_NEW);
    remove_file(&new)?;
    symlink(&name, &new).map_err(at("link", &new))?;
    fs::rename(&new, dir.join(DATA)).map_err(at("rename", &new))?;
    let tops: BTreeSet<&str> = files.iter().filter_map(|f| f.path.split('/').next()).collect();
    for top in &tops {
        let link = dir.join(top);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(top), &link).map_err(at("link", &link))?;
        }
    }
    for entry in fs::read_dir(dir).map_err(at("read", dir))?.flatten() {
        let known = entry.file_name();
        let known = known.to_string_lossy();
        if !known.starts_with("..") && !tops.contains(known.as_ref()) {
            remove_file(&entry.path())?;
        } else if known.starts_with("..2") && known != name.as_str() {
            fs::remove_dir_all(entry.path()).map_err(at("remove", entry.path()))?;
        }
    }
    Ok(true)
}

/// Makes the directory of the new contents.
fn fill(payload: &Path, files: &[File], fs_group: Option<u32>) -> Result<()> {
    fs::DirBuilder::new().mode(0o755).create(payload).map_err(at("create", payload))?;
    for file in files {
        let path = payload.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(at("create", parent))?;
        }
        fs::write(&path, &file.data).map_err(at("write", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).map_err(at("chmod", &path))?;
        if let Some(uid) = file.uid {
            std::os::unix::fs::chown(&path, Some(uid), None).map_err(at("chown", &path))?;
        }
    }
    fs_group.map_or(Ok(()), |group| owner::give_to_group(payload, group, true))
}

/// `..2…`: what is not taken yet. Only its being new matters, and that it begins like a date, as programs expect.
fn fresh_name(dir: &Path) -> String {
    let mut n = 1_u64;
    loop {
        let name = format!("..2_{n:08}");
        if fs::symlink_metadata(dir.join(&name)).is_err() {
            return name;
        }
        n += 1;
    }
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => Ok(()),
    }
}

fn same(dir: &Path, files: &[File]) -> bool {
    let data = dir.join(DATA);
    let mut there = BTreeSet::new();
    list(&data, Path::new(""), &mut there);
    let wanted: BTreeSet<&str> = files.iter().map(|f| f.path.as_str()).collect();
    there.iter().map(String::as_str).eq(wanted)
        && files.iter().all(|f| fs::read(data.join(&f.path)).is_ok_and(|bytes| bytes == f.data))
}

fn list(root: &Path, below: &Path, out: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root.join(below)).into_iter().flatten().flatten() {
        let path = below.join(entry.file_name());
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            list(root, &path, out);
        } else {
            out.insert(path.to_string_lossy().into_owned());
        }
    }
}
