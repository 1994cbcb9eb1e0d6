//! The scheduler alone: its decisions on a cluster in memory, and their bindings folded into the view.

use crate::{model::Model, stats::median, table::Table};
use anyhow::{Result, ensure};
use podium_controllers::{Controller, resource};
use podium_scheduler::{Scheduler, queue};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const RUNS: usize = 3;
const NODES: usize = 1_000;
/// Groups of like pods, and how many pods each has.
const GROUPS: usize = 20;
const SIZE: usize = 500;
const PODS: usize = GROUPS * SIZE;
/// Pods per second.
const BAR: f64 = 5_000.0;

pub fn rows(table: &mut Table) -> Result<()> {
    let name = "scheduler: 10,000 pods onto 1,000 nodes";
    if !table.wants(name) {
        return Ok(());
    }
    let (mut whole, mut deciding) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (decided, applied) = place_all()?;
        whole.push(PODS as f64 / (decided + applied).as_secs_f64());
        deciding.push(PODS as f64 / decided.as_secs_f64());
    }
    let (whole, deciding) = (median(whole), median(deciding));
    let said = format!("{whole:.0}/s with bindings in the view, {deciding:.0}/s");
    table.row(name, &said, "5000/s", whole >= BAR);
    Ok(())
}

/// Places every pod; the time for decisions, and for applying them to the view.
fn place_all() -> Result<(Duration, Duration)> {
    let mut model = Model::new();
    model.nodes(NODES)?;
    for group in 0..GROUPS {
        for n in 0..SIZE {
            model.put(resource::PODS, pod(group, n));
        }
    }
    let (mut decided, mut applied) = (Duration::ZERO, Duration::ZERO);
    let mut bound = 0;
    while bound < PODS {
        let began = Instant::now();
        let plan = Scheduler.decide(&model.view, &queue(), model.now, &mut model.ids);
        decided += began.elapsed();
        ensure!(!plan.writes.is_empty(), "{bound} of {PODS} pods were bound");
        bound += plan.writes.len();
        let began = Instant::now();
        model.apply(&plan)?;
        applied += began.elapsed();
    }
    let left = model.view.pods.all().filter(|pod| podium_controllers::pods::node(pod).is_none()).count();
    ensure!(left == 0, "{left} pods have no node");
    Ok((decided, applied))
}

/// By group in turn: resources alone; spread over zones and nodes; apart from each other; near
/// the spread ones, rather not on the same node; on nodes with an SSD, batch nodes among them.
fn pod(group: usize, n: usize) -> Value {
    let app = |group: usize| json!({"app": format!("app-{group}")});
    let selector = |group: usize| json!({"matchLabels": app(group)});
    let (zone, host) = ("topology.kubernetes.io/zone", "kubernetes.io/hostname");
    let resources = json!({"requests": {"cpu": "100m", "memory": "128Mi"}});
    let mut spec = json!({"schedulerName": "default-scheduler", "containers": [
        {"name": "c", "image": "registry.example/app:1", "resources": resources}]});
    match group % 5 {
        1 => {
            let labels = selector(group);
            let spread = |key: &str, when: &str| {
                json!({"topologyKey": key, "maxSkew": 1,
                "whenUnsatisfiable": when, "labelSelector": labels})
            };
            spec["topologySpreadConstraints"] = json!([spread(zone, "DoNotSchedule"), spread(host, "ScheduleAnyway")]);
        }
        2 => {
            let apart = json!([{"topologyKey": host, "labelSelector": selector(group)}]);
            spec["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}});
        }
        3 => {
            let near = json!([{"topologyKey": zone, "labelSelector": selector(group - 2)}]);
            let apart = json!({"topologyKey": host, "labelSelector": selector(group)});
            spec["affinity"] = json!({
                "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": near},
                "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
                    [{"weight": 50, "podAffinityTerm": apart}]}});
        }
        4 => {
            let ssd = json!([{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]);
            spec["affinity"] = json!({"nodeAffinity":
                {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": ssd}}});
            spec["tolerations"] = json!([{"key": "batch", "operator": "Exists"}]);
        }
        _ => {}
    }
    json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": {"name": format!("pod-{group}-{n}"), "namespace": "default", "labels": app(group)}})
}
