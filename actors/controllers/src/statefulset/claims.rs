//! The volume claims of the pods: made before them, and owned as the retention policy has it.

use super::{Draft, identity};
use crate::{owners, resource, view::Item, write};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use podium_types::Key;
use serde_json::{Value, json};

impl Draft<'_> {
    fn policy(&self, of: impl Fn(&Policy) -> Option<&String>) -> bool {
        let policy = self.spec.persistent_volume_claim_retention_policy.as_ref();
        policy.and_then(of).is_some_and(|policy| policy == "Delete")
    }

    /// Whether claims go with the set.
    fn deletes_with_set(&self) -> bool {
        self.policy(|policy| policy.when_deleted.as_ref())
    }

    /// Whether claims go with the pods that are scaled away.
    fn deletes_when_scaled(&self) -> bool {
        self.policy(|policy| policy.when_scaled.as_ref())
    }

    fn claim_keys(&self, ordinal: i32) -> Vec<(usize, Key)> {
        let own = self.set.key();
        let templates = self.spec.volume_claim_templates.iter().flatten().enumerate();
        let named = templates.filter_map(|(at, claim)| Some((at, claim.metadata.name.as_deref()?)));
        named
            .map(|(at, name)| (at, Key::new(own.namespace.as_str(), identity::claim(name, &own.name, ordinal))))
            .collect()
    }

    /// Plans the claims that an ordinal lacks; false while an old one is on its way out.
    pub(super) fn provide_claims(&mut self, ordinal: i32) -> bool {
        let mut missing = Vec::new();
        for (at, key) in self.claim_keys(ordinal) {
            match self.view.claims.get(&key) {
                Some(claim) if claim.deleting() || self.stale(claim, ordinal) => return false,
                Some(_) => {}
                None => missing.push((at, key)),
            }
        }
        for (at, key) in missing {
            let claim = self.new_claim(at, &key);
            self.plan.writes.push(write::create(resource::CLAIMS, claim));
            let (claim, set) = (&key.name, &self.set.key().name);
            let pod = identity::name(set, ordinal);
            let message = format!("create Claim {claim} Pod {pod} in StatefulSet {set} success");
            self.plan.events.push(write::event(self.set, "Normal", "SuccessfulCreate", message));
        }
        true
    }

    /// Whether a claim belongs to an earlier pod of this name, with which it is about to go.
    fn stale(&self, claim: &Item<PersistentVolumeClaim>, ordinal: i32) -> bool {
        let name = identity::name(&self.set.key().name, ordinal);
        let pod = self.view.pods.get(&Key::new(self.set.key().namespace.as_str(), name.as_str()));
        let mut owners = claim.meta().owner_references.iter().flatten();
        owners.any(|owner| owner.kind == "Pod" && owner.name == name && pod.is_none_or(|pod| pod.uid() != owner.uid))
    }

    fn new_claim(&self, at: usize, key: &Key) -> Value {
        let raw = self.set.object.value();
        let template = &raw["spec"]["volumeClaimTemplates"][at];
        let mut claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": template["metadata"],
            "spec": template["spec"]});
        claim["metadata"]["name"] = json!(key.name);
        claim["metadata"]["namespace"] = json!(key.namespace);
        let labels = self.spec.selector.match_labels.iter().flatten();
        let labels: Vec<_> = labels.map(|(k, v)| (k.clone(), json!(v))).collect();
        podium_types::meta::member_mut(&mut claim["metadata"], "labels").extend(labels);
        if self.deletes_with_set() {
            claim["metadata"]["ownerReferences"] = json!([owners::reference(self.set)]);
        }
        claim
    }

    /// Makes set or pod the owner of a pod's claims, as the policy has it.
    pub(super) fn own_claims(&mut self, ordinal: i32, pod: &Item<Pod>, condemned: bool) {
        let by_pod = condemned && self.deletes_when_scaled();
        let by_set = !by_pod && self.deletes_with_set();
        for (_, key) in self.claim_keys(ordinal) {
            let Some(claim) = self.view.claims.get(&key) else { continue };
            let ours = [self.set.uid(), pod.uid()];
            if owners::controller(claim.meta()).is_some_and(|owner| !ours.contains(&owner.uid.as_str())) {
                continue;
            }
            let references = claim.meta().owner_references.iter().flatten();
            let has = |uid: &str| claim.meta().owner_references.iter().flatten().any(|owner| owner.uid == uid);
            if has(self.set.uid()) == by_set && has(pod.uid()) == by_pod {
                continue;
            }
            let foreign = references.filter(|owner| !ours.contains(&owner.uid.as_str()));
            let mut list: Vec<Value> = foreign.filter_map(|owner| serde_json::to_value(owner).ok()).collect();
            list.extend(by_set.then(|| owners::reference(self.set)));
            list.extend(by_pod.then(|| owners::reference(pod)));
            let patch = json!({"metadata": {"ownerReferences": list}});
            self.plan.writes.push(write::patch(resource::CLAIMS, "", claim, patch));
        }
    }
}

type Policy = k8s_openapi::api::apps::v1::StatefulSetPersistentVolumeClaimRetentionPolicy;
