//! emptyDir: a directory, a tmpfs for `medium: Memory`, or huge pages. A tmpfs also keeps secrets off the disk.

use crate::{Result, error::at};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// Makes the directory, writable by everybody.
pub(crate) fn directory(path: &Path) -> Result<()> {
    let new = !path.exists();
    fs::create_dir_all(path).map_err(at("create", path))?;
    if new {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).map_err(at("chmod", path))?;
    }
    Ok(())
}

/// Mounts a tmpfs there unless there is one. `size` in bytes; None is half of the memory.
pub(crate) fn tmpfs(path: &Path, size: Option<u64>) -> Result<()> {
    directory(path)?;
    if is_mount_point(path) {
        return Ok(());
    }
    let size = size.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
    let options = format!("mode=0777{size}");
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some(options.as_str()))
        .map_err(at("mount tmpfs on", path))
}

/// Mounts huge pages of `page` bytes there unless they are. `size` in bytes; None is all there are.
pub(crate) fn huge_pages(path: &Path, page: u64, size: Option<u64>) -> Result<()> {
    directory(path)?;
    if is_mount_point(path) {
        return Ok(());
    }
    let size = size.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
    let options = format!("mode=0777,pagesize={page}{size}");
    mount(Some("nodev"), path, Some("hugetlbfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some(options.as_str()))
        .map_err(at("mount hugetlbfs on", path))
}

/// Whether something is mounted there. The mount table is asked, as a bind within one file system has its device.
pub(crate) fn is_mount_point(path: &Path) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().filter_map(|line| line.split(' ').nth(4)).any(|point| Path::new(point) == path)
}

/// Unmounts everything at and below `path`, the deepest first. Fine when there is nothing.
pub(crate) fn unmount_below(path: &Path) -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(at("read", "/proc/self/mountinfo"))?;
    let mut points: Vec<&str> = table.lines().filter_map(|line| line.split(' ').nth(4)).collect();
    points.retain(|point| Path::new(point).starts_with(path));
    points.sort_unstable_by_key(|point| std::cmp::Reverse(point.len()));
    for point in points {
        umount2(point, MntFlags::MNT_DETACH).map_err(at("unmount", point))?;
    }
    Ok(())
}
