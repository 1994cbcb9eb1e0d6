//! Pods by uid: what the API wants of them, and what their actors show of them. It outlives the actors on both sides.

use crate::pod::{PodActor, PodMsg};
use arc_swap::{ArcSwap, ArcSwapOption};
use k8s_openapi::api::core::v1::Pod;
use podium_lifecycle::admission::Rejection;
use podium_lifecycle::eviction::Eviction;
use podium_oci::Shim;
use podium_supervision::Handle;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

/// What the kubelet API needs to know of a pod.
#[derive(Clone, Debug)]
pub(crate) struct PodView {
    pub status: Value,
    pub shim: Option<Shim>,
    /// None on the node's own network.
    pub netns: Option<PathBuf>,
}

/// A pod's place.
pub(crate) struct PodSlot {
    pub uid: String,
    pub pod: ArcSwap<Pod>,
    pub view: ArcSwapOption<PodView>,
    pub handle: Handle<PodActor>,
    removed: AtomicBool,
    eviction: ArcSwapOption<Eviction>,
    rejection: OnceLock<Rejection>,
}

impl PodSlot {
    pub fn new(uid: String, pod: Arc<Pod>) -> Self {
        Self {
            uid,
            pod: ArcSwap::new(pod),
            view: ArcSwapOption::empty(),
            handle: Handle::new(),
            removed: AtomicBool::new(false),
            eviction: ArcSwapOption::empty(),
            rejection: OnceLock::new(),
        }
    }
    /// The API changed the pod.
    pub fn update(&self, pod: Arc<Pod>) {
        self.pod.store(pod);
        self.tell();
    }
    /// The API has no such pod any more.
    pub fn remove(&self) {
        self.removed.store(true, SeqCst);
        self.tell();
    }
    /// The pod must leave the node.
    pub fn evict(&self, eviction: Eviction) {
        self.eviction.store(Some(Arc::new(eviction)));
        self.tell();
    }
    pub fn eviction(&self) -> Option<Arc<Eviction>> {
        self.eviction.load_full()
    }
    /// The pod is not taken in, once and for all; its actor, still to be made, says so.
    pub fn reject(&self, rejection: Rejection) {
        let _ = self.rejection.set(rejection);
    }
    pub fn rejection(&self) -> Option<&Rejection> {
        self.rejection.get()
    }
    pub fn removed(&self) -> bool {
        self.removed.load(SeqCst)
    }
    /// Its phase is a last one: it holds nothing of the node.
    pub fn ended(&self) -> bool {
        let view = self.view.load();
        self.rejection().is_some()
            || view.as_ref().is_some_and(|v| matches!(v.status["phase"].as_str(), Some("Succeeded" | "Failed")))
    }
    fn tell(&self) {
        // A full mailbox holds messages after which the actor looks at the slot anyway; so does a new life.
        let _ = self.handle.tell(PodMsg::Changed);
    }
}

/// All pods of the node.
#[derive(Default)]
pub(crate) struct PodTable(Mutex<BTreeMap<String, Arc<PodSlot>>>);

impl PodTable {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<PodSlot>>> {
        // Nothing panics while holding this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn get(&self, uid: &str) -> Option<Arc<PodSlot>> {
        self.lock().get(uid).cloned()
    }
    pub fn insert(&self, slot: Arc<PodSlot>) {
        self.lock().insert(slot.uid.clone(), slot);
    }
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
    pub fn list(&self) -> Vec<Arc<PodSlot>> {
        self.lock().values().cloned().collect()
    }
    /// The pod of that name; while an old one still goes, the newest.
    pub fn find(&self, namespace: &str, name: &str) -> Option<Arc<PodSlot>> {
        let mut found: Vec<_> = self
            .list()
            .into_iter()
            .filter(|slot| {
                let pod = slot.pod.load();
                pod.metadata.namespace.as_deref() == Some(namespace) && pod.metadata.name.as_deref() == Some(name)
            })
            .collect();
        found.sort_by_key(|slot| slot.pod.load().metadata.creation_timestamp.as_ref().map(|t| t.0));
        found.pop()
    }
}
