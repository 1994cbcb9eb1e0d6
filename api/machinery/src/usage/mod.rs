//! What nodes, pods and containers use of CPU and memory, from what their agents tell.
//!
//! Agents tell counters; a rate takes two readings of one life. Served as `metrics.k8s.io`,
//! and looked at by autoscalers.

mod ledger;
mod object;
mod text;

pub use ledger::Ledger;
pub use object::{node, pod};
pub use text::{Point, Reading};

use podium_types::{Key, Timestamp};
use std::{collections::BTreeMap, time::Duration};

/// An amount of CPU and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Billionths of a core.
    pub nano_cores: u64,
    /// Bytes of the working set.
    pub bytes: u64,
}

/// When something was measured, and over what time its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The end of the window.
    pub at: Timestamp,
    /// How long it is.
    pub window: Duration,
}

/// What a node uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeUse {
    /// When.
    pub span: Span,
    /// How much.
    pub amount: Amount,
}

/// What the containers of a pod use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodUse {
    /// When: the oldest of its containers' measurements.
    pub span: Span,
    /// How much, by the container's name.
    pub containers: BTreeMap<String, Amount>,
}

/// What everything uses, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By the node's name.
    pub nodes: BTreeMap<String, NodeUse>,
    /// By namespace and name.
    pub pods: BTreeMap<Key, PodUse>,
}
