//! USER of an image or `runAsUser`: names are looked up in the image's own /etc/passwd and /etc/group.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nix::fcntl::OFlag;

use crate::config::UserSpec;
use crate::error::{Context, Error, Result};
use crate::rooted::Rooted;

/// A larger passwd or group file is not read to its end.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Resolves `""`, `1000`, `1000:1000`, `name`, `name:group`. A numeric id need not be in the files. Groups that list
/// the user are added, then `extra_groups` (supplementalGroups, fsGroup).
pub fn resolve(rootfs: &Path, user: &str, extra_groups: &[u32]) -> Result<UserSpec> {
    let rooted = Rooted::open(rootfs).at("open", rootfs)?;
    let (passwd, group) = (read(&rooted, "/etc/passwd")?, read(&rooted, "/etc/group")?);
    let (user, wanted_group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let id = user.parse::<u32>().ok();
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 4 && (fields[0] == user || id.is_some_and(|id| fields[2].parse() == Ok(id))));
    let field = |index: usize| entry.as_ref().and_then(|fields| fields[index].parse::<u32>().ok());
    let uid = id
        .or_else(|| field(2))
        .ok_or_else(|| Error::Invalid(format!("unable to find user {user}: no matching entries in passwd file")))?;
    let gid =
        match wanted_group {
            None => field(3).unwrap_or(0),
            Some(name) => name.parse().ok().or_else(|| group_id(&group, name)).ok_or_else(|| {
                Error::Invalid(format!("unable to find group {name}: no matching entries in group file"))
            })?,
        };
    let mut additional_gids = Vec::new();
    if let Some(name) = entry.as_ref().map(|fields| fields[0]) {
        for fields in group.lines().map(|line| line.split(':').collect::<Vec<_>>()) {
            if let [_, _, id, members, ..] = fields[..]
                && members.split(',').any(|member| member == name)
            {
                additional_gids.extend(id.parse::<u32>());
            }
        }
    }
    additional_gids.extend(extra_groups);
    additional_gids.sort_unstable();
    additional_gids.dedup();
    Ok(UserSpec { uid, gid, additional_gids })
}

fn group_id(group: &str, name: &str) -> Option<u32> {
    let mut lines = group.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?)
}

/// Empty when there is none.
fn read(rooted: &Rooted, path: &str) -> Result<String> {
    // Never block on a fifo that an image put there.
    let file = match rooted.at(Path::new(path), OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(String::new());
        }
        other => File::from(other.context(|| format!("read the image's {path}"))?),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).context(|| format!("read the image's {path}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_resolve() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\nweb:x:33:34::/:/bin/sh\n").unwrap();
        std::fs::write(dir.path().join("etc/group"), "root:x:0:\nweb:x:34:\nextra:x:50:web,root\n").unwrap();
        let user = |text: &str| resolve(dir.path(), text, &[]).map(|user| (user.uid, user.gid, user.additional_gids));
        assert_eq!(user("").unwrap(), (0, 0, vec![50]));
        assert_eq!(user("web").unwrap(), (33, 34, vec![50]));
        assert_eq!(user("33").unwrap(), (33, 34, vec![50]));
        assert_eq!(user("web:extra").unwrap(), (33, 50, vec![50]));
        assert_eq!(user("7:8").unwrap(), (7, 8, vec![]));
        assert_eq!(user("7").unwrap(), (7, 0, vec![]));
        assert!(user("ghost").is_err() && user("web:ghosts").is_err());
        assert_eq!(resolve(dir.path(), "web", &[9, 50]).unwrap().additional_gids, [9, 50]);
    }

    #[test]
    fn the_hosts_users_stay_out_of_reach() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("etc")).unwrap();
        assert!(resolve(dir.path(), "root", &[]).is_err());
    }
}
