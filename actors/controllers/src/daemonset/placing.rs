//! What is missing on a node, what is too much, and making it so.

use super::{BURST_LIMIT, Draft, nodes, nodes::Suit};
use crate::{Ids, history::HASH_LABEL, pods, resource, template, time, view::Item, write};
use k8s_openapi::api::core::v1::Pod;
use podium_types::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// A pod that failed makes place for another this many seconds after it was made.
pub const FAILED_PAUSE_SECONDS: i64 = 10;
const GENERATION: &str = "deprecated.daemonset.template.generation";

impl<'a> Draft<'a> {
    /// Notes what a node lacks, and what it has too much of.
    pub(super) fn place(
        &mut self,
        node: &str,
        suit: Suit,
        create: &mut Vec<String>,
        delete: &mut Vec<&'a Arc<Item<Pod>>>,
    ) {
        let present = self.by_node.get(node).map(Vec::as_slice).unwrap_or_default();
        if !suit.stay {
            delete.extend(present.iter().filter(|pod| !pod.deleting()));
            return;
        }
        if present.is_empty() {
            if suit.run {
                create.push(node.to_owned());
            }
            return;
        }
        let mut running = Vec::new();
        let mut retry: Option<Timestamp> = None;
        for pod in present.iter().copied().filter(|pod| !pod.deleting()) {
            match pods::phase(pod) {
                "Succeeded" => delete.push(pod),
                "Failed" => match failed_until(pod) {
                    Some(at) if at > self.now => retry = time::earliest(retry, Some(at)),
                    _ => delete.push(pod),
                },
                _ => running.push(pod),
            }
        }
        if running.len() > 1 {
            self.thin(&running, delete);
        }
        self.plan.wake_at = time::earliest(self.plan.wake_at, retry);
    }

    /// Of several pods on one node one stays, or an old one beside the new one that is to take its place.
    fn thin(&self, running: &[&'a Arc<Item<Pod>>], delete: &mut Vec<&'a Arc<Item<Pod>>>) {
        if self.limits.surge == 0 {
            delete.extend(running.iter().skip(1));
            return;
        }
        let (new, old): (Vec<_>, Vec<_>) = running.iter().copied().partition(|pod| self.updated(pod));
        delete.extend(new.iter().skip(1).chain(old.iter().skip(1)));
        if let (Some(new), Some(old)) = (new.first(), old.first())
            && (!pods::ready(old) || self.available(new))
        {
            delete.push(old);
        }
    }

    /// Plans a pod for a node; the scheduler binds it, since no other node will do.
    pub(super) fn create(&mut self, node: &str, ids: &mut Ids) {
        if self.moved >= BURST_LIMIT {
            return;
        }
        let template = self.set.object.value()["spec"]["template"].take();
        let prefix = format!("{}-", self.set.key().name);
        let mut pod = template::numbered(self.set, &template, &prefix, &ids.suffix());
        template::mark(&mut pod, "labels", HASH_LABEL, self.history.hash.as_str());
        let generation = self.set.meta().annotations.as_ref().and_then(|map| map.get(GENERATION));
        if let Some(generation) = generation {
            template::mark(&mut pod, "labels", "pod-template-generation", generation.as_str());
        }
        let here = json!({"nodeSelectorTerms": [{"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": [node]}]}]});
        for field in ["affinity", "nodeAffinity"] {
            let parent = if field == "affinity" { &mut pod["spec"] } else { &mut pod["spec"]["affinity"] };
            podium_types::meta::member_mut(parent, field);
        }
        pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = here;
        let mut tolerations = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
        if let Some(spec) = &self.spec.template.spec {
            let own = nodes::tolerations(spec).into_iter().filter_map(|t| serde_json::to_value(t).ok());
            let own: Vec<Value> = own.filter(|toleration| !tolerations.contains(toleration)).collect();
            tolerations.extend(own);
        }
        pod["spec"]["tolerations"] = json!(tolerations);
        let name = podium_types::meta::name(&pod).to_owned();
        self.plan.writes.push(write::create(resource::PODS, pod));
        self.plan.events.push(write::event(self.set, "Normal", "SuccessfulCreate", format!("Created pod: {name}")));
        self.plan.note = format!("creating a pod for node {node}");
        self.moved += 1;
    }

    /// Plans that a pod goes.
    pub(super) fn delete(&mut self, pod: &Item<Pod>) {
        if self.moved >= BURST_LIMIT {
            return;
        }
        let name = &pod.key().name;
        if pods::phase(pod) == "Failed" {
            let message = format!(
                "Found failed daemon pod {} on node {}, will try to kill it",
                pod.key(),
                nodes::of_pod(pod).unwrap_or_default()
            );
            self.plan.events.push(write::event(self.set, "Warning", "FailedDaemonPod", message));
        }
        self.plan.writes.push(write::delete(resource::PODS, pod));
        self.plan.events.push(write::event(self.set, "Normal", "SuccessfulDelete", format!("Deleted pod: {name}")));
        self.plan.note = format!("deleting pod {name}");
        self.moved += 1;
    }
}

/// Until when a failed pod stays, so that a daemon that cannot start does not spin.
fn failed_until(pod: &Item<Pod>) -> Option<Timestamp> {
    time::after(pod.meta().creation_timestamp.as_ref()?.0, FAILED_PAUSE_SECONDS)
}
