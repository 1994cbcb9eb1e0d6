//! Which pods this node has: follows the API and keeps a PodActor per pod.

mod admit;
mod manifests;
mod mirror;
mod own_node;
mod table;

pub(crate) use manifests::{child as manifests_child, is_static};
pub(crate) use own_node::child as own_node_child;
pub(crate) use table::{PodSlot, PodTable, PodView};

use crate::{pace::Pace, pod, shared::Shared};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use podium_supervision::{ChildSpec, Ctx, Handle, SupervisorHandle, Worker};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How long an event waits for room in the mailbox.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn child(shared: &Arc<Shared>, actors: &SupervisorHandle) -> ChildSpec {
    let (shared, actors) = (shared.clone(), actors.clone());
    podium_supervision::child("pod-watch", &Handle::new(), move || PodsActor {
        shared: shared.clone(),
        actors: actors.clone(),
        fresh: None,
        swept: false,
    })
}

struct PodsActor {
    shared: Arc<Shared>,
    actors: SupervisorHandle,
    /// Pods of a list that is still being received.
    fresh: Option<BTreeSet<String>>,
    swept: bool,
}

impl Worker for PodsActor {
    type Msg = watcher::Event<Pod>;
    const CAPACITY: usize = 1024;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let api: Api<Pod> = Api::all(self.shared.eager.clone());
        let config = watcher::Config::default().fields(&format!("spec.nodeName={}", self.shared.config.node_name));
        let handle = ctx.handle();
        ctx.spawn(
            async move {
                let mut stream = Box::pin(watcher(api, config).backoff(Pace::default()));
                while let Some(event) = stream.next().await {
                    match event {
                        Ok(event) => {
                            if handle.send(event, PATIENCE).await.is_err() {
                                return "the mailbox stays full";
                            }
                        }
                        Err(error) => tracing::debug!(%error, "watch of pods"),
                    }
                }
                "the watch of pods ended"
            },
            |_, why, ctx| ctx.fail(why),
        );
        ctx.ready();
    }

    fn handle(&mut self, event: watcher::Event<Pod>, ctx: &mut Ctx<'_, Self>) {
        match event {
            watcher::Event::Init => self.fresh = Some(BTreeSet::new()),
            watcher::Event::InitApply(pod) | watcher::Event::Apply(pod) => {
                let Some(uid) = pod.metadata.uid.clone() else { return };
                if mirror::is_mirror(&pod) {
                    return;
                }
                if let Some(fresh) = &mut self.fresh {
                    fresh.insert(uid.clone());
                }
                self.apply(uid, pod);
            }
            watcher::Event::Delete(pod) => {
                if let Some(slot) = pod.metadata.uid.as_ref().and_then(|uid| self.shared.pods.get(uid)) {
                    slot.remove();
                }
            }
            watcher::Event::InitDone => {
                let fresh = self.fresh.take().unwrap_or_default();
                let slots = self.shared.pods.list();
                let gone = slots.iter().filter(|slot| !fresh.contains(&slot.uid) && !is_static(&slot.pod.load()));
                gone.for_each(|slot| slot.remove());
                if !std::mem::replace(&mut self.swept, true) {
                    let shared = self.shared.clone();
                    ctx.spawn(async move { pod::sweep(&shared, &fresh).await }, |_, (), _| {});
                }
            }
        }
    }
}

impl PodsActor {
    fn apply(&mut self, uid: String, pod: Pod) {
        let pod = Arc::new(pod);
        if let Some(slot) = self.shared.pods.get(&uid) {
            slot.update(pod);
            return;
        }
        let slot = Arc::new(PodSlot::new(uid, pod));
        self.shared.pods.insert(slot.clone());
        admit::admit(&self.shared, &slot);
        self.actors.add(pod::child(&self.shared, &slot));
    }
}
