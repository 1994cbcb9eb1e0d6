//! Tables and properties of the pod's life.

use super::*;
use crate::backoff::later;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn seconds(n: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + n).expect("a time")
}

fn pod(spec: Value) -> Arc<Pod> {
    let pod = json!({ "metadata": { "name": "web", "namespace": "ns", "uid": "u1", "generation": 1 }, "spec": spec });
    Arc::new(serde_json::from_value(pod).expect("a pod"))
}

fn simple(policy: &str) -> Arc<Pod> {
    pod(json!({ "restartPolicy": policy, "terminationGracePeriodSeconds": 30,
        "containers": [{ "name": "a", "image": "x" }] }))
}

fn deleted(pod: &Pod, grace: i64) -> Arc<Pod> {
    let mut pod = pod.clone();
    pod.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(seconds(0)));
    pod.metadata.deletion_grace_period_seconds = Some(grace);
    Arc::new(pod)
}

fn exit(code: i32, at: Timestamp) -> ContainerEnd {
    let reason = if code == 0 { "Completed" } else { "Error" };
    ContainerEnd { code, signal: None, reason: reason.to_owned(), message: String::new(), finished_at: at }
}

/// A machine with the last status it published, and a node that does at once what it is told.
struct Rig {
    machine: PodMachine,
    status: Value,
    log: Vec<Action>,
    now: Timestamp,
    wake: Option<Timestamp>,
}

impl Rig {
    fn new(pod: &Arc<Pod>) -> Self {
        let machine = PodMachine::new(pod.clone(), None, &[], None, vec!["192.0.2.1".parse().expect("ip")], seconds(0));
        let mut rig = Self { machine, status: Value::Null, log: Vec::new(), now: seconds(0), wake: None };
        rig.feed(Event::Tick);
        rig
    }
    fn feed(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            self.wake = None;
            for action in self.machine.step(event.clone(), self.now) {
                self.log.push(action.clone());
                match action {
                    Action::Prepare => events.push(Event::Prepared(vec!["10.244.0.2".parse().expect("ip")])),
                    Action::Pull { name } => events.push(Event::Image { name, id: "sha256:1".to_owned() }),
                    Action::Start { name, attempt } => {
                        let id = format!("{name}.{attempt}");
                        events.push(Event::Started { name, attempt, id, at: self.now });
                    }
                    Action::TearDown => events.push(Event::TornDown),
                    Action::Publish(status) => self.status = status,
                    Action::Wake(at) => self.wake = Some(at),
                    _ => {}
                }
            }
        }
    }
    fn exits(&mut self, name: &str, attempt: u32, code: i32) {
        let end = exit(code, self.now);
        self.feed(Event::Exited { name: name.to_owned(), attempt, end });
    }
    /// Lets time pass up to `at`, with every wake on the way.
    fn until(&mut self, at: Timestamp) {
        while let Some(wake) = self.wake.filter(|w| *w <= at) {
            self.now = wake;
            self.feed(Event::Tick);
        }
        self.now = at;
        self.feed(Event::Tick);
    }
    fn phase(&self) -> &str {
        self.status["phase"].as_str().unwrap_or_default()
    }
    fn condition(&self, kind: &str) -> &str {
        let list = self.status["conditions"].as_array().expect("conditions");
        list.iter().find(|c| c["type"] == kind).and_then(|c| c["status"].as_str()).unwrap_or_default()
    }
    fn starts(&self) -> Vec<(String, u32)> {
        self.log
            .iter()
            .filter_map(|a| match a {
                Action::Start { name, attempt } => Some((name.clone(), *attempt)),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn a_pod_becomes_ready_and_its_status_is_whole() {
    let rig = Rig::new(&simple("Always"));
    assert_eq!(rig.phase(), "Running");
    for kind in ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"] {
        assert_eq!(rig.condition(kind), "True", "{kind}");
    }
    assert_eq!(rig.status["podIP"], "10.244.0.2");
    assert_eq!(rig.status["hostIP"], "192.0.2.1");
    assert_eq!(rig.status["qosClass"], "BestEffort");
    let container = &rig.status["containerStatuses"][0];
    assert_eq!(container["containerID"], "podium://a.0");
    assert_eq!(container["state"]["running"]["startedAt"], "2023-11-14T22:13:20Z");
}

#[test]
fn phases_by_restart_policy_and_exit_code() {
    for (policy, code, phase) in [
        ("Always", 0, "Running"),
        ("Always", 1, "Running"),
        ("OnFailure", 0, "Succeeded"),
        ("OnFailure", 1, "Running"),
        ("Never", 0, "Succeeded"),
        ("Never", 1, "Failed"),
    ] {
        let mut rig = Rig::new(&simple(policy));
        rig.exits("a", 0, code);
        assert_eq!(rig.phase(), phase, "{policy} {code}");
        assert_eq!(rig.machine.terminal().is_some(), phase != "Running");
    }
}

#[test]
fn restarts_back_off() {
    let mut rig = Rig::new(&simple("Always"));
    let mut delays = Vec::new();
    for attempt in 0..7 {
        let died = rig.now;
        rig.exits("a", attempt, 1);
        if rig.starts().len() == attempt as usize + 1 {
            let waiting = &rig.status["containerStatuses"][0]["state"]["waiting"];
            assert_eq!(waiting["reason"], "CrashLoopBackOff");
            assert_eq!(rig.status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 1);
            rig.until(rig.wake.expect("a wake"));
        }
        assert_eq!(rig.starts().len(), attempt as usize + 2);
        delays.push(rig.now.duration_since(died).as_secs());
        assert_eq!(rig.status["containerStatuses"][0]["restartCount"], attempt + 1);
    }
    assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300]);
}

