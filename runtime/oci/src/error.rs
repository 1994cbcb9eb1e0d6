//! Errors of this crate, told apart where a caller acts differently.

use std::path::Path;

/// Anything but a failed pull or a failed start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, socket or system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// There is no such container or image.
    #[error("{0} not found")]
    NotFound(String),
    /// The shim refused or failed.
    #[error("{0}")]
    Shim(String),
    /// The shim is not there any more.
    #[error("the pod's shim is gone")]
    Gone,
    /// An image, archive or file that is not what it should be.
    #[error("{0}")]
    Invalid(String),
}

/// Why a pull failed; the agent turns it into ErrImagePull, InvalidImageName, RegistryUnavailable and so on.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The reference does not parse (`InvalidImageName`).
    #[error("couldn't parse image name {reference:?}: {reason}")]
    InvalidName {
        /// What was given.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry has no such image.
    #[error("image {0} not found")]
    NotFound(String),
    /// The registry wants (other) credentials.
    #[error("pull access denied for {0}: authorization failed")]
    Unauthorized(String),
    /// The registry cannot be reached or fails (`RegistryUnavailable`).
    #[error("registry unavailable: {0}")]
    Unavailable(String),
    /// Bytes arrived that do not have the digest they were asked by, or an archive that must not be unpacked
    /// (`ImageInspectError`).
    #[error("image {reference} is corrupt: {reason}")]
    Corrupt {
        /// The image.
        reference: String,
        /// What is wrong.
        reason: String,
    },
    /// This node's own fault: disk, file system.
    #[error(transparent)]
    Local(#[from] Error),
}

/// Why a container did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The container could not be made (`CreateContainerError`).
    #[error("failed to create container: {0}")]
    Create(String),
    /// The program could not be started (`RunContainerError`, exit code 128 in Kubernetes).
    #[error("failed to start container: {0}")]
    Start(String),
    /// The shim or its socket.
    #[error(transparent)]
    Shim(#[from] Error),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what was attempted when I/O fails.
pub(crate) trait Context<T> {
    /// `what` is a verb with its object: "open /x".
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
    /// For the usual case: a verb and a path.
    fn at(self, verb: &str, path: &Path) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source: source.into() })
    }

    fn at(self, verb: &str, path: &Path) -> Result<T> {
        self.context(|| format!("{verb} {}", path.display()))
    }
}
