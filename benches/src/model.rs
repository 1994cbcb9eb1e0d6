//! A cluster in memory: the controllers' view, and plans applied to it as the server would.
//!
//! What is measured on it is deciding alone: no sockets, no database, no clock.

use anyhow::{Result, bail, ensure};
use podium_controllers::{Controller, Ids, Plan, PlannedWrite, View, resource};
use podium_machinery::{
    patch,
    state::{Body, Change, Event, Object},
};
use podium_types::{Timestamp, meta};
use serde_json::{Value, json};
use std::sync::Arc;

/// Rounds after which controllers must have nothing left to do.
const ROUNDS: usize = 50;

/// See the module.
pub struct Model {
    /// What controllers see.
    pub view: View,
    /// Names, uids and the dice of ties; seeded, so that runs are alike.
    pub ids: Ids,
    /// The one moment at which all happens.
    pub now: Timestamp,
    revision: u64,
}

impl Model {
    pub fn new() -> Self {
        let now = Timestamp::from_second(1_700_000_000).unwrap_or_default();
        Self { view: View::default(), ids: Ids::new(1), now, revision: 0 }
    }

    /// Makes an object or replaces it; the event that it made.
    pub fn put(&mut self, resource: &'static str, mut object: Value) -> Event {
        let key = meta::key(&object);
        let previous = self.view.header(resource, &key).map(|header| Arc::clone(&header.object));
        if previous.is_none() {
            object["metadata"]["uid"] = json!(format!("{:016x}", self.ids.next()));
            object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
            object["metadata"]["generation"] = json!(1);
        }
        let change = if previous.is_none() { Change::Added } else { Change::Modified };
        self.fold(resource, &object, change, previous)
    }

    fn fold(&mut self, resource: &'static str, object: &Value, change: Change, previous: Option<Arc<Object>>) -> Event {
        self.revision += 1;
        let body = Body::of(object);
        let (key, uid) = (meta::key(object), meta::uid(object).to_owned());
        let new = Arc::new(Object::new(key, uid, self.revision, body.labels, &body.text));
        let event = Event::new(change, self.revision, new, previous);
        self.view.apply(resource, &event);
        event
    }

    /// Applies every write of a plan.
    pub fn apply(&mut self, plan: &Plan) -> Result<()> {
        for write in &plan.writes {
            match write {
                PlannedWrite::Create { resource, object, .. } => drop(self.put(resource, object.clone())),
                PlannedWrite::Patch { resource, subresource, key, patch, .. } => {
                    let Some(header) = self.view.header(resource, key) else { bail!("no {resource} {key}") };
                    let (old, mut new) = (Arc::clone(&header.object), header.object.value());
                    if *subresource == "binding" {
                        new["spec"]["nodeName"] = patch["target"]["name"].clone();
                    } else {
                        patch::merge(&mut new, patch);
                    }
                    self.fold(resource, &new, Change::Modified, Some(old));
                }
                PlannedWrite::Delete { resource, key, .. } => {
                    let Some(header) = self.view.header(resource, key) else { bail!("no {resource} {key}") };
                    let old = Arc::clone(&header.object);
                    self.fold(resource, &old.value(), Change::Deleted, Some(old));
                }
                PlannedWrite::Sign { .. } | PlannedWrite::Issue { .. } => bail!("nothing is signed here"),
            }
        }
        Ok(())
    }

    /// Lets controllers decide until they have nothing left to do; pods that they make come up at once.
    pub fn settle(&mut self, controllers: &[&dyn Controller]) -> Result<()> {
        for _ in 0..ROUNDS {
            let mut writes = 0;
            for controller in controllers {
                for key in controller.all_keys(&self.view) {
                    let plan = controller.decide(&self.view, &key, self.now, &mut self.ids);
                    writes += plan.writes.len();
                    self.apply(&plan)?;
                }
            }
            let fresh = self.view.pods.all().filter(|pod| pod.status.is_none()).map(|pod| pod.object.value());
            for mut pod in fresh.collect::<Vec<_>>() {
                run(&mut pod);
                self.put(resource::PODS, pod);
            }
            if writes == 0 {
                return Ok(());
            }
        }
        bail!("controllers did not come to rest")
    }

    /// Nodes of ten zones; half of them have an SSD, one in twenty is for batch work alone.
    pub fn nodes(&mut self, count: usize) -> Result<()> {
        for n in 0..count {
            let name = format!("node-{n:04}");
            let disk = if n % 2 == 0 { "ssd" } else { "hdd" };
            let labels = json!({"kubernetes.io/hostname": name, "disk": disk,
                "topology.kubernetes.io/zone": format!("zone-{}", n % 10)});
            let taint = json!([{"key": "batch", "effect": "NoSchedule"}]);
            let spec = if n % 20 == 19 { json!({"taints": taint}) } else { json!({}) };
            let offer = json!({"cpu": "32", "memory": "128Gi", "pods": "5000"});
            self.put(
                resource::NODES,
                json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
                "spec": spec, "status": {"allocatable": offer, "capacity": offer}}),
            );
        }
        ensure!(self.view.nodes.len() == count, "not {count} nodes");
        Ok(())
    }
}

/// A pod as its kubelet reports it.
pub fn run(pod: &mut Value) {
    let since = "2026-01-01T00:00:00Z";
    let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]);
    pod["status"] = json!({"phase": "Running", "startTime": since, "podIP": "10.244.0.9", "hostIP": "192.0.2.1", "conditions": ready});
}