#[test]
fn init_containers_run_in_order_and_sidecars_beside() {
    let pod = pod(json!({ "restartPolicy": "Never", "initContainers": [
        { "name": "i1", "image": "x" },
        { "name": "side", "image": "x", "restartPolicy": "Always" },
        { "name": "i2", "image": "x" },
    ], "containers": [{ "name": "a", "image": "x" }] }));
    let mut rig = Rig::new(&pod);
    assert_eq!(rig.starts(), [("i1".to_owned(), 0)]);
    assert_eq!(rig.phase(), "Pending");
    assert_eq!(rig.condition("Initialized"), "False");
    let conditions = rig.status["conditions"].as_array().expect("conditions");
    let initialized = conditions.iter().find(|c| c["type"] == "Initialized").expect("Initialized");
    assert_eq!(initialized["message"], "containers with incomplete status: [i1 side i2]");
    rig.exits("i1", 0, 0);
    assert_eq!(rig.starts().last(), Some(&("i2".to_owned(), 0)));
    rig.exits("i2", 0, 0);
    assert_eq!(rig.starts().last(), Some(&("a".to_owned(), 0)));
    assert_eq!(rig.phase(), "Running");
    rig.exits("a", 0, 0);
    let stops: Vec<_> = rig.log.iter().filter(|a| matches!(a, Action::Stop { name, .. } if name == "side")).collect();
    assert_eq!(stops.len(), 1);
    rig.exits("side", 0, 143);
    assert_eq!(rig.phase(), "Succeeded");
}

#[test]
fn a_failed_init_container_fails_the_pod_that_never_restarts() {
    let pod = pod(json!({ "restartPolicy": "Never", "initContainers": [{ "name": "i", "image": "x" }],
        "containers": [{ "name": "a", "image": "x" }] }));
    let mut rig = Rig::new(&pod);
    rig.exits("i", 0, 1);
    assert_eq!(rig.phase(), "Failed");
    assert!(rig.starts().iter().all(|(name, _)| name != "a"));
}

#[test]
fn deletion_waits_for_the_grace_then_kills_and_confirms() {
    let pod = simple("Always");
    let mut rig = Rig::new(&pod);
    rig.feed(Event::Updated(deleted(&pod, 30)));
    assert!(rig.log.contains(&Action::Stop { name: "a".to_owned(), attempt: 0, grace_seconds: 30 }));
    rig.until(seconds(29));
    assert!(!rig.log.iter().any(|a| matches!(a, Action::Kill { .. })));
    rig.until(seconds(30));
    assert!(rig.log.contains(&Action::Kill { name: "a".to_owned(), attempt: 0 }));
    assert!(!rig.log.contains(&Action::Confirm));
    rig.exits("a", 0, 137);
    let order: Vec<_> = rig.log.iter().rev().take(3).collect();
    assert!(matches!(order[0], Action::Confirm), "{order:?}");
    rig.feed(Event::Removed);
    assert_eq!(rig.log.last(), Some(&Action::Forget));
}

