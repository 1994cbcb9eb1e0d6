//! Revisions of a template, kept as ControllerRevisions: what StatefulSets and DaemonSets roll between.

use crate::{
    Plan, PlannedWrite, View,
    hash::hash,
    owners, resource, selector,
    view::{Item, Typed},
    write,
};
use k8s_openapi::{Resource, api::apps::v1::ControllerRevision, apimachinery::pkg::apis::meta::v1::LabelSelector};
use podium_types::Key;
use serde_json::{Value, json};
use std::sync::Arc;

/// Label of pods and revisions that names the revision.
pub const HASH_LABEL: &str = "controller-revision-hash";
/// `revisionHistoryLimit` where none is named.
const DEFAULT_LIMIT: i32 = 10;

/// The revisions of one owner.
pub struct History<'a> {
    /// Those stored, the oldest first.
    pub stored: Vec<&'a Arc<Item<ControllerRevision>>>,
    /// Name of the one with the present template, stored or planned.
    pub update: String,
    /// Its hash alone.
    pub hash: String,
    /// `status.collisionCount` to report.
    pub collisions: Option<i32>,
    /// Whether the name of the new revision is taken by a stranger: decide again.
    pub collided: bool,
}

impl<'a> History<'a> {
    /// Claims the revisions of `owner`; plans the one of the present template where it is missing,
    /// and moves it to the end where it is an old one.
    pub fn find<T: Typed + Resource>(
        view: &'a View,
        owner: &'a Item<T>,
        selector: &LabelSelector,
        collisions: Option<i32>,
        plan: &mut Plan,
    ) -> Self {
        let namespace = owner.key().namespace.as_str();
        let all = view.revisions.of(namespace);
        let near = all.filter(|r| {
            owners::controller(r.meta()).is_some_and(|o| o.uid == owner.uid())
                || selector::matches(selector, &r.object.labels)
        });
        let (mut stored, writes) = owners::claim(owner, selector, resource::CONTROLLER_REVISIONS, near);
        plan.writes.extend(writes);
        stored.sort_by_key(|revision| (revision.revision, revision.key().clone()));
        let raw = owner.object.value();
        let template = &raw["spec"]["template"];
        let hash = hash(template, collisions.unwrap_or(0));
        let name = format!("{}-{hash}", owner.key().name);
        let mut history = Self { stored, update: name, hash, collisions, collided: false };
        let equal =
            history.stored.iter().rev().find(|revision| same(template_of(revision).as_ref(), template)).copied();
        let last = history.stored.last().map_or(0, |revision| revision.revision);
        match equal {
            Some(found) => {
                history.update.clone_from(&found.key().name);
                let prefix = format!("{}-", owner.key().name);
                let hash = found.object.labels.get(HASH_LABEL);
                let hash =
                    hash.map(String::as_str).or_else(|| history.update.strip_prefix(&prefix)).unwrap_or_default();
                history.hash = hash.to_owned();
                if found.revision < last && !owner.deleting() {
                    let patch = json!({"revision": last + 1});
                    let patch = write::patch(resource::CONTROLLER_REVISIONS, "", found, patch);
                    plan.writes.push(any(patch));
                }
            }
            None if owner.deleting() => {}
            None if view.revisions.get(&Key::new(namespace, history.update.as_str())).is_some() => {
                history.collided = true;
                history.collisions = Some(collisions.unwrap_or(0).saturating_add(1));
            }
            None => plan.writes.push(history.create(owner, template, last + 1)),
        }
        history
    }

    fn create<T: Typed + Resource>(&self, owner: &Item<T>, template: &Value, revision: i64) -> PlannedWrite {
        let mut data = template.clone();
        podium_types::meta::member_mut(&mut data, "metadata");
        data["$patch"] = json!("replace");
        let mut labels = template["metadata"]["labels"].clone();
        if !labels.is_object() {
            labels = json!({});
        }
        labels[HASH_LABEL] = json!(self.hash);
        write::create(
            resource::CONTROLLER_REVISIONS,
            json!({"apiVersion": "apps/v1", "kind": "ControllerRevision",
                "metadata": {"name": self.update, "namespace": owner.key().namespace, "labels": labels,
                    "annotations": owner.object.value()["metadata"]["annotations"],
                    "ownerReferences": [owners::reference(owner)]},
                "data": {"spec": {"template": data}}, "revision": revision}),
        )
    }

    /// The template of a stored revision.
    pub fn template(&self, name: &str) -> Option<Value> {
        self.stored.iter().find(|revision| revision.key().name == name).and_then(|revision| template_of(revision))
    }

    /// Whether a revision of that name is stored.
    pub fn has(&self, name: &str) -> bool {
        self.stored.iter().any(|revision| revision.key().name == name)
    }

    /// Deletes the oldest revisions beyond the limit that `live` does not name.
    pub fn truncate(&self, limit: Option<i32>, live: impl Fn(&Item<ControllerRevision>) -> bool, plan: &mut Plan) {
        let limit = usize::try_from(limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(0);
        let idle: Vec<_> = self.stored.iter().filter(|r| !live(r) && r.key().name != self.update).collect();
        let excess = idle.len().saturating_sub(limit);
        let gone = idle.into_iter().take(excess).filter(|revision| !revision.deleting());
        plan.writes.extend(gone.map(|revision| write::delete(resource::CONTROLLER_REVISIONS, revision)));
    }
}

/// Owner references of the same revision may come before this in a plan.
fn any(mut write: PlannedWrite) -> PlannedWrite {
    write.any_revision();
    write
}

fn template_of(revision: &Item<ControllerRevision>) -> Option<Value> {
    let template = revision.object.value()["data"]["spec"]["template"].take();
    let Value::Object(mut map) = template else { return None };
    map.remove("$patch");
    Some(map.into())
}

/// Whether two templates mean the same; absent and null are equal, metadata may be missing.
fn same(a: Option<&Value>, b: &Value) -> bool {
    a.is_some_and(|a| a == b || bare(a) == bare(b))
}

fn bare(template: &Value) -> Value {
    let mut template = template.clone();
    let metadata = podium_types::meta::member_mut(&mut template, "metadata");
    metadata.retain(|_, value| !value.is_null());
    template
}
