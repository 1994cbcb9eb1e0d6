//! The RecorderActor: writes Kubernetes Events, as many as `correlate` lets through.

use super::correlate::{Correlator, Telling};
use podium_controllers::EventRecord;
use podium_kinds::by_resource;
use podium_server::{
    user::User,
    verbs::{Api, Patch, WriteOptions},
};
use podium_supervision::{Ctx, Handle, Worker};
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};
use std::time::Instant;

/// Events being written at the same time; more are dropped, as Events are best effort.
const MAX_WRITING: usize = 256;

/// Sends to the RecorderActor.
#[derive(Clone)]
pub struct RecorderHandle {
    /// The actor.
    pub handle: Handle<RecorderActor>,
    /// Who reports (`deployment-controller`).
    pub component: String,
}

impl RecorderHandle {
    /// Records events; drops them when the recorder has too much to do.
    pub fn record(&self, events: Vec<EventRecord>) {
        if !events.is_empty() {
            let _ = self.handle.tell((self.component.clone(), events));
        }
    }
}

/// See the module.
pub struct RecorderActor {
    api: Api,
    user: User,
    correlator: Correlator,
    epoch: Instant,
    writing: usize,
}

impl RecorderActor {
    /// The actor that writes through `api`.
    pub fn new(api: Api) -> Self {
        Self {
            api,
            user: User::system("system:podium:event-recorder"),
            correlator: Correlator::default(),
            epoch: Instant::now(),
            writing: 0,
        }
    }

    fn record(&mut self, component: &str, event: EventRecord, ctx: &mut Ctx<'_, Self>) {
        let Some(kind) = by_resource("events") else { return };
        if self.writing >= MAX_WRITING {
            return;
        }
        let now = Timestamp::now();
        let telling = self.correlator.judge(component, &event, self.epoch.elapsed().as_secs());
        let namespace = if event.key.namespace.is_empty() { "default" } else { &event.key.namespace };
        let key = Key::new(namespace, format!("{}.{:016x}", event.key.name, now.as_nanosecond() as u64));
        let mut event = event;
        let repeated = match telling {
            Telling::Nothing => return,
            Telling::New(identity, message) => {
                event.message = message;
                self.correlator.remember(identity, key.clone());
                None
            }
            Telling::Again(key, count, message) => {
                let mut patch = json!({"count": count, "lastTimestamp": second(now)});
                if let Some(message) = message {
                    patch["message"] = json!(message);
                    event.message = message;
                }
                Some((key, Patch::Merge(patch)))
            }
        };
        let object = object(component, &event, &key, now);
        let (api, user) = (self.api.clone(), self.user.clone());
        self.writing += 1;
        let write = async move {
            let options = WriteOptions::default();
            if let Some((key, patch)) = repeated
                && api.patch(&user, kind, &key, "", &patch, &options).await.is_ok()
            {
                return;
            }
            // Best effort: an Event that cannot be written is not worth a retry.
            let _ = api.create(&user, kind, &key.namespace, object, &options).await;
        };
        ctx.spawn(write, |actor, (), _| actor.writing -= 1);
    }
}

fn second(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn object(component: &str, event: &EventRecord, key: &Key, now: Timestamp) -> Value {
    let mut involved = json!({"apiVersion": event.api_version, "kind": event.kind, "name": event.key.name,
        "uid": event.uid});
    if !event.key.namespace.is_empty() {
        involved["namespace"] = json!(event.key.namespace);
    }
    json!({"apiVersion": "v1", "kind": "Event",
        "metadata": {"name": key.name, "namespace": key.namespace},
        "involvedObject": involved, "type": event.event_type, "reason": event.reason, "message": event.message,
        "source": {"component": component}, "reportingComponent": component, "reportingInstance": "",
        "count": 1, "firstTimestamp": second(now), "lastTimestamp": second(now)})
}

impl Worker for RecorderActor {
    type Msg = (String, Vec<EventRecord>);
    const CAPACITY: usize = 1024;

    fn handle(&mut self, (component, events): Self::Msg, ctx: &mut Ctx<'_, Self>) {
        for event in events {
            self.record(&component, event, ctx);
        }
    }
}
