//! Makes the claims of pods' generic ephemeral volumes (KEP-1698). They are the pod's, and go with it.

use crate::{Controller, Ids, Plan, View, pods, resource, view::Item, write};
use k8s_openapi::api::core::v1::Pod;
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};

/// The controller of generic ephemeral volumes.
pub struct EphemeralController;

fn has_any(pod: &Pod) -> bool {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    volumes.iter().any(|volume| volume.ephemeral.is_some())
}

impl Controller for EphemeralController {
    fn name(&self) -> &'static str {
        "ephemeral-volume"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::PODS, resource::CLAIMS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        match resource {
            resource::PODS => view.pods.get(key).filter(|pod| has_any(pod)).map(|_| key.clone()).into_iter().collect(),
            // A claim that is gone, while its pod still is there.
            _ if view.claims.get(key).is_some() => Vec::new(),
            _ => {
                let pods = view.pods.of(&key.namespace).filter(|pod| has_any(pod));
                pods.filter(|pod| pods::claims(pod).any(|name| name == key.name)).map(|pod| pod.key().clone()).collect()
            }
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.pods.all().filter(|pod| has_any(pod)).map(|pod| pod.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(pod) = view.pods.get(key).filter(|pod| pods::active(pod) && has_any(pod)) else {
            return Plan::default();
        };
        let mut plan = Plan::default();
        for volume in pod.object.value()["spec"]["volumes"].as_array().into_iter().flatten() {
            let template = &volume["ephemeral"]["volumeClaimTemplate"];
            if !template.is_object() {
                continue;
            }
            let name = pods::ephemeral_claim(&key.name, volume["name"].as_str().unwrap_or_default());
            match view.claims.get(&Key::new(&key.namespace, name.as_str())) {
                None => plan.writes.push(write::create(resource::CLAIMS, claim(pod, &name, template))),
                Some(found) if owned(found.meta().owner_references.as_deref(), pod) => {}
                Some(_) => {
                    plan.note =
                        format!("PVC {}/{name} was not created for pod {key} (pod is not owner)", key.namespace);
                }
            }
        }
        plan
    }
}

fn owned(owners: Option<&[k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference]>, pod: &Item<Pod>) -> bool {
    owners.unwrap_or_default().iter().any(|owner| owner.uid == pod.uid())
}

fn claim(pod: &Item<Pod>, name: &str, template: &Value) -> Value {
    let mut metadata = json!({"name": name, "namespace": pod.key().namespace, "ownerReferences": [{"apiVersion": "v1",
        "kind": "Pod", "name": pod.key().name, "uid": pod.uid(), "controller": true, "blockOwnerDeletion": true}]});
    for part in ["labels", "annotations"] {
        if template["metadata"][part].is_object() {
            metadata[part] = template["metadata"][part].clone();
        }
    }
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]})
}
