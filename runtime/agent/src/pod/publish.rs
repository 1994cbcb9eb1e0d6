//! Writes the pod's status: the latest wins, one write at a time; then, where wanted, confirms the deletion.

use super::{Place, PodActor};
use crate::{
    Result,
    error::{io, is_not_found},
    pods::is_static,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use podium_lifecycle::PASSING_CONDITIONS;
use podium_supervision::Ctx;
use serde_json::{Value, json};
use std::time::Duration;

/// Pause after the API failed.
const RETRY: Duration = Duration::from_millis(500);

/// What waits to be written.
#[derive(Default)]
pub(super) struct Publisher {
    pub pending: Option<Value>,
    pub confirm: bool,
    busy: bool,
}

impl PodActor {
    pub(super) fn flush(&mut self, ctx: &mut Ctx<'_, Self>) {
        let publisher = &mut self.publisher;
        if publisher.busy || publisher.pending.is_none() && !publisher.confirm {
            return;
        }
        publisher.busy = true;
        let place = self.place();
        let status = self.publisher.pending.take();
        let kept = status.clone();
        let work = async move {
            match status {
                Some(status) => write(&place, &status).await,
                None => confirm(&place).await,
            }
        };
        ctx.spawn(work, move |me: &mut Self, outcome, ctx| match outcome {
            Ok(()) => {
                me.publisher.busy = false;
                if kept.is_none() {
                    me.publisher.confirm = false;
                }
                me.flush(ctx);
            }
            Err(error) => {
                tracing::warn!(%error, pod = me.slot.uid, "writing a pod's status");
                if let Some(status) = kept {
                    me.publisher.pending.get_or_insert(status);
                }
                ctx.later(RETRY, |me, ctx| {
                    me.publisher.busy = false;
                    me.flush(ctx);
                });
            }
        });
    }
}

/// To disk, so that the next life knows it, then to the API.
async fn write(place: &Place, status: &Value) -> Result<()> {
    let (file, text) = (place.status_file(), status.to_string());
    let temporary = file.with_extension("tmp");
    tokio::fs::create_dir_all(place.dir()).await.map_err(io("create the pod's directory"))?;
    tokio::fs::write(&temporary, text).await.map_err(io("write the pod's status"))?;
    tokio::fs::rename(&temporary, &file).await.map_err(io("rename the pod's status"))?;
    if is_static(&place.pod) {
        // Its mirror follows by itself.
        return Ok(());
    }
    let api: Api<Pod> = Api::namespaced(place.shared.client.clone(), place.namespace());
    let patch = Patch::Strategic(json!({ "metadata": { "uid": place.uid }, "status": without_passed(status) }));
    match api.patch_status(place.name(), &PatchParams::default(), &patch).await {
        // Gone, or another pod of that name: nobody is interested any more.
        Err(error) if is_not_found(&error) || is_conflict(&error) => Ok(()),
        other => other.map(drop).map_err(Into::into),
    }
}

/// Conditions merge by type: those that hold no longer must be taken away by name. Addresses merge, too: the ones
/// from before the pod's last network must not stay.
fn without_passed(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(list) = status["conditions"].as_array_mut() {
        let passed = PASSING_CONDITIONS.into_iter().filter(|kind| list.iter().all(|c| c["type"] != *kind));
        let passed: Vec<Value> = passed.map(|kind| json!({ "type": kind, "$patch": "delete" })).collect();
        list.extend(passed);
    }
    for field in ["podIPs", "hostIPs"] {
        if let Some(list) = status[field].as_array_mut() {
            list.push(json!({ "$patch": "replace" }));
        }
    }
    status
}

async fn confirm(place: &Place) -> Result<()> {
    if is_static(&place.pod) {
        return Ok(());
    }
    let api: Api<Pod> = Api::namespaced(place.shared.client.clone(), place.namespace());
    let same = Preconditions { uid: Some(place.uid.clone()), resource_version: None };
    let params = DeleteParams { grace_period_seconds: Some(0), preconditions: Some(same), ..DeleteParams::default() };
    match api.delete(place.name(), &params).await {
        Err(error) if is_not_found(&error) || is_conflict(&error) => Ok(()),
        other => other.map(drop).map_err(Into::into),
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}
