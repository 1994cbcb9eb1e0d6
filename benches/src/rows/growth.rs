//! What a decision costs among 1,000, 10,000 and 100,000 pods that it has nothing to do with.
//!
//! The others are in the same namespace, run on the same nodes and belong to Deployments of a
//! hundred pods each; those of one in ten want their like on other nodes.

use crate::{
    model::{Model, run},
    stats::median,
    table::Table,
};
use anyhow::{Result, ensure};
use podium_controllers::{
    Controller, daemonset::DaemonSetController, deployment::DeploymentController, endpoints::EndpointSliceController,
    job::JobController, replicaset::ReplicaSetController, resource, statefulset::StatefulSetController,
};
use podium_machinery::state::Event;
use podium_scheduler::{Scheduler, queue};
use podium_types::Key;
use serde_json::{Value, json};
use std::time::Instant;

const OTHERS: [usize; 3] = [1_000, 10_000, 100_000];
const NODES: usize = 100;
/// Pods of each controller, and pods that wait for the scheduler.
const SIZE: usize = 10;
/// Pods of each of the others' owners.
const SET: usize = 100;
const RUNS: usize = 101;
/// How much more a decision may cost among a hundred times as many pods.
const BAR: f64 = 2.0;
const NAMESPACE: &str = "default";

pub fn rows(table: &mut Table) -> Result<()> {
    if SUBJECTS.iter().all(|subject| !table.wants(&name(subject.name))) && !table.wants(&name(EVENT)) {
        return Ok(());
    }
    let mut took: Vec<[f64; 3]> = vec![[0.0; 3]; SUBJECTS.len() + 1];
    for (at, others) in OTHERS.into_iter().enumerate() {
        let mut model = among(others)?;
        for (subject, took) in SUBJECTS.iter().zip(&mut took) {
            took[at] = decide(&mut model, subject)?;
        }
        if let Some(event) = took.last_mut() {
            event[at] = hear(&mut model)?;
        }
    }
    for (what, took) in SUBJECTS.iter().map(|subject| subject.name).chain([EVENT]).zip(took) {
        let ratio = took[2] / took[0];
        let said = format!("{:.0} / {:.0} / {:.0} µs, x{ratio:.2}", took[0], took[1], took[2]);
        table.row(&name(what), &said, "x2", ratio <= BAR);
    }
    Ok(())
}

/// Folding an event about a pod, and finding who must decide.
const EVENT: &str = "a pod's event";

fn name(what: &str) -> String {
    format!("growth: {what}, 1k/10k/100k others")
}

/// A decision to be measured.
struct Subject {
    name: &'static str,
    controller: &'static dyn Controller,
    key: fn() -> Key,
    /// How many writes it plans: none at rest.
    writes: usize,
}

fn own(name: &str) -> Key {
    Key::new(NAMESPACE, name)
}

const SUBJECTS: &[Subject] = &[
    Subject { name: "replicaset", controller: &ReplicaSetController, key: || own("own-set"), writes: 0 },
    Subject { name: "deployment", controller: &DeploymentController, key: || own("own-deployment"), writes: 0 },
    Subject { name: "statefulset", controller: &StatefulSetController, key: || own("own-stateful"), writes: 0 },
    Subject { name: "daemonset", controller: &DaemonSetController, key: || own("own-daemon"), writes: 0 },
    Subject { name: "job", controller: &JobController, key: || own("own-job"), writes: 0 },
    Subject { name: "endpointslice", controller: &EndpointSliceController, key: || own("own-service"), writes: 0 },
    Subject { name: "scheduler", controller: &Scheduler, key: queue, writes: SIZE },
];

/// The median time of a decision in microseconds.
fn decide(model: &mut Model, subject: &Subject) -> Result<f64> {
    let (mut took, key) = (Vec::with_capacity(RUNS), (subject.key)());
    for _ in 0..RUNS {
        let began = Instant::now();
        let plan = subject.controller.decide(&model.view, &key, model.now, &mut model.ids);
        took.push(began.elapsed().as_secs_f64() * 1e6);
        let writes = plan.writes.len();
        ensure!(writes == subject.writes, "{} plans {writes} writes: {:?}", subject.name, plan.writes.first());
    }
    Ok(median(took))
}

