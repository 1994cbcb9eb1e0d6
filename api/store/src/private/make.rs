//! Making the cluster's data, all or nothing.
//!
//! `initdb` does not flush; that is done beside the first start of PostgreSQL. Only then a
//! mark says that the data is whole, and only then does anyone get to write to it: a crash
//! before that leaves nothing worth keeping.

use super::{Binaries, owner::Owner, settings::USER};
use crate::StoreError;
use nix::unistd::syncfs;
use std::{
    fs::{self, File},
    io::Result as IoResult,
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::{process::Command, time::timeout};

/// The mark, a file in the data directory.
const MARK: &str = "podium.made";
/// Longest time for `initdb`.
const MAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether the data is whole and on disk.
pub(crate) fn made(data: &Path) -> bool {
    data.join(MARK).exists()
}

/// Makes `data`, in place of whatever an interrupted attempt left there.
pub(crate) async fn make(binaries: &Binaries, owner: Owner, data: &Path) -> Result<(), StoreError> {
    if data.exists() {
        fs::remove_dir_all(data).map_err(|e| StoreError::Io(data.display().to_string(), e))?;
    }
    owner.directory(data)?;
    let mut command = Command::new(binaries.program("initdb"));
    command
        .arg("-D")
        .arg(data)
        .args(["-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums"])
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
    Ok(())
}

/// Flushes the file system of `data` and sets the mark.
pub(crate) async fn flush(data: &Path) -> Result<(), StoreError> {
    let dir = data.to_owned();
    let flushed = tokio::task::spawn_blocking(move || -> IoResult<()> {
        // One call for a thousand small files.
        syncfs(File::open(&dir)?)?;
        File::create(dir.join(MARK))?.sync_all()?;
        File::open(&dir)?.sync_all()
    });
    let flushed = flushed.await.map_err(|e| StoreError::Cluster(e.to_string()))?;
    flushed.map_err(|e| StoreError::Io(data.display().to_string(), e))
}
