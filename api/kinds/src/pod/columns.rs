//! What `kubectl get pods` shows, with the one-word status that Kubernetes works out from
//! the phase, the conditions and every container.

use crate::{
    cells::{self, NONE},
    json::{at, int, items, text},
};
use podium_types::{Timestamp, duration::human_age, meta};
use serde_json::{Value, json};

/// Reason of a pod whose node no longer answers.
const NODE_LOST: &str = "NodeLost";

pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let summary = summarise(object);
    let restarts = match summary.last_restart {
        Some(last) if summary.restarts != 0 => format!("{} ({} ago)", summary.restarts, human_age(last, now)),
        _ => summary.restarts.to_string(),
    };
    let ip = at(object, "status.podIPs").get(0).map_or(&object["status"]["podIP"], |ip| &ip["ip"]);
    vec![
        cells::name(object),
        json!(format!("{}/{}", summary.ready, summary.total)),
        json!(summary.status),
        json!(restarts),
        cells::age(object, now),
        json!(cells::or_none(ip)),
        json!(cells::or_none(at(object, "spec.nodeName"))),
        json!(cells::or_none(at(object, "status.nominatedNodeName"))),
        json!(readiness_gates(object)),
    ]
}

struct Summary {
    status: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl Summary {
    fn count_restarts(&mut self, status: &Value) {
        self.restarts += int(&status["restartCount"]);
        self.last_restart = self.last_restart.max(cells::time_of(at(status, "lastState.terminated.finishedAt")));
    }
}

fn summarise(object: &Value) -> Summary {
    let (spec, status) = (&object["spec"], &object["status"]);
    let sidecars: Vec<&str> =
        items(&spec["initContainers"]).iter().filter(|c| is_sidecar(c)).map(|c| text(&c["name"])).collect();
    let mut summary = Summary {
        status: first_word(object),
        ready: 0,
        total: items(&spec["containers"]).len() + sidecars.len(),
        restarts: 0,
        last_restart: None,
    };
    // Restarts of ordinary init containers are of interest only while they run.
    let mut of_sidecars = Summary { status: String::new(), ready: 0, total: 0, restarts: 0, last_restart: None };
    let mut initializing = false;
    for (i, container) in items(&status["initContainerStatuses"]).iter().enumerate() {
        let sidecar = sidecars.contains(&text(&container["name"]));
        summary.count_restarts(container);
        if sidecar {
            of_sidecars.count_restarts(container);
        }
        if at(container, "state.terminated").is_object() && int(at(container, "state.terminated.exitCode")) == 0 {
            continue;
        }
        if sidecar && container["started"] == json!(true) {
            summary.ready += usize::from(container["ready"] == json!(true));
            continue;
        }
        summary.status = format!("Init:{}", init_word(container, i, items(&spec["initContainers"]).len()));
        initializing = true;
        break;
    }
    if !initializing || has_condition(status, "Initialized") {
        (summary.restarts, summary.last_restart) = (of_sidecars.restarts, of_sidecars.last_restart);
        main_containers(&mut summary, status);
    }
    if meta::is_deleting(object) && status["reason"] == NODE_LOST {
        summary.status = "Unknown".to_owned();
    } else if meta::is_deleting(object) && !matches!(text(&status["phase"]), "Succeeded" | "Failed") {
        summary.status = "Terminating".to_owned();
    }
    summary
}

/// The status of a pod of whose containers nothing is known.
fn first_word(object: &Value) -> String {
    let status = &object["status"];
    let gated = |c: &Value| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated";
    if items(&status["conditions"]).iter().any(gated) {
        return "SchedulingGated".to_owned();
    }
    let word = if text(&status["reason"]).is_empty() { &status["phase"] } else { &status["reason"] };
    text(word).to_owned()
}

fn main_containers(summary: &mut Summary, status: &Value) {
    let mut running = false;
    // The first container has the last word.
    for container in items(&status["containerStatuses"]).iter().rev() {
        summary.count_restarts(container);
        let state = &container["state"];
        let waiting = text(at(state, "waiting.reason"));
        if !waiting.is_empty() {
            summary.status = waiting.to_owned();
        } else if state["terminated"].is_object() {
            summary.status = exit_word(&state["terminated"]);
        } else if container["ready"] == json!(true) && state["running"].is_object() {
            running = true;
            summary.ready += 1;
        }
    }
    if summary.status == "Completed" && running {
        let word = if has_condition(status, "Ready") { "Running" } else { "NotReady" };
        summary.status = word.to_owned();
    }
}

/// `Error`, `OOMKilled`, `Signal:9` or `ExitCode:1`.
fn exit_word(terminated: &Value) -> String {
    match (text(&terminated["reason"]), int(&terminated["signal"])) {
        ("", 0) => format!("ExitCode:{}", int(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn init_word(container: &Value, index: usize, total: usize) -> String {
    let state = &container["state"];
    if state["terminated"].is_object() {
        return exit_word(&state["terminated"]);
    }
    match text(at(state, "waiting.reason")) {
        "" | "PodInitializing" => format!("{index}/{total}"),
        reason => reason.to_owned(),
    }
}

fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

fn has_condition(status: &Value, kind: &str) -> bool {
    items(&status["conditions"]).iter().any(|c| c["type"] == kind && c["status"] == "True")
}

/// `1/2`: how many readiness gates are open.
fn readiness_gates(object: &Value) -> String {
    let gates = items(at(object, "spec.readinessGates"));
    if gates.is_empty() {
        return NONE.to_owned();
    }
    let open = gates.iter().filter(|g| has_condition(&object["status"], text(&g["conditionType"]))).count();
    format!("{open}/{}", gates.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(object: Value) -> String {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        row(&object, now)[1..4].iter().map(|c| c.as_str().unwrap()).collect::<Vec<_>>().join(" ")
    }
    fn running() -> Value {
        json!({"name": "a", "ready": true, "started": true, "restartCount": 0, "state": {"running": {}}})
    }
    fn waiting(reason: &str, restarts: i64) -> Value {
        json!({"name": "a", "ready": false, "restartCount": restarts, "state": {"waiting": {"reason": reason}},
            "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:59:55Z"}}})
    }
    fn ended(reason: &str, code: i64, signal: i64) -> Value {
        json!({"name": "a", "state": {"terminated": {"reason": reason, "exitCode": code, "signal": signal}}})
    }
    fn pod(phase: &str, containers: Value) -> Value {
        let spec: Vec<Value> = items(&containers).iter().map(|c| json!({"name": c["name"]})).collect();
        json!({"spec": {"containers": spec}, "status": {"phase": phase, "containerStatuses": containers}})
    }
    fn with(mut pod: Value, path: &str, value: Value) -> Value {
        *pod.pointer_mut(path.rsplit_once('/').unwrap().0)
            .unwrap()
            .get_mut(path.rsplit_once('/').unwrap().1)
            .unwrap_or(&mut Value::Null) = value.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        pod.pointer_mut(parent).unwrap()[name] = value;
        pod
    }
    fn init(statuses: Value, total: usize) -> Value {
        let mut pod = pod("Pending", json!([waiting("PodInitializing", 0)]));
        pod["spec"]["initContainers"] = json!(vec![json!({"name": "i"}); total]);
        pod["status"]["initContainerStatuses"] = statuses;
        pod
    }

    #[test]
    fn status_words() {
        let cases = [
            (json!({"spec": {"containers": [{}]}, "status": {"phase": "Pending"}}), "0/1 Pending 0"),
            (pod("Running", json!([running(), running()])), "2/2 Running 0"),
            (pod("Running", json!([waiting("CrashLoopBackOff", 1), running()])), "1/2 CrashLoopBackOff 1 (5s ago)"),
            (pod("Pending", json!([waiting("ImagePullBackOff", 0)])), "0/1 ImagePullBackOff 0"),
            (pod("Succeeded", json!([ended("Completed", 0, 0)])), "0/1 Completed 0"),
            (pod("Failed", json!([ended("OOMKilled", 137, 0)])), "0/1 OOMKilled 0"),
            (pod("Failed", json!([ended("", 0, 9)])), "0/1 Signal:9 0"),
            (pod("Failed", json!([ended("", 3, 0)])), "0/1 ExitCode:3 0"),
            (pod("Running", json!([ended("Completed", 0, 0), running()])), "1/2 NotReady 0"),
            (
                with(
                    pod("Running", json!([ended("Completed", 0, 0), running()])),
                    "/status/conditions",
                    json!([{"type": "Ready", "status": "True"}]),
                ),
                "1/2 Running 0",
            ),
            (with(pod("Failed", json!([])), "/status/reason", json!("Evicted")), "0/0 Evicted 0"),
            (
                with(
                    pod("Running", json!([running()])),
                    "/metadata",
                    json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
                ),
                "1/1 Terminating 0",
            ),
            (
                with(
                    pod("Succeeded", json!([ended("Completed", 0, 0)])),
                    "/metadata",
                    json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
                ),
                "0/1 Completed 0",
            ),
            (
                with(
                    with(pod("Running", json!([running()])), "/status/reason", json!("NodeLost")),
                    "/metadata",
                    json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
                ),
                "1/1 Unknown 0",
            ),
            (
                with(
                    pod("Pending", json!([])),
                    "/status/conditions",
                    json!([{"type": "PodScheduled", "reason": "SchedulingGated"}]),
                ),
                "0/0 SchedulingGated 0",
            ),
        ];
        for (pod, expected) in cases {
            assert_eq!(shown(pod.clone()), expected, "{pod}");
        }
    }

    #[test]
    fn status_words_of_init_containers() {
        let mut done = ended("Completed", 0, 0);
        done["name"] = json!("i");
        let cases = [
            (init(json!([waiting("PodInitializing", 0)]), 2), "0/1 Init:0/2 0"),
            (init(json!([done.clone(), running()]), 2), "0/1 Init:1/2 0"),
            (init(json!([waiting("CrashLoopBackOff", 3)]), 1), "0/1 Init:CrashLoopBackOff 3 (5s ago)"),
            (init(json!([ended("Error", 1, 0)]), 1), "0/1 Init:Error 0"),
            (init(json!([ended("", 2, 0)]), 1), "0/1 Init:ExitCode:2 0"),
            (init(json!([done]), 1), "0/1 PodInitializing 0"),
        ];
        for (pod, expected) in cases {
            assert_eq!(shown(pod.clone()), expected, "{pod}");
        }
    }

    #[test]
    fn sidecars_count_as_containers() {
        let mut pod = pod("Running", json!([running()]));
        pod["spec"]["initContainers"] = json!([{"name": "s", "restartPolicy": "Always"}]);
        let mut sidecar = running();
        sidecar["name"] = json!("s");
        sidecar["restartCount"] = json!(2);
        pod["status"]["initContainerStatuses"] = json!([sidecar]);
        assert_eq!(shown(pod), "2/2 Running 2");
    }

    #[test]
    fn wide_cells() {
        let pod = json!({"metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": "n1", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]},
            "status": {"podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}], "conditions": [{"type": "a", "status": "True"}]}});
        let cells = row(&pod, "2026-01-01T01:00:00Z".parse().unwrap());
        assert_eq!(cells[4..], [json!("60m"), json!("10.0.0.9"), json!("n1"), json!("<none>"), json!("1/2")]);
    }
}
