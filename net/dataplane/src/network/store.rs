//! Attachments on disk, a file per pod, so that a new agent finds what the old one made.

use super::Attachment;
use crate::{Error, Result};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const SUFFIX: &str = "json";

fn file(dir: &Path, pod_uid: &str) -> PathBuf {
    dir.join(format!("{pod_uid}.{SUFFIX}"))
}

/// Writes an attachment, whole or not at all. Not synced: after a crash of the machine the namespace is gone too.
pub(super) fn save(dir: &Path, attachment: &Attachment) -> Result<()> {
    let path = file(dir, &attachment.pod_uid);
    let unfinished = path.with_extension("new");
    let text = serde_json::to_vec(attachment).map_err(|e| Error::Invalid(e.to_string()))?;
    fs::write(&unfinished, text).map_err(Error::file(&unfinished))?;
    fs::rename(&unfinished, &path).map_err(Error::file(&path))
}

/// Forgets an attachment; fine when there is none.
pub(super) fn forget(dir: &Path, pod_uid: &str) -> Result<()> {
    let path = file(dir, pod_uid);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::File { path, source: error }),
        _ => Ok(()),
    }
}

/// All attachments by name of file. Files that do not parse were cut off by a crash and are removed.
pub(super) fn load(dir: &Path) -> Result<Vec<Attachment>> {
    fs::create_dir_all(dir).map_err(Error::file(dir))?;
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::file(dir))? {
        let path = entry.map_err(Error::file(dir))?.path();
        let text = fs::read(&path).map_err(Error::file(&path))?;
        match serde_json::from_slice::<Attachment>(&text) {
            Ok(attachment) if path == file(dir, &attachment.pod_uid) => found.push(attachment),
            _ => {
                tracing::warn!(path = %path.display(), "removing an unreadable attachment");
                fs::remove_file(&path).map_err(Error::file(&path))?;
            }
        }
    }
    found.sort_by(|a, b| a.pod_uid.cmp(&b.pod_uid));
    Ok(found)
}

/// Forgets everything.
pub(crate) fn remove_all(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::File { path: dir.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
