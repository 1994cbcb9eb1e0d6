//! Tests of limits of a pod as a whole.

use super::{Action, Event, PodMachine};
use k8s_openapi::api::core::v1::Pod;
use podium_types::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

fn sized(cpu: &str) -> Arc<Pod> {
    let mount = json!({ "name": "v", "mountPath": "/v", "readOnly": true, "recursiveReadOnly": "IfPossible" });
    let containers = json!([{ "name": "a", "image": "x", "volumeMounts": [mount] }]);
    let pod = json!({ "metadata": { "name": "p", "namespace": "ns", "uid": "u" },
        "spec": { "containers": containers, "resources": { "requests": { "cpu": cpu } } } });
    Arc::new(serde_json::from_value(pod).expect("a pod"))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

#[test]
fn a_pod_as_a_whole_is_resized_too() {
    let mut machine = PodMachine::new(sized("100m"), None, &[], None, Vec::new(), at(0));
    let mut status = Value::Null;
    let mut step = |machine: &mut PodMachine, event| {
        let actions = machine.step(event, at(1));
        let last = actions.iter().rev().find_map(|a| if let Action::Publish(s) = a { Some(s.clone()) } else { None });
        status = last.unwrap_or_else(|| status.clone());
        (actions, status.clone())
    };
    step(&mut machine, Event::Tick);
    step(&mut machine, Event::Prepared(Vec::new()));
    step(&mut machine, Event::Image { name: "a".into(), id: String::new() });
    let started = Event::Started { name: "a".into(), attempt: 0, id: "i".into(), at: at(1) };
    let (_, status) = step(&mut machine, started);
    assert_eq!(status["resources"]["requests"]["cpu"], "100m");
    let mounts = &status["containerStatuses"][0]["volumeMounts"];
    let expected = json!({ "name": "v", "mountPath": "/v", "readOnly": true, "recursiveReadOnly": "Enabled" });
    assert_eq!(mounts, &json!([expected]));
    let (actions, status) = step(&mut machine, Event::Updated(sized("300m")));
    assert!(actions.contains(&Action::Resize { containers: Vec::new() }), "{actions:?}");
    assert_eq!(status["resources"]["requests"]["cpu"], "100m", "not yet");
    let in_progress = |status: &Value| status["conditions"].to_string().contains("PodResizeInProgress");
    assert!(in_progress(&status), "{status}");
    let (_, status) = step(&mut machine, Event::Resized(Ok(())));
    assert_eq!(status["resources"]["requests"]["cpu"], "300m");
    assert_eq!(status["allocatedResources"]["cpu"], "300m");
    assert!(!in_progress(&status), "{status}");
    let again = step(&mut machine, Event::Tick).0;
    assert!(!again.iter().any(|a| matches!(a, Action::Resize { .. })), "{again:?}");
}
