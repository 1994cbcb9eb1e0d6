//! Profiles as users set them: a KubeSchedulerConfiguration in a ConfigMap of `kube-system`.
//!
//! Read with every decision, so that a change holds from the next pod on. What is not set, or
//! cannot be read, is as Kubernetes has it.

use crate::profile::{Profile, Strategy, Weights};
use podium_controllers::{View, pods, resource};
use podium_machinery::decode;
use podium_types::Key;
use serde_json::Value;

/// The ConfigMap that holds the configuration, in `kube-system`.
pub const CONFIG_MAP: &str = "kube-scheduler";
/// Its key.
pub const CONFIG_KEY: &str = "config.yaml";
/// How many profiles are read at most.
const PROFILE_LIMIT: usize = 16;
/// The heaviest that a criterion may weigh.
const WEIGHT_LIMIT: i64 = 100;

/// Every profile; without a configuration the default one alone.
pub fn profiles(view: &View) -> Vec<Profile> {
    let configured = view.header(resource::CONFIG_MAPS, &Key::new("kube-system", CONFIG_MAP)).and_then(|header| {
        let value = header.object.value();
        decode::configuration(value["data"][CONFIG_KEY].as_str()?.as_bytes()).ok().map(|(value, _)| value)
    });
    let list = configured.as_ref().and_then(|value| value["profiles"].as_array());
    let read: Vec<Profile> = list.into_iter().flatten().take(PROFILE_LIMIT).map(profile).collect();
    if read.is_empty() { vec![Profile::named(pods::DEFAULT_SCHEDULER)] } else { read }
}

fn profile(value: &Value) -> Profile {
    let mut own = Profile::named(value["schedulerName"].as_str().unwrap_or(pods::DEFAULT_SCHEDULER));
    for set in ["score", "multiPoint"] {
        weigh(&mut own.weights, &value["plugins"][set]);
    }
    for config in value["pluginConfig"].as_array().into_iter().flatten() {
        let args = &config["args"];
        match config["name"].as_str() {
            Some("NodeResourcesFit") => fit(&mut own, &args["scoringStrategy"]),
            Some("InterPodAffinity") => {
                let weight = args["hardPodAffinityWeight"].as_i64();
                own.hard_affinity_weight = weight.map_or(own.hard_affinity_weight, |w| w.clamp(0, WEIGHT_LIMIT));
            }
            Some("PodTopologySpread") if args["defaultingType"] == "List" => {
                own.default_spread = serde_json::from_value(args["defaultConstraints"].clone()).unwrap_or_default();
                own.system_spread = false;
            }
            _ => {}
        }
    }
    own
}

fn weigh(weights: &mut Weights, set: &Value) {
    let mut apply = |name: &str, value: i64| {
        let weight = match name {
            "TaintToleration" => &mut weights.taints,
            "NodeAffinity" => &mut weights.node_affinity,
            "NodeResourcesFit" => &mut weights.fit,
            "NodeResourcesBalancedAllocation" => &mut weights.balance,
            "PodTopologySpread" => &mut weights.spread,
            "InterPodAffinity" => &mut weights.pod_affinity,
            "ImageLocality" => &mut weights.images,
            _ => return,
        };
        *weight = value.clamp(0, WEIGHT_LIMIT);
    };
    for plugin in set["disabled"].as_array().into_iter().flatten() {
        apply(plugin["name"].as_str().unwrap_or_default(), 0);
    }
    for plugin in set["enabled"].as_array().into_iter().flatten() {
        apply(plugin["name"].as_str().unwrap_or_default(), plugin["weight"].as_i64().unwrap_or(1));
    }
}

fn fit(own: &mut Profile, strategy: &Value) {
    let resources: Vec<(String, i64)> = strategy["resources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| Some((one["name"].as_str()?.to_owned(), one["weight"].as_i64().unwrap_or(1))))
        .map(|(name, weight)| (name, weight.clamp(1, WEIGHT_LIMIT)))
        .collect();
    if !resources.is_empty() {
        own.resources = resources;
    }
    own.strategy = match strategy["type"].as_str() {
        Some("MostAllocated") => Strategy::MostAllocated,
        Some("RequestedToCapacityRatio") => {
            let points = strategy["requestedToCapacityRatio"]["shape"].as_array().into_iter().flatten();
            let point = |point: &Value| {
                let score = point["score"].as_i64().unwrap_or(0).clamp(0, 10);
                (point["utilization"].as_i64().unwrap_or(0).clamp(0, 100), score)
            };
            Strategy::RequestedToCapacityRatio(points.map(point).collect())
        }
        _ => Strategy::LeastAllocated,
    };
}
