//! Writes events about pods: repeated ones are counted in one object, and no object gets more than its share.

use crate::shared::Shared;
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference, Pod},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use podium_supervision::{ChildSpec, Ctx, Handle, Worker};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

/// Events of one pod in a row, before they come slower (the kubelet's spam filter).
const BURST: f64 = 25.0;
/// Events that come back each second after a burst.
const REFILL_PER_SECOND: f64 = 1.0 / 300.0;
/// Kinds of events remembered for counting; beyond this the count begins anew.
const MEMORY: usize = 4096;
/// As `source.component`.
const COMPONENT: &str = "kubelet";

/// About what, and what.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub pod: Arc<Pod>,
    pub container: Option<String>,
    pub warning: bool,
    pub reason: String,
    pub message: String,
}

/// Speaks to the recorder.
#[derive(Clone, Default)]
pub(crate) struct RecorderHandle(Handle<Recorder>);

impl RecorderHandle {
    /// Records; an overloaded recorder loses events rather than slowing pods down.
    pub fn record(&self, note: Note) {
        let _ = self.0.tell(note);
    }
}

/// The recorder as a child.
pub(crate) fn child(shared: &Arc<Shared>) -> ChildSpec {
    let owner = shared.clone();
    podium_supervision::child("events", &shared.recorder.0, move || Recorder {
        shared: owner.clone(),
        known: BTreeMap::new(),
        budgets: BTreeMap::new(),
    })
}

pub(crate) struct Recorder {
    shared: Arc<Shared>,
    known: BTreeMap<String, (String, i32)>,
    budgets: BTreeMap<String, (f64, Timestamp)>,
}

impl Worker for Recorder {
    type Msg = Note;
    const CAPACITY: usize = 1024;

    fn handle(&mut self, note: Note, ctx: &mut Ctx<'_, Self>) {
        let now = Timestamp::now();
        let meta = &note.pod.metadata;
        let uid = meta.uid.clone().unwrap_or_default();
        if !self.may(&uid, now) {
            return;
        }
        if self.known.len() > MEMORY {
            self.known.clear();
            self.budgets.clear();
        }
        let container = note.container.as_deref().unwrap_or_default();
        let key = format!("{uid}/{container}/{}/{}", note.reason, note.message);
        let namespace = meta.namespace.clone().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.shared.client.clone(), &namespace);
        if let Some((name, count)) = self.known.get_mut(&key) {
            *count += 1;
            let (name, patch) = (name.clone(), json!({ "count": *count, "lastTimestamp": Time(now) }));
            ctx.spawn(
                async move { api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await },
                move |me: &mut Self, outcome, _| {
                    if outcome.is_err() {
                        me.known.remove(&key);
                    }
                },
            );
            return;
        }
        let event = self.event(&note, &namespace, now);
        self.known.insert(key, (event.metadata.name.clone().unwrap_or_default(), 1));
        ctx.spawn(async move { api.create(&PostParams::default(), &event).await }, |_, outcome, _| {
            if let Err(error) = outcome {
                tracing::debug!(%error, "an event was not recorded");
            }
        });
    }
}

impl Recorder {
    fn may(&mut self, uid: &str, now: Timestamp) -> bool {
        let (left, at) = self.budgets.entry(uid.to_owned()).or_insert((BURST, now));
        let seconds = now.duration_since(*at).as_secs_f64();
        *left = (*left + seconds * REFILL_PER_SECOND).min(BURST);
        *at = now;
        let may = *left >= 1.0;
        if may {
            *left -= 1.0;
        }
        may
    }

    fn event(&self, note: &Note, namespace: &str, now: Timestamp) -> Event {
        let meta = &note.pod.metadata;
        let pod = meta.name.clone().unwrap_or_default();
        let init = note.pod.spec.as_ref().and_then(|s| s.init_containers.as_ref());
        let field_path = note.container.as_ref().map(|name| {
            let list =
                if init.is_some_and(|l| l.iter().any(|c| &c.name == name)) { "initContainers" } else { "containers" };
            format!("spec.{list}{{{name}}}")
        });
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{pod}.{:x}", now.as_nanosecond())),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(pod),
                namespace: Some(namespace.to_owned()),
                uid: meta.uid.clone(),
                resource_version: meta.resource_version.clone(),
                field_path,
            },
            reason: Some(note.reason.clone()),
            message: Some(note.message.clone()),
            type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
            source: Some(EventSource {
                component: Some(COMPONENT.to_owned()),
                host: Some(self.shared.config.node_name.clone()),
            }),
            reporting_component: Some(COMPONENT.to_owned()),
            reporting_instance: Some(self.shared.config.node_name.clone()),
            first_timestamp: Some(Time(now)),
            last_timestamp: Some(Time(now)),
            count: Some(1),
            ..Event::default()
        }
    }
}