#[test]
fn a_shorter_grace_brings_the_kill_forward() {
    let pod = simple("Always");
    let mut rig = Rig::new(&pod);
    rig.feed(Event::Updated(deleted(&pod, 600)));
    rig.until(seconds(5));
    rig.feed(Event::Updated(deleted(&pod, 0)));
    assert!(rig.log.contains(&Action::Kill { name: "a".to_owned(), attempt: 0 }));
}

#[test]
fn probes_gate_readiness_and_restart() {
    let probe = json!({ "exec": { "command": ["x"] }, "periodSeconds": 1, "failureThreshold": 2 });
    let pod = pod(json!({ "restartPolicy": "Always", "containers": [
        { "name": "a", "image": "x", "readinessProbe": probe, "livenessProbe": probe, "startupProbe": probe },
    ] }));
    let mut rig = Rig::new(&pod);
    let probed = |rig: &Rig| -> Vec<ProbeKind> {
        rig.log.iter().filter_map(|a| if let Action::Probe { kind, .. } = a { Some(*kind) } else { None }).collect()
    };
    assert_eq!(probed(&rig), [ProbeKind::Startup], "the others wait for it");
    assert_eq!(rig.status["containerStatuses"][0]["started"], false);
    let said = |kind, ok: bool| Event::Probed {
        name: "a".to_owned(),
        attempt: 0,
        kind,
        outcome: if ok { Ok(()) } else { Err("no".to_owned()) },
    };
    rig.feed(said(ProbeKind::Startup, true));
    assert_eq!(probed(&rig)[1..], [ProbeKind::Readiness, ProbeKind::Liveness]);
    assert_eq!(rig.condition("Ready"), "False");
    rig.feed(said(ProbeKind::Readiness, true));
    assert_eq!(rig.condition("Ready"), "True");
    rig.feed(said(ProbeKind::Liveness, false));
    assert!(!rig.log.iter().any(|a| matches!(a, Action::Stop { .. })));
    rig.feed(said(ProbeKind::Liveness, false));
    assert!(rig.log.iter().any(|a| matches!(a, Action::Stop { .. })));
    assert!(rig.log.iter().any(|a| matches!(a, Action::Record { reason: "Unhealthy", message, .. }
        if message == "Liveness probe failed: no")));
    rig.exits("a", 0, 143);
    assert_eq!(rig.starts().last(), Some(&("a".to_owned(), 1)));
}

#[test]
fn a_new_life_of_the_actor_takes_over_what_runs() {
    let pod = simple("Always");
    let mut rig = Rig::new(&pod);
    rig.exits("a", 0, 1);
    let status: k8s_openapi::api::core::v1::PodStatus = serde_json::from_value(rig.status.clone()).expect("a status");
    let seen = Seen {
        name: "a".to_owned(),
        attempt: 1,
        id: "a.1".to_owned(),
        started_at: seconds(0),
        state: SeenState::Running,
    };
    let ips = vec!["10.244.0.2".parse().expect("ip")];
    let mut again = PodMachine::new(pod, Some(&status), &[seen], Some(ips), Vec::new(), seconds(9));
    let actions = again.step(Event::Tick, seconds(9));
    assert!(actions.iter().all(|a| matches!(a, Action::Publish(_) | Action::Wake(_))), "{actions:?}");
    let Some(Action::Publish(fresh)) = actions.first() else { panic!("no status") };
    for field in ["containerStatuses", "phase", "podIP", "startTime", "conditions"] {
        assert_eq!(fresh[field], rig.status[field], "{field}");
    }
}

