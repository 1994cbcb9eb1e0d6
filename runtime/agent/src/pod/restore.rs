//! What is there of a pod when its actor begins a life: nothing, or containers that must go on.

use super::place::{Place, container_id, public_id};
use super::start;
use crate::{Result, error::blocking};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodStatus;
use podium_lifecycle::{PodMachine, Seen, SeenState};
use podium_oci::{ContainerRecord, ContainerState, Shim};
use std::path::PathBuf;

pub(super) struct Restored {
    pub machine: PodMachine,
    pub shim: Option<Shim>,
    pub netns: Option<PathBuf>,
}

pub(super) async fn run(place: &Place) -> Result<Restored> {
    let shim = Shim::connect(&place.shared.config.shim_socket(&place.uid)).await?;
    let records = match &shim {
        Some(shim) => shim.state().await?,
        None => {
            let dir = place.shim_dir();
            blocking(move || if dir.exists() { Ok(podium_oci::cleanup(&dir)?) } else { Ok(Vec::new()) }).await?
        }
    };
    let now = Timestamp::now();
    let mut seen = Vec::new();
    for record in &records {
        if let Some(one) = look(place, record, now).await {
            seen.push(one);
        }
    }
    let status: Option<PodStatus> = match tokio::fs::read(place.status_file()).await {
        Ok(bytes) => serde_json::from_slice(&bytes).ok(),
        Err(_) => place.pod.status.clone(),
    };
    let node_ip = place.shared.config.node_ip;
    let (mut ips, mut netns) = (None, None);
    if shim.is_some() {
        if place.host_network() {
            ips = Some(vec![node_ip]);
        } else {
            let attached = place.shared.network().await?.attachments();
            if let Some(attachment) = attached.into_iter().find(|a| a.pod_uid == place.uid) {
                ips = Some(vec![attachment.ip]);
                netns = Some(attachment.netns);
            }
        }
    }
    let machine = PodMachine::new(place.pod.clone(), status.as_ref(), &seen, ips, vec![node_ip], now);
    Ok(Restored { machine, shim, netns })
}

async fn look(place: &Place, record: &ContainerRecord, now: Timestamp) -> Option<Seen> {
    let id = container_id(&record.name, record.attempt);
    let state = match &record.state {
        // Still being made by a request that nobody waits for: it will be seen running, or end.
        ContainerState::Created => return None,
        ContainerState::Running => SeenState::Running,
        ContainerState::Exited(exit) => SeenState::Ended(start::ended(place, &id, exit).await),
    };
    Some(Seen {
        name: record.name.clone(),
        attempt: record.attempt,
        id: public_id(&place.uid, &id),
        started_at: record.started_at.unwrap_or(now),
        state,
    })
}
