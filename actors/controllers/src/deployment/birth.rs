//! The ReplicaSet of the present template: taken up where it exists, made where not.

use super::{
    Draft, annotations,
    bounds::bounds,
    sets::{HASH_LABEL, same_template},
};
use crate::{hash::hash, owners, resource, write};
use podium_types::Key;
use serde_json::{Value, json};

impl Draft<'_> {
    /// Notes on the existing new set, and on the deployment, which revision this is.
    pub(super) fn take_up(&mut self) {
        let Some(new) = self.sets.new.clone() else { return };
        let revision = annotations::revision(new.set).max(self.sets.last_revision() + 1);
        let mut patch = json!({});
        let missing = annotations::missing(self.deployment, new.set, revision);
        if !missing.is_empty() {
            patch["metadata"]["annotations"] = missing.into();
        }
        let min_ready = self.spec.min_ready_seconds.unwrap_or(0);
        if new.set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0) != min_ready {
            patch["spec"]["minReadySeconds"] = json!(min_ready);
        }
        if patch.as_object().is_some_and(|map| !map.is_empty()) {
            let mut write = write::patch(resource::REPLICA_SETS, "", new.set, patch);
            // A scaling of the same set may follow in this plan.
            write.any_revision();
            self.plan.writes.push(write);
        }
        self.note_revision(revision);
        self.news = Some(("FoundNewReplicaSet", format!("Found new replica set {:?}", new.set.key().name)));
    }

    /// Makes the new set, where there is none; whether one was made or its name is taken.
    pub(super) fn give_birth(&mut self, view: &crate::View) -> bool {
        if self.sets.new.is_some() {
            self.take_up();
            return false;
        }
        let raw = self.deployment.object.value();
        let template = &raw["spec"]["template"];
        let collisions = self.deployment.status.as_ref().and_then(|s| s.collision_count).unwrap_or(0);
        let hash = hash(template, collisions);
        let own = self.deployment.key();
        let name = format!("{}-{hash}", own.name);
        if let Some(taken) = view.replica_sets.get(&Key::new(own.namespace.as_str(), name.as_str())) {
            // Ours, but on its way out: wait for it to go. Foreign: another hash.
            let ours = owners::controller(taken.meta()).is_some_and(|o| o.uid == self.deployment.uid());
            self.collided = !(ours && same_template(taken, &self.spec.template));
            return true;
        }
        let replicas = self.room_for_new(0);
        let revision = self.sets.last_revision() + 1;
        let set = self.replica_set(&name, &hash, &raw, replicas, revision);
        self.plan.writes.push(write::create(resource::REPLICA_SETS, set));
        self.note_revision(revision);
        self.news = Some(("NewReplicaSetCreated", format!("Created new replica set {name:?}")));
        if replicas > 0 {
            self.announce("up", &name, 0, replicas);
        }
        true
    }

    fn replica_set(&self, name: &str, hash: &str, raw: &Value, replicas: i32, revision: i64) -> Value {
        let mut template = raw["spec"]["template"].clone();
        let mut selector = raw["spec"]["selector"].clone();
        podium_types::meta::member_mut(&mut template, "metadata");
        podium_types::meta::member_mut(&mut template["metadata"], "labels").insert(HASH_LABEL.to_owned(), json!(hash));
        podium_types::meta::member_mut(&mut selector, "matchLabels").insert(HASH_LABEL.to_owned(), json!(hash));
        let most = self.replicas() + bounds(self.spec).surge;
        let mut set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": name, "namespace": self.deployment.key().namespace,
                "labels": template["metadata"]["labels"],
                "annotations": annotations::fresh(self.deployment, revision, self.replicas(), most),
                "ownerReferences": [owners::reference(self.deployment)]},
            "spec": {"replicas": replicas, "selector": selector, "template": template}});
        if let Some(seconds) = self.spec.min_ready_seconds.filter(|seconds| *seconds > 0) {
            set["spec"]["minReadySeconds"] = json!(seconds);
        }
        set
    }

    fn note_revision(&mut self, revision: i64) {
        let own = self.deployment.meta().annotations.as_ref().and_then(|a| a.get(annotations::REVISION));
        let revision = revision.to_string();
        if own != Some(&revision) {
            self.annotations[annotations::REVISION] = json!(revision);
        }
    }
}