#[test]
fn a_lost_container_is_restarted_and_said_so() {
    let pod = simple("Always");
    let rig = Rig::new(&pod);
    let status: k8s_openapi::api::core::v1::PodStatus = serde_json::from_value(rig.status.clone()).expect("a status");
    let mut again = PodMachine::new(pod, Some(&status), &[], None, Vec::new(), seconds(9));
    let actions = again.step(Event::Tick, seconds(9));
    assert!(actions.contains(&Action::Prepare), "{actions:?}");
    let Some(Action::Publish(fresh)) = actions.iter().find(|a| matches!(a, Action::Publish(_))) else {
        panic!("no status")
    };
    let container = &fresh["containerStatuses"][0];
    assert_eq!(container["state"]["terminated"]["reason"], "ContainerStatusUnknown");
    assert_eq!(container["state"]["terminated"]["exitCode"], 137);
}

#[test]
fn image_failures_back_off() {
    let machine = PodMachine::new(simple("Always"), None, &[], None, Vec::new(), seconds(0));
    let mut rig = Rig { machine, status: Value::Null, log: Vec::new(), now: seconds(0), wake: None };
    let failed = || Event::ImageFailed {
        name: "a".to_owned(),
        failure: ImageFailure { reason: "ErrImagePull".to_owned(), message: "no such host".to_owned() },
    };
    let mut step = |event: Event, now| {
        for action in rig.machine.step(event, now) {
            if let Action::Publish(status) = &action {
                rig.status = status.clone();
            }
            rig.log.push(action);
        }
        rig.status["containerStatuses"][0]["state"]["waiting"]["reason"].clone()
    };
    assert_eq!(step(Event::Tick, seconds(0)), "ContainerCreating");
    assert_eq!(step(failed(), seconds(1)), "ErrImagePull");
    assert_eq!(step(Event::Tick, seconds(4)), "ImagePullBackOff");
    assert_eq!(step(Event::Tick, seconds(10)), "ImagePullBackOff");
    assert_eq!(step(Event::Tick, seconds(11)), "ImagePullBackOff", "shown until the next attempt has an end");
    assert_eq!(rig.log.iter().filter(|a| matches!(a, Action::Pull { .. })).count(), 2);
}

#[test]
fn the_active_deadline_fails_the_pod() {
    let pod = pod(json!({ "restartPolicy": "Always", "activeDeadlineSeconds": 5, "terminationGracePeriodSeconds": 1,
        "containers": [{ "name": "a", "image": "x" }] }));
    let mut rig = Rig::new(&pod);
    rig.until(seconds(5));
    rig.exits("a", 0, 143);
    assert_eq!((rig.phase(), &rig.status["reason"]), ("Failed", &json!("DeadlineExceeded")));
}

/// Something that may happen to a pod, in any order and at any time.
fn happening() -> impl Strategy<Value = (u8, u8, i32, i64)> {
    (0_u8..12, 0_u8..3, 0_i32..2, 0_i64..40)
}