/// The same of folding an event about a pod and asking every controller whom it concerns.
fn hear(model: &mut Model) -> Result<f64> {
    let mut took = Vec::with_capacity(RUNS);
    for n in 0..RUNS {
        let Some(pod) = model.view.pods.get(&own("other-0-0")) else { anyhow::bail!("no other pod") };
        let mut pod = pod.object.value();
        pod["status"]["conditions"][0]["status"] = json!(if n % 2 == 0 { "False" } else { "True" });
        let began = Instant::now();
        let event = model.put(resource::PODS, pod);
        for subject in SUBJECTS {
            subject.controller.keys(&model.view, resource::PODS, &event);
        }
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(took))
}

/// The controllers' own objects, settled, and so many other pods.
fn among(others: usize) -> Result<Model> {
    let mut model = Model::new();
    model.nodes(NODES)?;
    let template = |app: &str| json!({"metadata": {"labels": {"app": app}}, "spec": containers()});
    let object = |kind: &str, name: &str, spec: Value| {
        json!({"kind": kind, "spec": spec,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}}})
    };
    let workload = |name: &str| {
        json!({"replicas": SIZE, "selector": {"matchLabels": {"app": name}},
        "template": template(name)})
    };
    model.put(resource::REPLICA_SETS, object("ReplicaSet", "own-set", workload("own-set")));
    model.put(resource::DEPLOYMENTS, object("Deployment", "own-deployment", workload("own-deployment")));
    let mut stateful = workload("own-stateful");
    stateful["serviceName"] = json!("own-stateful");
    stateful["podManagementPolicy"] = json!("Parallel");
    model.put(resource::STATEFUL_SETS, object("StatefulSet", "own-stateful", stateful));
    model.put(resource::DAEMON_SETS, object("DaemonSet", "own-daemon", workload("own-daemon")));
    let mut job = workload("own-job");
    (job["parallelism"], job["completions"], job["backoffLimit"]) = (json!(SIZE), json!(SIZE), json!(6));
    model.put(resource::JOBS, object("Job", "own-job", job));
    let service = json!({"selector": {"app": "own-set"}, "clusterIP": "10.96.0.9",
        "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}]});
    model.put(resource::SERVICES, object("Service", "own-service", service));
    let controllers = SUBJECTS.iter().map(|subject| subject.controller);
    model.settle(&controllers.collect::<Vec<_>>())?;
    fill(&mut model, others);
    wait(&mut model);
    Ok(model)
}

fn containers() -> Value {
    let resources = json!({"requests": {"cpu": "10m", "memory": "16Mi"}});
    json!({"containers": [{"name": "c", "image": "registry.example/app:1", "resources": resources,
        "ports": [{"containerPort": 80}]}]})
}

/// Pods of no concern, on the same nodes.
fn fill(model: &mut Model, others: usize) {
    for number in 0..others / SET {
        let app = format!("other-{number}");
        let labels = json!({"app": app});
        let spec = json!({"replicas": SET, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": containers()}});
        let uid = |event: &Event| event.object.uid.clone();
        let owned = |kind: &str, name: &str, uid: &str| {
            json!([{"apiVersion": "apps/v1", "kind": kind, "name": name,
            "uid": uid, "controller": true}])
        };
        let mut object = json!({"kind": "Deployment", "metadata": {"name": app, "namespace": NAMESPACE}, "spec": spec});
        let deployment = uid(&model.put(resource::DEPLOYMENTS, object.clone()));
        object["kind"] = json!("ReplicaSet");
        object["metadata"]["ownerReferences"] = owned("Deployment", &app, &deployment);
        let set = uid(&model.put(resource::REPLICA_SETS, object));
        let owners = owned("ReplicaSet", &app, &set);
        for n in 0..SET {
            let mut pod = json!({"kind": "Pod", "spec": containers(), "metadata": {"name": format!("{app}-{n}"),
                "namespace": NAMESPACE, "labels": labels, "ownerReferences": owners}});
            pod["spec"]["nodeName"] = json!(format!("node-{:04}", n % NODES));
            if number % 10 == 0 {
                let apart =
                    json!([{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": labels}}]);
                pod["spec"]["affinity"] =
                    json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}});
            }
            run(&mut pod);
            model.put(resource::PODS, pod);
        }
    }
}

/// Pods that wait for a node, spread and apart from each other.
fn wait(model: &mut Model) {
    let labels = json!({"app": "own-waiting"});
    let selector = json!({"matchLabels": labels});
    for n in 0..SIZE {
        let mut pod = json!({"kind": "Pod", "spec": containers(), "metadata": {"name": format!("own-waiting-{n}"),
            "namespace": NAMESPACE, "labels": labels}});
        pod["spec"]["topologySpreadConstraints"] = json!([{"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1,
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}]);
        let apart = json!([{"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}]);
        pod["spec"]["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}});
        model.put(resource::PODS, pod);
    }
}
