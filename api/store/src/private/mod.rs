//! The private cluster: a PostgreSQL of our own, on a unix socket only.
//!
//! For whoever has no database at hand: finds the system's binaries, makes a cluster in a
//! directory, runs it as an unprivileged user and stops it cleanly. PostgreSQL outlives a
//! killed parent; the next start adopts it by its pid file. Deliberately absent: downloads
//! of binaries, and restarting (a supervisor waits with [`PrivateCluster::wait`] and starts anew).

mod binaries;
mod make;
mod owner;
mod process;
mod settings;

pub use binaries::Binaries;
pub use process::PrivateCluster;

use std::path::PathBuf;

/// Where a private cluster lives.
#[derive(Clone, Debug)]
pub struct PrivateOptions {
    /// Directory of the cluster; the data is in `data` below it, the log in `postgres.log`.
    pub dir: PathBuf,
    /// Directory of the socket, for this cluster alone; short, since socket paths are limited to about 100 bytes.
    pub socket_dir: PathBuf,
    /// Directory of PostgreSQL's binaries; found by [`Binaries::find`] where `None`.
    pub bin_dir: Option<PathBuf>,
}

impl PrivateOptions {
    /// URL for [`crate::Database::connect`]; known before the cluster runs.
    pub fn url(&self) -> String {
        settings::url(&self.socket_dir)
    }
}
