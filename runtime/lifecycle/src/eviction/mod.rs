//! Who must leave a node that runs short, as the kubelet's eviction manager decides it.
//!
//! [`Manager::observe`] says what the node is short of, and whether it is time to act; [`victim`] says who goes.
//! [`exceeded`] finds pods above their own storage limits, whatever the node has left. Deliberately absent: measuring.

mod admit;
mod limits;
mod manager;
mod rank;
mod threshold;

pub use admit::refusal;
pub use limits::exceeded;
pub use manager::{Due, Manager, Verdict};
pub use rank::{ContainerUse, PodUse, is_critical, victim};
pub use threshold::{Amount, Threshold, thresholds};

/// Grace of a pod that leaves at once, seconds.
pub const IMMEDIATE_GRACE_SECONDS: i64 = 1;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Memory that is not in any working set.
    MemoryAvailable,
    /// Room for pods' files.
    NodeFsAvailable,
    /// Room for more files.
    NodeFsInodesFree,
    /// Room for images.
    ImageFsAvailable,
    /// Room for more files in images.
    ImageFsInodesFree,
    /// Tasks that may still be started.
    PidAvailable,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::MemoryAvailable,
        Self::NodeFsAvailable,
        Self::NodeFsInodesFree,
        Self::ImageFsAvailable,
        Self::ImageFsInodesFree,
        Self::PidAvailable,
    ];

    /// As in a KubeletConfiguration.
    pub fn name(self) -> &'static str {
        match self {
            Self::MemoryAvailable => "memory.available",
            Self::NodeFsAvailable => "nodefs.available",
            Self::NodeFsInodesFree => "nodefs.inodesFree",
            Self::ImageFsAvailable => "imagefs.available",
            Self::ImageFsInodesFree => "imagefs.inodesFree",
            Self::PidAvailable => "pid.available",
        }
    }

    /// What pods hold of it, as messages name it.
    pub fn resource(self) -> &'static str {
        match self {
            Self::MemoryAvailable => "memory",
            Self::NodeFsAvailable | Self::ImageFsAvailable => "ephemeral-storage",
            Self::NodeFsInodesFree | Self::ImageFsInodesFree => "inodes",
            Self::PidAvailable => "pids",
        }
    }

    /// The node's condition that tells of it.
    pub fn pressure(self) -> Pressure {
        match self {
            Self::MemoryAvailable => Pressure::Memory,
            Self::PidAvailable => Pressure::Pid,
            _ => Pressure::Disk,
        }
    }
}

/// A condition of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Too little memory.
    Memory,
    /// Too little room or too few inodes.
    Disk,
    /// Too many tasks.
    Pid,
}

impl Pressure {
    /// As in `node.status.conditions`.
    pub fn condition(self) -> &'static str {
        match self {
            Self::Memory => "MemoryPressure",
            Self::Disk => "DiskPressure",
            Self::Pid => "PIDPressure",
        }
    }
}

/// How much there is of something, and how much of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// All of it; 0 where nobody counts.
    pub capacity: u64,
    /// What is left.
    pub available: u64,
}

/// `pod.status.reason` of a pod that left a node that ran short, or held more than it may.
pub const EVICTED: &str = "Evicted";

/// Why a pod must go, and how soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// `pod.status.reason`: [`EVICTED`], or the reason of a node that shuts down.
    pub reason: &'static str,
    /// `pod.status.message`
    pub message: String,
    /// The pod's own grace, but no more than this.
    pub grace_seconds: i64,
}
