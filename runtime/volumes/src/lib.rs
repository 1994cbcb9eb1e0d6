//! A pod's volumes on the node's disk: emptyDir, hostPath, local directories of claims, and those
//! made of files.
//!
//! What is in a file is decided by the caller from objects it holds ([`content`] knows the rules of items and modes);
//! here it reaches the disk, atomically where containers watch it. Deliberately absent: which volume a
//! claim is bound to, and CSI.

mod atomic;
pub mod content;
mod empty_dir;
mod error;
mod host_path;
mod local;
mod owner;
mod subpath;
#[cfg(test)]
mod tests;
mod volumes;

pub use atomic::File;
pub use error::{Error, Result};
pub use host_path::HostPathType;
pub use owner::GroupChange;
pub use volumes::{Source, Volumes};
