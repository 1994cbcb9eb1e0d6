//! The user that PostgreSQL runs as, and directories that it can use.

use crate::StoreError;
use nix::unistd::{Gid, Uid, User, chown};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};
use tokio::process::Command;

/// Unprivileged users to run as when started by root, in order of preference.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// Who owns and runs the cluster: `None` for the present user, who is not root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner(Option<(Uid, Gid)>);

impl Owner {
    /// The owner of existing data, else an unprivileged system user; PostgreSQL refuses root.
    pub(crate) fn of(data: &Path) -> Result<Self, StoreError> {
        if !Uid::effective().is_root() {
            return Ok(Self(None));
        }
        if let Ok(meta) = fs::metadata(data)
            && meta.uid() != 0
        {
            return Ok(Self(Some((Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid())))));
        }
        let user = USERS.iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = user.ok_or_else(|| StoreError::Cluster(format!("none of the users {USERS:?} exists")))?;
        Ok(Self(Some((user.uid, user.gid))))
    }

    /// Makes `command` run as the owner, in a process group of its own: a terminal's interrupt
    /// is for the parent, which then stops PostgreSQL in order.
    pub(crate) fn run(self, command: &mut Command) {
        command.process_group(0);
        if let Self(Some((uid, gid))) = self {
            // As root, std also clears the supplementary groups.
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
    }

    /// Makes a directory that only the owner (and root) can enter.
    pub(crate) fn directory(self, path: &Path) -> Result<(), StoreError> {
        let io = |e| StoreError::Io(path.display().to_string(), e);
        fs::create_dir_all(path).map_err(io)?;
        if let Self(Some((uid, gid))) = self {
            chown(path, Some(uid), Some(gid)).map_err(|e| io(e.into()))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io)?;
        self.check_way(path)
    }

    /// An owner who cannot pass a directory above would fail with a riddle.
    fn check_way(self, path: &Path) -> Result<(), StoreError> {
        let Self(Some((uid, gid))) = self else { return Ok(()) };
        for above in path.ancestors().skip(1) {
            let Ok(meta) = fs::metadata(above) else { continue };
            let bit = if meta.uid() == uid.as_raw() {
                0o100
            } else if meta.gid() == gid.as_raw() {
                0o010
            } else {
                0o001
            };
            if meta.mode() & bit == 0 {
                let (above, path) = (above.display(), path.display());
                return Err(StoreError::Cluster(format!(
                    "{above} cannot be passed by uid {uid}, whose directory {path} is: run chmod o+x {above}, or choose another place"
                )));
            }
        }
        Ok(())
    }
}
