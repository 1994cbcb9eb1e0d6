//! What can go wrong between a decision and the kernel.

use std::{io, path::PathBuf};

/// Result of the dataplane.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the kernel is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call or netlink request failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// `nft` refused a rule set.
    #[error("nft: {0}")]
    Nft(String),
    /// Every address of the podCIDR is taken.
    #[error("no free address left in {0}")]
    Exhausted(ipnetwork::Ipv4Network),
    /// A host port is taken by another pod.
    #[error("host port {0} is already in use")]
    HostPort(String),
    /// The resolver for other domains could not be set up.
    #[error("resolver: {0}")]
    Resolver(#[from] hickory_resolver::net::NetError),
    /// An argument makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// For `map_err` on a system call.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
    /// For `map_err` on a file operation.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
