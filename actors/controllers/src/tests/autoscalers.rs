//! Autoscalers: what is used decides the size, within every limit and no faster than allowed.

use crate::{Controller, Plan, autoscaler::AutoscalerController, model::Model, resource};
use podium_machinery::{
    state::Change,
    usage::{Amount, PodUse, Span, Usage},
};
use podium_types::Key;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Millicores that each pod asks for.
const REQUEST: i64 = 200;

fn cpu(percent: i64) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": percent});
    json!({"type": "Resource", "resource": {"name": "cpu", "target": target}})
}

fn autoscaler(name: &str, change: &Value) -> Value {
    let mut spec = json!({"minReplicas": 1, "maxReplicas": 10, "metrics": [cpu(50)],
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}});
    for (field, value) in change.as_object().unwrap() {
        spec[field] = value.clone();
    }
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec})
}

/// A Deployment of so many pods, long at work, and its autoscaler.
fn world(replicas: i64, change: &Value) -> Model {
    let mut model = Model::new(1);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}}});
    model.create(resource::DEPLOYMENTS, deployment);
    model.create(resource::AUTOSCALERS, autoscaler("web", change));
    model.advance(3600);
    follow(&mut model, "Running");
    model
}

fn size(model: &Model) -> i64 {
    model.get(resource::DEPLOYMENTS, "default", "web").unwrap()["spec"]["replicas"].as_i64().unwrap()
}

fn pod(index: i64, phase: &str) -> Value {
    let ask = json!({"requests": {"cpu": format!("{REQUEST}m"), "memory": "100Mi"}});
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("web-{index}"), "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "resources": ask}]},
        "status": {"phase": phase, "startTime": "2023-11-14T22:13:20Z", "conditions":
            [{"type": "Ready", "status": "True", "lastTransitionTime": "2023-11-14T22:13:20Z"}]}})
}

/// Makes as many pods as there are replicas.
fn follow(model: &mut Model, phase: &str) {
    let (has, wants) = (model.list(resource::PODS).len() as i64, size(model));
    (has..wants).for_each(|index| model.create(resource::PODS, pod(index, phase)));
    (wants..has).for_each(|index| model.delete(resource::PODS, "default", &format!("web-{index}")));
}

/// What the pods use, in millicores; nothing is known of pods without.
fn measure(model: &mut Model, used: &[Option<i64>]) {
    let span = Span { at: model.now, window: Duration::from_secs(15) };
    let amount = |milli: i64| Amount { nano_cores: milli as u64 * 1_000_000, bytes: milli as u64 * 1_000_000 };
    let one = |(index, milli): (usize, &Option<i64>)| {
        let containers = [("c".to_owned(), amount((*milli)?))].into();
        Some((Key::new("default", format!("web-{index}")), PodUse { span, containers }))
    };
    let pods = used.iter().enumerate().filter_map(one).collect();
    model.view.usage = Arc::new(Usage { pods, ..Usage::default() });
}

/// One sync; the pods follow at once.
fn sync(model: &mut Model) -> Plan {
    let key = Key::new("default", "web");
    let plan = AutoscalerController.decide(&model.view, &key, model.now, &mut model.ids);
    model.apply(&plan, || false);
    follow(model, "Running");
    plan
}

fn status(model: &Model) -> Value {
    model.get(resource::AUTOSCALERS, "default", "web").unwrap()["status"].clone()
}

/// Status and reason of a condition.
fn condition(model: &Model, kind: &str) -> (String, String) {
    let status = status(model);
    let found = status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == kind);
    let text = |field: &str| found.map_or("", |c| c[field].as_str().unwrap()).to_owned();
    (text("status"), text("reason"))
}

