//! Looks at a new pod before its actor is made: a node that runs short, or is not the right one, does not take it in.

use super::PodSlot;
use crate::{events::Note, eviction::evict, shared::Shared};
use k8s_openapi::api::core::v1::Pod;
use podium_lifecycle::{
    admission::{self, Host, Rejection},
    eviction::{EVICTED, Eviction, refusal},
    shutdown,
};
use std::{path::Path, sync::Arc};

/// Says whether the kernel confines programs by AppArmor.
const APP_ARMOR: &str = "/sys/module/apparmor/parameters/enabled";

/// Pods that run here already are none of this.
pub(super) fn admit(shared: &Shared, slot: &PodSlot) {
    let pod = slot.pod.load_full();
    if pod.status.as_ref().is_some_and(|status| status.start_time.is_some()) {
        return;
    }
    if *shared.shutting_down.borrow() {
        slot.reject(Rejection { reason: shutdown::REFUSED.to_owned(), message: shutdown::REFUSAL.to_owned() });
        return;
    }
    if let Some(message) = refusal(&pod, &shared.pressure.borrow()) {
        evict(shared, slot, Eviction { reason: EVICTED, message, grace_seconds: 0 });
        return;
    }
    let slots = shared.pods.list();
    let others = slots.iter().filter(|other| other.uid != slot.uid && !other.removed() && !other.ended());
    let others: Vec<Arc<Pod>> = others.map(|other| other.pod.load_full()).collect();
    let others: Vec<&Pod> = others.iter().map(Arc::as_ref).collect();
    let node = shared.node.load();
    let host = Host {
        name: &shared.config.node_name,
        node: node.as_deref(),
        allocatable: &shared.allocatable(),
        allowed_sysctls: &shared.settings.allowed_unsafe_sysctls,
        app_armor: app_armor(Path::new(APP_ARMOR)),
    };
    if let Err(rejection) = admission::admit(&pod, &others, &host) {
        let (reason, message) = (rejection.reason.clone(), rejection.message.clone());
        tracing::warn!(uid = slot.uid, "a pod was rejected: {message}");
        shared.recorder.record(Note { pod, container: None, warning: true, reason, message });
        slot.reject(rejection);
    }
}

fn app_armor(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.trim() == "Y")
}
