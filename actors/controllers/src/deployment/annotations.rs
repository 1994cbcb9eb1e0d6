//! What the controller notes on Deployments and ReplicaSets.

use crate::view::Item;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use serde_json::{Map, Value, json};

/// Number of the rollout.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Earlier numbers of a set that was rolled back to.
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// `spec.replicas` of the Deployment when the set was last scaled.
pub const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The same with the surge.
pub const MAX: &str = "deployment.kubernetes.io/max-replicas";

const NOT_COPIED: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];
/// Length of the revision history, in bytes, as Kubernetes limits it.
const HISTORY_LIMIT: usize = 2000;

fn number<T: std::str::FromStr>(set: &Item<ReplicaSet>, name: &str) -> Option<T> {
    set.meta().annotations.as_ref()?.get(name)?.parse().ok()
}

/// The revision of a set; 0 where it has none.
pub fn revision(set: &Item<ReplicaSet>) -> i64 {
    number(set, REVISION).unwrap_or(0)
}

/// The desired replicas noted on a set.
pub fn desired(set: &Item<ReplicaSet>) -> Option<i32> {
    number(set, DESIRED)
}

/// The largest number of replicas noted on a set.
pub fn max(set: &Item<ReplicaSet>) -> Option<i32> {
    number(set, MAX)
}

/// The annotations of a new set of that revision.
pub fn fresh(deployment: &Item<Deployment>, revision: i64, desired: i32, max: i32) -> Value {
    let mut map = copied(deployment);
    map.insert(REVISION.to_owned(), json!(revision.to_string()));
    map.insert(DESIRED.to_owned(), json!(desired.to_string()));
    map.insert(MAX.to_owned(), json!(max.to_string()));
    map.into()
}

/// What the annotations of an existing new set lack.
pub fn missing(deployment: &Item<Deployment>, set: &Item<ReplicaSet>, wanted: i64) -> Map<String, Value> {
    let none = Default::default();
    let own = set.meta().annotations.as_ref().unwrap_or(&none);
    let mut map = copied(deployment);
    map.retain(|name, value| own.get(name).map(String::as_str) != value.as_str());
    let before = revision(set);
    if before < wanted {
        map.insert(REVISION.to_owned(), json!(wanted.to_string()));
        if before > 0 {
            let history = own.get(REVISION_HISTORY).filter(|history| !history.is_empty());
            let mut history = history.map_or_else(|| before.to_string(), |history| format!("{history},{before}"));
            while history.len() > HISTORY_LIMIT {
                match history.split_once(',') {
                    Some((_, rest)) => history = rest.to_owned(),
                    None => break,
                }
            }
            map.insert(REVISION_HISTORY.to_owned(), json!(history));
        }
    }
    map
}

/// The annotations that say for which size a set was scaled, where they differ.
pub fn sizes(set: &Item<ReplicaSet>, wanted: i32, most: i32) -> Map<String, Value> {
    let mut map = Map::new();
    if desired(set) != Some(wanted) {
        map.insert(DESIRED.to_owned(), json!(wanted.to_string()));
    }
    if max(set) != Some(most) {
        map.insert(MAX.to_owned(), json!(most.to_string()));
    }
    map
}

fn copied(deployment: &Item<Deployment>) -> Map<String, Value> {
    let own = deployment.meta().annotations.iter().flatten();
    own.filter(|(name, _)| !NOT_COPIED.contains(&name.as_str())).map(|(k, v)| (k.clone(), json!(v))).collect()
}
