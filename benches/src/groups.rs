//! Rows that are measured together.

use clap::ValueEnum;

/// A group of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// The scheduler alone, on a cluster in memory.
    Scheduler,
    /// What a decision costs among ever more other pods, in memory.
    Growth,
    /// From nothing to ready, and memory at rest.
    Start,
    /// Writes of a cluster that nothing happens to.
    Rest,
    /// One pod, from its POST to Running.
    Pods,
    /// Creates, reads and patches.
    Api,
    /// Events to many watchers, and idle watches.
    Watch,
    /// A Deployment of 1,000 pods on 100 simulated nodes.
    Deployment,
    /// 100,000 pods on 5,000 simulated nodes: needs minutes.
    Scale,
}

impl Group {
    /// Every group, in the order in which they are measured.
    pub fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }
    /// Those that are measured where nothing else is asked for.
    pub fn usual() -> Vec<Self> {
        Self::all().into_iter().filter(|group| *group != Self::Scale).collect()
    }
    /// Whether its rows are measured on a real cluster.
    pub fn needs_cluster(self) -> bool {
        !matches!(self, Self::Scheduler | Self::Growth)
    }
}