proptest! {
    /// Whatever happens: phases go forward only, nothing starts once a phase is terminal or a deletion is asked for,
    /// no life starts twice, and nothing is killed before its grace.
    #[test]
    fn no_order_of_events_breaks_the_rules(
        policy in prop::sample::select(vec!["Always", "OnFailure", "Never"]),
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let names = ["i", "s", "a"];
        let pod = pod(json!({ "restartPolicy": policy, "terminationGracePeriodSeconds": 10, "initContainers": [
            { "name": "i", "image": "x" }, { "name": "s", "image": "x", "restartPolicy": "Always" },
        ], "containers": [{ "name": "a", "image": "x" }] }));
        let mut machine = PodMachine::new(pod.clone(), None, &[], None, Vec::new(), seconds(0));
        let mut now = seconds(0);
        let mut attempts: BTreeMap<&str, u32> = BTreeMap::new();
        let mut stopped: BTreeMap<(String, u32), Timestamp> = BTreeMap::new();
        let mut rank = 0;
        let mut deleting = false;
        let mut started = std::collections::BTreeSet::new();
        for (what, who, code, pause) in happenings {
            now = later(now, SignedDuration::from_secs(pause));
            let name = names[usize::from(who)].to_owned();
            let attempt = attempts.get(names[usize::from(who)]).copied().unwrap_or(0);
            let event = match what {
                0 => Event::Prepared(Vec::new()),
                1 => Event::PrepareFailed,
                2 | 3 => Event::Image { name, id: String::new() },
                4 | 5 => Event::Started { name, attempt, id: "x".to_owned(), at: now },
                6 | 7 => Event::Exited { name, attempt, end: exit(code, now) },
                8 => Event::StartFailed { name, attempt, reason: "r".to_owned(), message: String::new() },
                9 if pause > 30 => Event::Updated(deleted(&pod, 10)),
                10 => Event::TornDown,
                _ => Event::Tick,
            };
            let terminal = machine.terminal();
            deleting |= matches!(&event, Event::Updated(_));
            for action in machine.step(event, now) {
                match action {
                    Action::Start { name, attempt } => {
                        prop_assert!(terminal.is_none() && !deleting, "started {name} though the pod ends");
                        prop_assert!(started.insert((name.clone(), attempt)) || machine.find(&name).is_some_and(|c| c.trouble.is_some()),
                            "{name} {attempt} started twice");
                        attempts.insert(names[names.iter().position(|n| **n == name).expect("known")], attempt);
                    }
                    Action::Stop { name, attempt, grace_seconds } => {
                        stopped.insert((name, attempt), later(now, SignedDuration::from_secs(grace_seconds)));
                    }
                    Action::Kill { name, attempt } => {
                        let due = stopped.get(&(name.clone(), attempt)).copied();
                        prop_assert!(due.is_some_and(|due| due <= now), "{name} killed before its grace");
                    }
                    Action::Publish(status) => {
                        let phase = status["phase"].as_str().expect("a phase").to_owned();
                        let new = ["Pending", "Running", "Succeeded", "Failed"].iter().position(|p| *p == phase).expect("known");
                        prop_assert!(new >= rank && (rank < 2 || new == rank), "from phase {rank} to {phase}");
                        rank = new;
                    }
                    _ => {}
                }
            }
            if let Some(before) = terminal {
                prop_assert_eq!(machine.terminal(), Some(before));
            }
        }
    }
}

#[test]
fn ephemeral_containers_look_on() {
    let before = pod(json!({ "restartPolicy": "Always",
        "initContainers": [{ "name": "i", "image": "x" }], "containers": [{ "name": "a", "image": "x" }] }));
    let mut rig = Rig::new(&before);
    assert_eq!(rig.starts(), [("i".to_owned(), 0)]);
    let mut with = before.as_ref().clone();
    let look = serde_json::from_value(json!([{ "name": "e", "image": "x" }])).expect("containers");
    with.spec.as_mut().expect("a spec").ephemeral_containers = Some(look);
    rig.feed(Event::Updated(Arc::new(with)));
    assert_eq!(rig.starts().last(), Some(&("e".to_owned(), 0)), "they do not wait for init containers");
    assert!(rig.status["ephemeralContainerStatuses"][0]["state"]["running"].is_object());
    rig.exits("i", 0, 0);
    assert_eq!((rig.phase(), rig.condition("Ready")), ("Running", "True"));
    rig.exits("e", 0, 1);
    assert_eq!((rig.phase(), rig.condition("Ready")), ("Running", "True"));
    rig.until(later(rig.now, SignedDuration::from_secs(60)));
    assert_eq!(rig.starts().iter().filter(|(name, _)| name == "e").count(), 1, "never restarted");
    assert_eq!(rig.status["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"], 1);
}

#[test]
fn rules_of_a_container_come_before_its_policy() {
    for (operator, code, phase) in
        [("In", 42, "Running"), ("In", 1, "Failed"), ("NotIn", 1, "Running"), ("NotIn", 42, "Failed")]
    {
        let rules = json!([{ "action": "Restart", "exitCodes": { "operator": operator, "values": [42] } }]);
        let mut rig = Rig::new(&pod(json!({ "restartPolicy": "Never", "containers": [
            { "name": "a", "image": "x", "restartPolicy": "Never", "restartPolicyRules": rules }] })));
        rig.exits("a", 0, code);
        assert_eq!(rig.phase(), phase, "{operator} {code}");
    }
}

