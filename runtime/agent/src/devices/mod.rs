//! Extended resources by device plugins: who they are, what they have, and what containers get of it.
//!
//! A plugin registers at the node's socket; the node then follows its list of devices and asks it before a container
//! gets any. Who holds what is on disk, so that a restarted agent gives nothing twice. Deliberately absent: topology
//! hints and CDI.

mod give;
mod messages;
mod proto;
mod registry;
mod rpc;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use messages::GivenMount;
pub(crate) use messages::{Answer, GivenDevice};
pub(crate) use registry::child;

use crate::{Error, Result, error::io};
use messages::Registration;
use podium_lifecycle::{
    devices::{Holding, Ledger},
    resources::Amounts,
};
use podium_types::Quantity;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Where plugins look for the node's socket, in the directory of their own.
const SOCKET: &str = "kubelet.sock";
/// Who holds what; below the data directory.
const CHECKPOINT: &str = "devices.json";

/// The node's devices.
pub(crate) struct Devices {
    /// Of all sockets.
    dir: PathBuf,
    checkpoint: PathBuf,
    ledger: Mutex<Ledger<Answer>>,
    /// By resource, with the number of the registration: the last one counts.
    plugins: Mutex<BTreeMap<String, (u64, Registration)>>,
    /// One pod at a time gets devices.
    lane: tokio::sync::Mutex<()>,
    /// Counts changes of what there is.
    pub changed: watch::Sender<u64>,
}

impl Devices {
    /// With what was held when the agent last ran.
    pub fn open(dir: &Path, data_dir: &Path) -> Result<Self> {
        let checkpoint = data_dir.join(CHECKPOINT);
        let held: Vec<Holding<Answer>> = match std::fs::read(&checkpoint) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|e| Error::Other(format!("{}: {e}", checkpoint.display())))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io(format!("read {}", checkpoint.display()))(error)),
        };
        Ok(Self {
            dir: dir.to_owned(),
            checkpoint,
            ledger: Mutex::new(Ledger::restore(held)),
            plugins: Mutex::default(),
            lane: tokio::sync::Mutex::default(),
            changed: watch::Sender::default(),
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger<Answer>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plugins(&self) -> MutexGuard<'_, BTreeMap<String, (u64, Registration)>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `base` with all devices that there are.
    pub fn capacity(&self, base: &Amounts) -> Amounts {
        with(base, self.ledger().capacity())
    }

    /// `base` with those that are well.
    pub fn allocatable(&self, base: &Amounts) -> Amounts {
        with(base, self.ledger().allocatable())
    }

    /// A pod is gone: others may have its devices.
    pub fn release(&self, pod: &str) -> Result<()> {
        let mut ledger = self.ledger();
        if ledger.release(pod) { self.save(&ledger) } else { Ok(()) }
    }

    fn save(&self, ledger: &Ledger<Answer>) -> Result<()> {
        let next = self.checkpoint.with_extension("next");
        let bytes = serde_json::to_vec(ledger.held()).map_err(|e| Error::Other(e.to_string()))?;
        std::fs::write(&next, bytes).map_err(io("write the devices' checkpoint"))?;
        std::fs::rename(&next, &self.checkpoint).map_err(io("replace the devices' checkpoint"))
    }

    /// The pod holds devices.
    pub fn has(&self, pod: &str) -> bool {
        self.ledger().held().iter().any(|holding| holding.pod == pod)
    }

    /// Adds to a pod's status how the devices of its containers are.
    pub fn decorate(&self, pod: &str, status: &mut Value) {
        for list in ["initContainerStatuses", "containerStatuses"] {
            for container in status.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                let found = container["name"].as_str().and_then(|name| self.status(pod, name));
                if let Some(found) = found {
                    container["allocatedResourcesStatus"] = found;
                }
            }
        }
    }

    /// `allocatedResourcesStatus` of a container: how its devices are; None where it has none.
    fn status(&self, pod: &str, container: &str) -> Option<Value> {
        let ledger = self.ledger();
        let health = |resource: &str, id: &str| match ledger.health(resource, id) {
            Some(true) => "Healthy",
            Some(false) => "Unhealthy",
            None => "Unknown",
        };
        let one = |holding: &Holding<Answer>| {
            let ids = holding.devices.iter();
            let resources: Vec<Value> =
                ids.map(|id| json!({ "resourceID": id, "health": health(&holding.resource, id) })).collect();
            json!({ "name": holding.resource, "resources": resources })
        };
        let all: Vec<Value> = ledger.of(pod, container).map(one).collect();
        (!all.is_empty()).then(|| all.into())
    }
}

fn with(base: &Amounts, more: BTreeMap<String, Quantity>) -> Amounts {
    let more = more
        .into_iter()
        .map(|(name, amount)| (name, k8s_openapi::apimachinery::pkg::api::resource::Quantity(amount.to_string())));
    base.clone().into_iter().chain(more).collect()
}
