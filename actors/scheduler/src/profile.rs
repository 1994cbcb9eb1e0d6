//! How pods of one scheduler name are placed: weights, the strategy for resources, defaults.

use k8s_openapi::api::core::v1::TopologySpreadConstraint;

/// Which nodes are best by what is taken of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Strategy {
    /// The emptiest: spreads.
    LeastAllocated,
    /// The fullest: packs.
    MostAllocated,
    /// By a curve of (utilisation 0..=100, score 0..=10), linear between its points.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

/// How much each criterion weighs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// `TaintToleration`
    pub taints: i64,
    /// `NodeAffinity`
    pub node_affinity: i64,
    /// `NodeResourcesFit`
    pub fit: i64,
    /// `NodeResourcesBalancedAllocation`
    pub balance: i64,
    /// `PodTopologySpread`
    pub spread: i64,
    /// `InterPodAffinity`
    pub pod_affinity: i64,
    /// `ImageLocality`
    pub images: i64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { taints: 3, node_affinity: 2, fit: 1, balance: 1, spread: 2, pod_affinity: 2, images: 1 }
    }
}

/// What a scheduler name stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// `spec.schedulerName` of its pods.
    pub name: String,
    /// Which fullness is good.
    pub strategy: Strategy,
    /// Resources that the strategy looks at, with their weights.
    pub resources: Vec<(String, i64)>,
    /// Weights of the criteria.
    pub weights: Weights,
    /// What a required affinity of a pod that runs weighs for a pod that it names.
    pub hard_affinity_weight: i64,
    /// Spread constraints of pods that have none; without selector.
    pub default_spread: Vec<TopologySpreadConstraint>,
    /// Whether those are the system's own, which also count nodes without their labels.
    pub system_spread: bool,
}

impl Profile {
    /// Kubernetes' defaults under a name.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            strategy: Strategy::LeastAllocated,
            resources: vec![("cpu".to_owned(), 1), ("memory".to_owned(), 1)],
            weights: Weights::default(),
            hard_affinity_weight: 1,
            default_spread: system_spread(),
            system_spread: true,
        }
    }
}

/// Over hosts within three, over zones within five.
fn system_spread() -> Vec<TopologySpreadConstraint> {
    let softly = |key: &str, max_skew: i32| TopologySpreadConstraint {
        topology_key: key.to_owned(),
        max_skew,
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        ..TopologySpreadConstraint::default()
    };
    vec![softly("kubernetes.io/hostname", 3), softly("topology.kubernetes.io/zone", 5)]
}