#[test]
fn a_changed_image_begins_a_new_life() {
    let before = simple("Always");
    let mut rig = Rig::new(&before);
    let mut after = before.as_ref().clone();
    after.spec.as_mut().expect("a spec").containers[0].image = Some("y".to_owned());
    rig.feed(Event::Updated(Arc::new(after)));
    assert!(rig.log.contains(&Action::Stop { name: "a".to_owned(), attempt: 0, grace_seconds: 30 }));
    rig.exits("a", 0, 143);
    assert_eq!(rig.starts().last(), Some(&("a".to_owned(), 1)));
}

#[test]
fn a_hook_that_never_ends_does_not_hold_the_pod() {
    let pod = simple("Always");
    let mut machine = PodMachine::new(pod.clone(), None, &[], None, Vec::new(), seconds(0));
    machine.step(Event::Tick, seconds(0));
    machine.step(Event::Prepared(Vec::new()), seconds(0));
    let actions = machine.step(Event::Image { name: "a".to_owned(), id: String::new() }, seconds(0));
    assert!(actions.contains(&Action::Start { name: "a".to_owned(), attempt: 0 }));
    let actions = machine.step(Event::Updated(deleted(&pod, 5)), seconds(1));
    assert!(actions.contains(&Action::Stop { name: "a".to_owned(), attempt: 0, grace_seconds: 5 }));
    assert!(machine.step(Event::Tick, seconds(6)).contains(&Action::Kill { name: "a".to_owned(), attempt: 0 }));
    let actions =
        machine.step(Event::Exited { name: "a".to_owned(), attempt: 0, end: exit(137, seconds(6)) }, seconds(6));
    assert!(actions.contains(&Action::TearDown));
}

fn sized(cpu: &str, policy: &str) -> Arc<Pod> {
    pod(json!({ "restartPolicy": "Always", "containers": [{ "name": "a", "image": "x",
        "resizePolicy": [{ "resourceName": "cpu", "restartPolicy": policy }],
        "resources": { "requests": { "cpu": cpu }, "limits": { "cpu": cpu } } }] }))
}

#[test]
fn limits_follow_the_spec_of_a_running_container() {
    let mut rig = Rig::new(&sized("100m", "NotRequired"));
    rig.feed(Event::Updated(sized("200m", "NotRequired")));
    let wish = Action::Resize { containers: vec![("a".to_owned(), 0)] };
    assert_eq!(rig.log.iter().filter(|a| **a == wish).count(), 1);
    assert_eq!(rig.condition("PodResizeInProgress"), "True");
    assert_eq!(rig.status["containerStatuses"][0]["resources"]["limits"]["cpu"], "100m");
    rig.feed(Event::Resized(Err(ResizeFailure::Deferred("no room".to_owned()))));
    assert_eq!((rig.condition("PodResizePending"), rig.condition("PodResizeInProgress")), ("True", ""));
    rig.until(later(rig.now, SignedDuration::from_secs(5)));
    assert_eq!(rig.log.iter().filter(|a| **a == wish).count(), 2, "tried again");
    rig.feed(Event::Resized(Ok(())));
    assert_eq!(rig.condition("PodResizePending"), "");
    assert_eq!(rig.status["containerStatuses"][0]["resources"]["limits"]["cpu"], "200m");
    assert_eq!(rig.status["containerStatuses"][0]["allocatedResources"]["cpu"], "200m");
    assert_eq!(rig.starts().len(), 1, "no restart");
}

#[test]
fn a_container_may_ask_to_be_restarted_for_new_limits() {
    let mut rig = Rig::new(&sized("100m", "RestartContainer"));
    rig.feed(Event::Updated(sized("200m", "RestartContainer")));
    assert!(rig.log.contains(&Action::Resize { containers: Vec::new() }), "is there room?");
    assert!(!rig.log.iter().any(|a| matches!(a, Action::Stop { .. })));
    rig.feed(Event::Resized(Ok(())));
    assert!(rig.log.iter().any(|a| matches!(a, Action::Stop { .. })));
    rig.exits("a", 0, 143);
    assert_eq!(rig.starts().last(), Some(&("a".to_owned(), 1)));
    assert_eq!(rig.status["containerStatuses"][0]["resources"]["limits"]["cpu"], "200m");
}