fn pair(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

/// Name, replicas, what each uses, what the autoscaler has of its own, and the replicas that follow.
type Case = (&'static str, i64, Vec<Option<i64>>, Value, i64);

#[test]
fn what_is_used_decides() {
    let raw = |resource: &str, amount: &str| {
        let target = json!({"type": "AverageValue", "averageValue": amount});
        json!({"metrics": [{"type": "Resource", "resource": {"name": resource, "target": target}}]})
    };
    let container = json!({"metrics": [{"type": "ContainerResource", "containerResource":
        {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 50}}}]});
    let eager = json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}});
    let exact = json!({"behavior": {"scaleUp": {"tolerance": "10m"}, "scaleDown": {"tolerance": "0"}}});
    let with = |mut a: Value, b: &Value| {
        b.as_object().unwrap().iter().for_each(|(name, value)| a[name] = value.clone());
        a
    };
    let known = |milli: i64, count: usize| vec![Some(milli); count];
    let cases: Vec<Case> = vec![
        ("twice the share, twice as many", 3, known(200, 3), json!({}), 6),
        ("within tolerance", 3, known(109, 3), json!({}), 3),
        ("just above tolerance", 3, known(112, 3), json!({}), 4),
        ("with less tolerance", 3, known(104, 3), exact, 4),
        ("no more than the most", 8, known(400, 8), json!({}), 10),
        ("no faster than twice or four", 1, known(2000, 1), json!({}), 4),
        ("down at once without a window", 4, known(25, 4), eager.clone(), 1),
        ("an amount per pod", 2, known(300, 2), raw("cpu", "150m"), 4),
        ("memory", 2, known(300, 2), raw("memory", "200M"), 3),
        ("a container alone", 2, known(200, 2), container, 4),
        ("an unknown pod is idle where more are wanted", 4, [known(200, 3), vec![None]].concat(), json!({}), 6),
        ("and busy where fewer are", 4, [known(25, 3), vec![None]].concat(), eager.clone(), 3),
        ("above the most, whatever is used", 12, known(100, 12), json!({}), 10),
        ("below the least", 1, known(100, 1), json!({"minReplicas": 3}), 3),
        (
            "a metric that cannot be read keeps what there is",
            4,
            known(25, 4),
            with(
                eager,
                &json!({"metrics": [cpu(50), {"type": "Pods", "pods":
                {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}}}]}),
            ),
            4,
        ),
    ];
    for (name, replicas, used, change, expected) in cases {
        let mut model = world(replicas, &change);
        measure(&mut model, &used);
        let plan = sync(&mut model);
        assert_eq!(size(&model), expected, "{name}: {plan:?}");
        assert_eq!(plan.wake_at, crate::time::after(model.now, 15), "{name}");
    }
}

#[test]
fn pods_that_start_do_not_count() {
    for (name, change, expected) in [
        ("ready long since", json!({}), 8),
        ("pending", json!({"phase": "Pending"}), 4),
        (
            "never ready",
            json!({"conditions": [{"type": "Ready", "status": "False",
            "lastTransitionTime": "2023-11-14T22:13:21Z"}]}),
            4,
        ),
        (
            "unready, but ready once",
            json!({"conditions": [{"type": "Ready", "status": "False",
            "lastTransitionTime": "2023-11-14T22:20:00Z"}]}),
            8,
        ),
        (
            "just started",
            json!({"startTime": "2023-11-14T23:13:00Z", "conditions": [{"type": "Ready",
            "status": "True", "lastTransitionTime": "2023-11-14T23:13:18Z"}]}),
            4,
        ),
    ] {
        let mut model = world(4, &json!({"maxReplicas": 20}));
        for index in 2..4 {
            let mut changed = json!({"status": change});
            if change == json!({}) {
                changed = json!({});
            }
            model.patch(resource::PODS, "default", &format!("web-{index}"), &changed);
        }
        measure(&mut model, &[Some(200); 4]);
        sync(&mut model);
        assert_eq!(size(&model), expected, "{name}");
    }
}

#[test]
fn up_at_once_and_down_when_it_has_been_quiet() {
    let mut model = world(2, &json!({}));
    measure(&mut model, &[Some(180); 2]);
    let plan = sync(&mut model);
    assert_eq!(size(&model), 4);
    let event = &plan.events[0];
    let message = "New size: 4; reason: cpu resource utilization (percentage of request) above target";
    assert_eq!((event.reason, event.message.as_str()), ("SuccessfulRescale", message));
    assert_eq!(condition(&model, "AbleToScale"), pair("True", "SucceededRescale"));
    assert_eq!(condition(&model, "ScalingActive"), pair("True", "ValidMetricFound"));
    assert_eq!(condition(&model, "ScalingLimited"), pair("False", "DesiredWithinRange"));
    let now = status(&model);
    assert_eq!((&now["currentReplicas"], &now["desiredReplicas"]), (&json!(2), &json!(4)));
    let current = &now["currentMetrics"][0]["resource"]["current"];
    assert_eq!(current, &json!({"averageUtilization": 90, "averageValue": "180m"}));
    assert!(now["lastScaleTime"].is_string());
    let mut quiet = 0;
    while size(&model) == 4 {
        model.advance(15);
        quiet += 15;
        measure(&mut model, &[Some(20); 4]);
        sync(&mut model);
        if size(&model) == 4 {
            assert_eq!(condition(&model, "AbleToScale"), pair("True", "ScaleDownStabilized"));
        }
    }
    assert_eq!((quiet, size(&model)), (315, 1), "five minutes after the first low recommendation");
    // At rest nothing is written.
    model.advance(15);
    measure(&mut model, &[Some(100); 1]);
    sync(&mut model);
    for _ in 0..100 {
        model.advance(15);
        measure(&mut model, &[Some(100); 1]);
        let plan = sync(&mut model);
        assert!(plan.writes.is_empty() && plan.events.is_empty(), "{plan:?}");
    }
}

