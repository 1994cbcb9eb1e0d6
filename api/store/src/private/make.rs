//! Making the cluster's data, all or nothing.

use super::{Binaries, owner::Owner, settings::USER};
use crate::StoreError;
use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::{process::Command, time::timeout};

/// Longest time for `initdb`.
const MAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes `data` unless it is there. It appears by a rename after all is on disk, so a crash
/// leaves either a whole cluster or a directory that the next attempt clears away.
pub(crate) async fn make(binaries: &Binaries, owner: Owner, data: &Path) -> Result<(), StoreError> {
    let io = |e| StoreError::Io(data.display().to_string(), e);
    if data.join("PG_VERSION").exists() {
        return Ok(());
    }
    let part = data.with_extension("new");
    if part.exists() {
        fs::remove_dir_all(&part).map_err(io)?;
    }
    owner.directory(&part)?;
    let mut command = Command::new(binaries.program("initdb"));
    command
        .arg("-D")
        .arg(&part)
        .args(["-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums"])
        // Flushed below, in one go.
        .args(["--no-sync", "--no-instructions"])
        // Spares initdb the search for the system's time zone.
        .env("TZ", "UTC")
        .current_dir("/")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    owner.run(&mut command);
    let output = timeout(MAKE_TIMEOUT, command.output()).await.map_err(|_| StoreError::Timeout(MAKE_TIMEOUT))?;
    let output = output.map_err(|e| StoreError::Io("initdb".into(), e))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(StoreError::Cluster(format!("initdb: {}", said.trim())));
    }
    let (part, data) = (part.clone(), data.to_owned());
    let place = tokio::task::spawn_blocking(move || {
        flush(&part)?;
        fs::rename(&part, &data)?;
        data.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    });
    place.await.map_err(|e| StoreError::Cluster(e.to_string()))?.map_err(|e| StoreError::Io("data".into(), e))
}

/// Flushes every file and directory below `dir`.
fn flush(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            flush(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_data()?;
        }
    }
    File::open(dir)?.sync_all()
}
