//! A cluster in memory for tests: applies plans as the server would, and plays the kubelet.

use crate::{Controller, EventRecord, Ids, Plan, PlannedWrite, Refusal, View, resource};
use base64::{Engine, prelude::BASE64_STANDARD};
use podium_machinery::state::{Body, Change, Event, Object};
use podium_types::{ApiError, Key, Timestamp};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

pub struct Model {
    pub view: View,
    pub now: Timestamp,
    pub ids: Ids,
    objects: BTreeMap<(String, Key), Arc<Object>>,
    revision: u64,
    /// Whether deleted pods stay until [`Model::reap`], as pods with a grace period do.
    pub lingering: bool,
}

impl Model {
    pub fn new(seed: u64) -> Self {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        Self {
            view: View::default(),
            now,
            ids: Ids::new(seed),
            objects: BTreeMap::new(),
            revision: 0,
            lingering: false,
        }
    }

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.objects.get(&(resource.to_owned(), Key::new(namespace, name))).map(|object| object.value())
    }

    pub fn list(&self, resource: &str) -> Vec<Value> {
        self.objects.iter().filter(|((r, _), _)| r == resource).map(|(_, object)| object.value()).collect()
    }

    pub fn advance(&mut self, seconds: i64) {
        self.now = crate::time::after(self.now, seconds).unwrap();
    }

    pub fn create(&mut self, resource: &str, mut object: Value) {
        let uid = format!("{:016x}", self.ids.next());
        object["metadata"]["uid"] = json!(uid);
        object["metadata"]["creationTimestamp"] = serde_json::to_value(crate::time::stamp(self.now)).unwrap();
        object["metadata"]["generation"] = json!(1);
        self.put(resource, object, Change::Added);
    }

    pub fn put(&mut self, resource: &str, object: Value, change: Change) {
        self.revision += 1;
        let key = podium_types::meta::key(&object);
        let body = Body::of(&object);
        let uid = podium_types::meta::uid(&object).to_owned();
        let new = Arc::new(Object::new(key.clone(), uid, self.revision, body.labels, &body.text));
        let id = (resource.to_owned(), key);
        let previous = self.objects.get(&id).cloned();
        if change == Change::Deleted {
            self.objects.remove(&id);
        } else {
            self.objects.insert(id, Arc::clone(&new));
        }
        self.view.apply(resource, &Event::new(change, self.revision, new, previous));
    }

    /// A client's or a kubelet's merge patch.
    pub fn patch(&mut self, resource: &str, namespace: &str, name: &str, patch: &Value) {
        let mut object = self.get(resource, namespace, name).unwrap();
        let spec = object["spec"].clone();
        merge(&mut object, patch);
        if object["spec"] != spec {
            object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap_or(1) + 1);
        }
        // What is deleted needs only its finalizers to go, too; a pod also its kubelet to let it go.
        let gone = object["metadata"]["deletionGracePeriodSeconds"] == 0;
        let held = podium_types::meta::finalizers(&object).next().is_some();
        self.put(resource, object, if gone && !held { Change::Deleted } else { Change::Modified });
    }

    pub fn delete(&mut self, resource: &str, namespace: &str, name: &str) {
        let mut object = self.get(resource, namespace, name).unwrap();
        let linger = self.lingering && resource == resource::PODS;
        if linger || podium_types::meta::finalizers(&object).next().is_some() {
            if object["metadata"]["deletionTimestamp"].is_null() {
                object["metadata"]["deletionTimestamp"] = serde_json::to_value(crate::time::stamp(self.now)).unwrap();
            }
            if !linger {
                object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            }
            self.put(resource, object, Change::Modified);
        } else {
            self.put(resource, object, Change::Deleted);
        }
    }

    /// Applies a plan up to the first write that `refuse` turns down, or that has lost a race.
    fn carry_out(
        &mut self,
        plan: &Plan,
        refuse: &mut impl FnMut(&PlannedWrite) -> Option<ApiError>,
    ) -> Option<Refusal> {
        for write in &plan.writes {
            let (verb, resource, key) = write.target();
            let refused = match refuse(write) {
                Some(error) => Some(error),
                None if self.write(write) => None,
                None => Some(ApiError::new(409, "Conflict", "not as it was seen")),
            };
            if let Some(error) = refused {
                return Some(Refusal { verb, resource, key, error });
            }
        }
        None
    }

    fn write(&mut self, write: &PlannedWrite) -> bool {
        match write {
            PlannedWrite::Create { resource, object, .. } => {
                let key = podium_types::meta::key(object);
                assert!(!key.name.is_empty(), "a create without a name");
                let free = !self.objects.contains_key(&((*resource).to_owned(), key));
                if free {
                    self.create(resource, object.clone());
                }
                free
            }
            PlannedWrite::Patch { resource, subresource, key, uid, revision, patch } => {
                let Some(object) = self.objects.get(&((*resource).to_owned(), key.clone())) else { return false };
                if object.uid != *uid || revision.is_some_and(|revision| revision != object.revision) {
                    return false;
                }
                assert_eq!(
                    matches!(*subresource, "status" | "approval"),
                    patch.get("status").is_some(),
                    "status apart: {patch}"
                );
                self.patch(resource, &key.namespace, &key.name, patch);
                true
            }
            PlannedWrite::Sign { key, request, .. } => {
                // Any text will do: who signs is a shell.
                let certificate = BASE64_STANDARD.encode(request);
                let patch = json!({"status": {"certificate": certificate}});
                self.patch(resource::SIGNING_REQUESTS, &key.namespace, &key.name, &patch);
                true
            }
            PlannedWrite::Issue { key, account, patch, .. } => {
                let mut patch = patch.clone();
                patch["data"]["token"] = json!(BASE64_STANDARD.encode(format!("token of {account}")));
                self.patch(resource::SECRETS, &key.namespace, &key.name, &patch);
                true
            }
            PlannedWrite::Delete { resource, key, uid, .. } => {
                let found = self.objects.get(&((*resource).to_owned(), key.clone()));
                let found = found.is_some_and(|object| object.uid == *uid);
                if found {
                    self.delete(resource, &key.namespace, &key.name);
                }
                found
            }
        }
    }

    /// Applies a plan up to the first write that `refuse` turns down.
    pub fn apply(&mut self, plan: &Plan, mut refuse: impl FnMut() -> bool) {
        let killed = ApiError::new(503, "ServiceUnavailable", "killed");
        let _ = self.carry_out(plan, &mut |_| refuse().then(|| killed.clone()));
    }

    /// Decides every key of a controller once and applies the plans, of which `refuse` cuts some
    /// short, as when the controller is killed; how many writes there were.
    pub fn run(&mut self, controller: &dyn Controller, mut refuse: impl FnMut() -> bool) -> usize {
        let mut writes = 0;
        for key in controller.all_keys(&self.view) {
            let plan = controller.decide(&self.view, &key, self.now, &mut self.ids);
            writes += plan.writes.len();
            self.apply(&plan, &mut refuse);
        }
        writes
    }

    /// The same with a server that refuses writes, and a controller that hears of it; how many
    /// writes there were, and the events that were recorded.
    pub fn run_refused(
        &mut self,
        controller: &dyn Controller,
        mut refuse: impl FnMut(&PlannedWrite) -> Option<ApiError>,
    ) -> (usize, Vec<EventRecord>) {
        let (mut writes, mut events) = (0, Vec::new());
        for key in controller.all_keys(&self.view) {
            let plan = controller.decide(&self.view, &key, self.now, &mut self.ids);
            writes += plan.writes.len();
            match self.carry_out(&plan, &mut refuse) {
                None => events.extend(plan.events),
                Some(refusal) => {
                    let told = controller.refused(&self.view, &key, self.now, &[refusal]);
                    writes += told.writes.len();
                    let _ = self.carry_out(&told, &mut |_| None);
                    events.extend(told.events);
                }
            }
        }
        (writes, events)
    }

    pub fn set_ready(&mut self, pod: &Value, ready: bool) {
        let since = serde_json::to_value(crate::time::stamp(self.now)).unwrap();
        let status = if ready { "True" } else { "False" };
        let (namespace, name) = (podium_types::meta::namespace(pod), podium_types::meta::name(pod));
        let patch = json!({"status": {"phase": "Running", "podIP": "10.244.0.9",
            "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": since}]}});
        self.patch(resource::PODS, namespace, name, &patch);
    }

    /// The kubelet lets go of a pod that is being deleted: it ends, and is removed unless finalizers keep it.
    pub fn reap(&mut self, pod: &Value) {
        let (namespace, name) = (podium_types::meta::namespace(pod), podium_types::meta::name(pod));
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let mut patch = json!({"metadata": {"deletionGracePeriodSeconds": 0}});
        if !ended {
            patch["status"] = json!({"phase": "Failed"});
        }
        self.patch(resource::PODS, namespace, name, &patch);
    }

    pub fn ready_pods(&self) -> usize {
        self.view.pods.all().filter(|pod| crate::pods::active(pod) && crate::pods::ready(pod)).count()
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, change) in changes {
        if change.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], change);
        }
    }
}