#[test]
fn what_is_wrong_is_said_once() {
    let failing = json!({"type": "External", "external":
        {"metric": {"name": "q"}, "target": {"type": "Value", "value": "1"}}});
    let none = "failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from \
        resource metrics API";
    for (change, kind, reason, event) in [
        (json!({}), "ScalingActive", "FailedGetResourceMetric", none),
        (json!({"metrics": [failing]}), "ScalingActive", "FailedGetExternalMetric", "unable to get external metric"),
        (
            json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}),
            "AbleToScale",
            "FailedGetScale",
            "deployments.apps \"x\" not found",
        ),
        (
            json!({"scaleTargetRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}}),
            "AbleToScale",
            "FailedGetScale",
            "no matches for kind \"ConfigMap\" in group \"\"",
        ),
    ] {
        let mut model = world(2, &change);
        let first = sync(&mut model);
        assert_eq!(condition(&model, kind), pair("False", reason));
        assert!(first.events[0].message.starts_with(event), "{:?}", first.events);
        assert_eq!((first.events[0].event_type, first.events[0].reason), ("Warning", reason));
        model.advance(15);
        assert_eq!(sync(&mut model).events, [], "told already");
        assert_eq!(size(&model), 2);
    }
    let mut model = world(0, &json!({}));
    sync(&mut model);
    assert_eq!((condition(&model, "ScalingActive"), size(&model)), (pair("False", "ScalingDisabled"), 0));
}

#[test]
fn two_for_the_same_pods_do_nothing() {
    let mut model = world(2, &json!({}));
    model.create(resource::AUTOSCALERS, autoscaler("other", &json!({})));
    measure(&mut model, &[Some(200); 2]);
    sync(&mut model);
    assert_eq!((condition(&model, "ScalingActive"), size(&model)), (pair("False", "AmbiguousSelector"), 2));
}

#[test]
fn only_the_spec_wakes() {
    let mut model = world(2, &json!({}));
    let object = |model: &Model, change: &Value| {
        let mut new = model.get(resource::AUTOSCALERS, "default", "web").unwrap();
        new["metadata"]["annotations"] = json!({"a": "b"});
        new["spec"]["maxReplicas"] = change.clone();
        new
    };
    let mut wakes = Vec::new();
    for most in [json!(10), json!(11)] {
        let old = crate::tests::harness::object(&model, resource::AUTOSCALERS, "web");
        let new = object(&model, &most);
        model.put(resource::AUTOSCALERS, new, Change::Modified);
        let new = crate::tests::harness::object(&model, resource::AUTOSCALERS, "web");
        let event = podium_machinery::state::Event::new(Change::Modified, new.revision, new, Some(old));
        wakes.push(AutoscalerController.keys(&model.view, resource::AUTOSCALERS, &event).len());
    }
    assert_eq!(wakes, [0, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the pods use: within the limits, no faster than the policies, and a crash before
    /// any write does not make it bolder.
    #[test]
    fn limits_hold(
        least in 1..4_i64, more in 0..12_i64, start in 1..16_i64,
        pods in 1..6_i64, period in 15..90_i64,
        load in prop::collection::vec((0..2500_i64, prop::bool::weighted(0.1), 0..4_usize), 1..60),
    ) {
        let most = least + more;
        let rules = json!({"policies": [{"type": "Pods", "value": pods, "periodSeconds": period}],
            "selectPolicy": "Max", "stabilizationWindowSeconds": 0});
        let change = json!({"minReplicas": least, "maxReplicas": most,
            "behavior": {"scaleUp": rules, "scaleDown": rules}});
        let mut model = world(start.clamp(least, most), &change);
        let mut sizes = vec![(model.now, size(&model))];
        for (total, unknown, crash) in load {
            model.advance(15);
            let count = size(&model);
            let each = if unknown { None } else { Some(total / count) };
            measure(&mut model, &vec![each; count as usize]);
            let plan = AutoscalerController.decide(&model.view, &Key::new("default", "web"), model.now, &mut model.ids);
            let mut left = crash + 1;
            model.apply(&plan, || { left -= 1; left == 0 && crash < 3 });
            follow(&mut model, "Running");
            let (before, now) = (count, size(&model));
            prop_assert!((least..=most).contains(&now), "{now} is not within {least}..={most}");
            sizes.push((model.now, now));
            // A change goes no further from the size at the beginning of its period than the policy allows.
            let age = |at: &podium_types::Timestamp| model.now.duration_since(*at).as_secs();
            let began = sizes.iter().rev().find(|(at, _)| age(at) >= period).unwrap_or(&sizes[0]).1;
            let beyond = (now - began) * (now - before).signum();
            prop_assert!(beyond <= pods, "{began} -> {now} within {period} s");
        }
    }
}

#[test]
fn a_crash_after_any_write_leads_to_the_same_end() {
    super::crashes::same_end(
        2,
        |model, go| {
            *model = world(2, &json!({"maxReplicas": 3}));
            measure(model, &[Some(400), Some(400)]);
            go(model, &[&AutoscalerController]);
            follow(model, "Running");
            measure(model, &[Some(400); 3]);
            go(model, &[&AutoscalerController]);
        },
        |model| {
            let told = status(model);
            assert_eq!(size(model), 3);
            json!([told["currentReplicas"], told["desiredReplicas"]])
        },
    );
}
