//! Evictions against budgets, over a backend in memory.

use super::*;
use crate::{memory::Memory, verbs::ApiConfig};

const BUDGETS: &str = "poddisruptionbudgets.policy";

/// An API with the pod `web`, which is in that phase and ready or not.
fn api(phase: &str, ready: bool) -> (Api, Arc<Memory>) {
    let memory = Memory::new();
    let ready = if ready { "True" } else { "False" };
    memory.put(
        "pods",
        json!({"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "web", "namespace": "default", "uid": "p", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n", "terminationGracePeriodSeconds": 30},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}}),
    );
    (Api::new(memory.clone(), ApiConfig::default(), None), memory)
}

fn budget(memory: &Memory, name: &str, policy: &str, status: Value) {
    memory.put(
        BUDGETS,
        json!({"kind": "PodDisruptionBudget", "apiVersion": "policy/v1",
            "metadata": {"name": name, "namespace": "default", "uid": name, "generation": 1},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}, "unhealthyPodEvictionPolicy": policy},
            "status": status}),
    );
}

fn numbers(observed: i64, allowed: i64, desired: i64, current: i64) -> Value {
    json!({"observedGeneration": observed, "disruptionsAllowed": allowed, "desiredHealthy": desired,
        "currentHealthy": current, "expectedPods": 2})
}

async fn evict(api: &Api, options: DeleteOptions) -> Result<Value, ApiError> {
    api.evict(&User::system("t"), &Key::new("default", "web"), &options).await
}

fn stored(api: &Api, resource: &str) -> Value {
    api.peek(kind(resource).unwrap(), &Key::new("default", "web")).unwrap().value()
}

#[tokio::test]
async fn a_budget_is_asked_and_charged() {
    for (phase, ready, policy, status, expected, left) in [
        ("Running", true, "IfHealthyBudget", numbers(1, 1, 1, 2), 201, 0),
        ("Running", true, "IfHealthyBudget", numbers(1, 0, 2, 2), 429, 0),
        ("Running", true, "IfHealthyBudget", numbers(0, 1, 1, 2), 429, 1),
        ("Running", true, "IfHealthyBudget", numbers(1, -1, 1, 2), 403, -1),
        // What has not begun, or has ended, disrupts nothing.
        ("Pending", false, "IfHealthyBudget", numbers(1, 0, 2, 1), 201, 0),
        ("Failed", false, "IfHealthyBudget", numbers(1, 0, 2, 1), 201, 0),
        // What is not healthy goes where enough others are, or always if so asked.
        ("Running", false, "IfHealthyBudget", numbers(1, 0, 2, 2), 201, 0),
        ("Running", false, "IfHealthyBudget", numbers(1, 0, 2, 1), 429, 0),
        ("Running", false, "AlwaysAllow", numbers(1, 0, 2, 1), 201, 0),
    ] {
        let (api, memory) = api(phase, ready);
        budget(&memory, "web", policy, status.clone());
        let case = format!("{phase} {ready} {policy} {status}");
        let code = evict(&api, DeleteOptions::default()).await.map_or_else(|e| e.code, |_| 201);
        assert_eq!(code, expected, "{case}");
        let after = &stored(&api, BUDGETS)["status"];
        assert_eq!(after["disruptionsAllowed"], left, "{case}");
        let charged = status["disruptionsAllowed"] != left;
        assert_eq!(after["disruptedPods"]["web"].is_string(), charged, "{case}");
        let goes =
            api.peek(kind("pods").unwrap(), &Key::new("default", "web")).is_none_or(|p| meta::is_deleting(&p.value()));
        assert_eq!(goes, expected == 201, "{case}");
    }
}

#[tokio::test]
async fn refusals_say_why() {
    let (api, memory) = api("Running", true);
    budget(&memory, "web", "IfHealthyBudget", numbers(1, 0, 2, 2));
    let error = evict(&api, DeleteOptions::default()).await.unwrap_err();
    let cause = &error.details.as_ref().unwrap()["causes"][0];
    assert_eq!((error.message.as_str(), &cause["reason"]), (VIOLATED, &json!("DisruptionBudget")));
    assert_eq!(cause["message"], "The disruption budget web needs 2 healthy pods and has 2 currently");
    budget(&memory, "other", "IfHealthyBudget", numbers(1, 1, 1, 2));
    assert_eq!(evict(&api, DeleteOptions::default()).await.unwrap_err().code, 500);
}

#[tokio::test]
async fn a_dry_run_takes_nothing_and_preconditions_hold() {
    let (api, memory) = api("Running", true);
    budget(&memory, "web", "IfHealthyBudget", numbers(1, 1, 1, 2));
    evict(&api, DeleteOptions { dry_run: true, ..DeleteOptions::default() }).await.unwrap();
    assert_eq!(stored(&api, BUDGETS)["status"]["disruptionsAllowed"], 1);
    assert!(!meta::is_deleting(&stored(&api, "pods")));
    let wrong = DeleteOptions { uid: Some("other".into()), ..DeleteOptions::default() };
    assert_eq!(evict(&api, wrong).await.unwrap_err().code, 409);
    assert_eq!(stored(&api, BUDGETS)["status"]["disruptionsAllowed"], 1, "not charged");
    assert!(!meta::is_deleting(&stored(&api, "pods")));
    let revision = api.peek(kind("pods").unwrap(), &Key::new("default", "web")).unwrap().revision;
    let right = DeleteOptions { resource_version: Some(revision), ..DeleteOptions::default() };
    evict(&api, right).await.unwrap();
    assert_eq!(stored(&api, BUDGETS)["status"]["disruptionsAllowed"], 0);
    let pod = stored(&api, "pods");
    assert!(meta::is_deleting(&pod));
    let conditions = pod["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|c| c["reason"] == "EvictionByEvictionAPI"), "{pod}");
}
