//! Images, containers and the per-pod shim; cgroups and logs. libcontainer appears nowhere else.
//!
//! An agent pulls an image ([`Images`]), mounts it, starts the pod's shim ([`Shim`]) and runs containers through it.
//! The process that calls must hand its start to [`dispatch`], since shim and helpers are the same binary again.
//! Deliberately absent: Kubernetes types, restart policy, networking.

pub mod cgroups;
mod client;
pub mod config;
mod error;
mod helper;
mod idmap;
mod images;
pub mod logs;
mod rooted;
pub mod seccomp;
mod shim;
pub mod user;
mod wire;

pub use client::{AttachSession, Events, ExecSession, ExecWait, Reader, Shim, Terminal, Writer};
pub use config::*;
pub use error::*;
pub use idmap::bind_mapped;
pub use images::*;
pub use shim::{cleanup, dispatch, shim_main, unpin, user_namespace};
