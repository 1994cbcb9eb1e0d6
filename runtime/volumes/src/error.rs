//! Why a volume is not there (`FailedMount`).

use std::{io, path::PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object that a volume is made of does not exist, or lacks a key.
    #[error("{0}")]
    Missing(String),
    /// A hostPath is not of the type asked for.
    #[error("hostPath type check failed: {0}")]
    HostPath(String),
    /// A path that must not be used.
    #[error("{0}")]
    Path(String),
    /// The disk or the kernel.
    #[error("{what} {path}: {source}")]
    Io {
        /// Verb.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// For `map_err`.
pub(crate) fn at<E: Into<io::Error>>(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(E) -> Error {
    let path = path.into();
    move |source| Error::Io { what, path, source: source.into() }
}
