//! `pods/eviction`: a delete that asks the pod's disruption budget first.

use super::{kind, success};
use crate::{
    time,
    user::User,
    verbs::{Api, DeleteOptions, WriteOptions},
};
use podium_kinds::Kind;
use podium_machinery::{selectors::LabelSelector, state::Object};
use podium_types::{ApiError, Key, meta};
use serde_json::{Value, json};
use std::sync::Arc;

/// Seconds after which to ask again while a budget's numbers are not up to date.
const RETRY_AFTER: u32 = 10;
/// Evictions under way that one budget notes at most.
const MAX_DISRUPTED: usize = 2000;
/// What is said where a budget forbids.
const VIOLATED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

impl Api {
    /// Deletes the pod as the Eviction's `deleteOptions` say, if its budget allows it.
    pub async fn evict(&self, user: &User, key: &Key, options: &DeleteOptions) -> Result<Value, ApiError> {
        let pods = kind("pods")?;
        let pod = self.get(pods, key).await?.value();
        let write = WriteOptions { dry_run: options.dry_run, ..WriteOptions::default() };
        // A rehearsal: what cannot be deleted is not charged to a budget.
        self.delete(user, pods, key, &DeleteOptions { dry_run: true, ..options.clone() }).await?;
        if guarded(&pod) {
            self.ask_budget(user, &pod, key, &write).await?;
        }
        let mut options = options.clone();
        if !ended(&pod) {
            let now = time::stamp(self.backend().now());
            let expected = options.resource_version;
            let told = |old: &Value| Ok(target(old, options.uid.as_deref(), expected, &now));
            let done = self.modify(user, pods, key, "status", &write, expected.is_none(), told).await?;
            // The precondition held; it goes on from there.
            options.resource_version = expected.map(|_| done.object.revision);
        }
        self.delete(user, pods, key, &options).await?;
        Ok(success(201))
    }

    /// Takes one disruption from the budget that the pod falls under, where it needs one.
    async fn ask_budget(&self, user: &User, pod: &Value, key: &Key, write: &WriteOptions) -> Result<(), ApiError> {
        let kind = kind("poddisruptionbudgets.policy")?;
        let budgets = self.budgets(kind, pod, key)?;
        let [budget] = budgets.as_slice() else {
            if budgets.is_empty() {
                return Ok(());
            }
            let why =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(ApiError::new(500, "InternalError", why));
        };
        if free(&budget.value(), pod) {
            return Ok(());
        }
        let now = time::stamp(self.backend().now());
        let take = |budget: &Value| taken(budget, &key.name, &now);
        self.modify(user, kind, &budget.key, "status", write, true, take).await.map(drop)
    }

    /// The budgets that a pod falls under.
    fn budgets(&self, kind: &'static Kind, pod: &Value, key: &Key) -> Result<Vec<Arc<Object>>, ApiError> {
        let mut found = Vec::new();
        for budget in self.backend().snapshot(kind).list(Some(&key.namespace), None) {
            let selector = &budget.value()["spec"]["selector"];
            if !selector.is_null() && LabelSelector::from_value(selector)?.matches_object(pod) {
                found.push(budget.clone());
            }
        }
        Ok(found)
    }
}

fn ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Whether a budget counts the pod at all: one that has not begun, has ended or goes anyway disrupts nothing.
fn guarded(pod: &Value) -> bool {
    !ended(pod) && pod["status"]["phase"] != "Pending" && !meta::is_deleting(pod)
}

fn ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|list| list.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

/// Whether a pod that is not healthy may go without taking a disruption.
fn free(budget: &Value, pod: &Value) -> bool {
    if ready(pod) {
        return false;
    }
    let number = |name: &str| budget["status"][name].as_i64().unwrap_or(0);
    let met = number("desiredHealthy") > 0 && number("currentHealthy") >= number("desiredHealthy");
    met || budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
}

/// The budget after one more disruption: counted and noted at once, until its controller sees the pod go.
fn taken(budget: &Value, pod: &str, now: &str) -> Result<Value, ApiError> {
    let name = meta::name(budget);
    let forbidden = |why: &str| Err(ApiError::forbidden("poddisruptionbudgets", "policy", name, why));
    let number = |name: &str| budget["status"][name].as_i64().unwrap_or(0);
    if number("observedGeneration") < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refused(&why, Some(RETRY_AFTER)));
    }
    let allowed = number("disruptionsAllowed");
    if allowed < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if budget["status"]["disruptedPods"].as_object().map_or(0, serde_json::Map::len) > MAX_DISRUPTED {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if allowed == 0 {
        let (desired, current) = (number("desiredHealthy"), number("currentHealthy"));
        let why = format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently");
        return Err(refused(&why, None));
    }
    let mut budget = budget.clone();
    let status = meta::member_mut(&mut budget, "status");
    status.insert("disruptionsAllowed".into(), json!(allowed - 1));
    let noted = status.entry("disruptedPods").or_insert_with(|| json!({}));
    if let Some(noted) = noted.as_object_mut() {
        noted.insert(pod.into(), json!(now));
    }
    Ok(budget)
}

fn refused(why: &str, retry_after: Option<u32>) -> ApiError {
    let mut error = ApiError::new(429, "TooManyRequests", VIOLATED);
    let mut details = json!({"causes": [{"reason": "DisruptionBudget", "message": why}]});
    if let Some(seconds) = retry_after {
        details["retryAfterSeconds"] = json!(seconds);
    }
    error.retry_after = retry_after;
    error.details = Some(details);
    error
}

/// The pod with the condition that says who disrupts it, and with what its evictor expects of it.
fn target(pod: &Value, uid: Option<&str>, revision: Option<u64>, now: &str) -> Value {
    let mut pod = pod.clone();
    let metadata = meta::metadata_mut(&mut pod);
    if let Some(uid) = uid {
        metadata.insert("uid".into(), json!(uid));
    }
    if let Some(revision) = revision {
        metadata.insert("resourceVersion".into(), json!(revision.to_string()));
    }
    let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastTransitionTime": now});
    let list = meta::member_mut(&mut pod, "status").entry("conditions").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.retain(|c| c["type"] != "DisruptionTarget");
        list.push(condition);
    }
    pod
}

#[cfg(test)]
mod tests;
