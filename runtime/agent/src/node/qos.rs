//! The groups above pods: what all pods together may use, and what the classes of pods weigh against each other.

use crate::{Result, error::blocking, shared::Shared};
use k8s_openapi::api::core::v1::Pod;
use podium_lifecycle::{
    qos::{self, QosClass},
    resources::{amount, request, shares},
};
use podium_oci::Resources;
use podium_supervision::{ChildSpec, Ctx, Handle, Worker};
use std::{sync::Arc, time::Duration};

/// How often weights follow the pods.
const LOOK: Duration = Duration::from_secs(10);
/// The least that the kernel knows: pods that ask for nothing get what others leave.
const BEST_EFFORT_SHARES: u64 = 2;

pub(crate) fn qos_child(shared: &Arc<Shared>) -> ChildSpec {
    let shared = shared.clone();
    podium_supervision::child("qos", &Handle::new(), move || QosActor { shared: shared.clone(), burstable: None })
}

struct QosActor {
    shared: Arc<Shared>,
    /// As last written.
    burstable: Option<u64>,
}

impl Worker for QosActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let shared = self.shared.clone();
        ctx.wait(blocking(move || frame(&shared)), |me: &mut Self, outcome, ctx| {
            if let Err(error) = outcome {
                tracing::warn!(%error, "limiting pods to the node's allocatable resources");
            }
            ctx.ready();
            me.look(ctx);
        });
    }

    fn handle(&mut self, (): (), _: &mut Ctx<'_, Self>) {}
}

impl QosActor {
    fn look(&mut self, ctx: &mut Ctx<'_, Self>) {
        let slots = self.shared.pods.list();
        let pods: Vec<Arc<Pod>> = slots.iter().filter(|slot| !slot.ended()).map(|slot| slot.pod.load_full()).collect();
        let wanted = burstable_shares(&pods);
        if self.burstable != Some(wanted) {
            let shared = self.shared.clone();
            ctx.spawn(blocking(move || weigh(&shared, "burstable", wanted)), move |me: &mut Self, outcome, _| {
                match outcome {
                    Ok(()) => me.burstable = Some(wanted),
                    Err(error) => tracing::warn!(%error, "weighing burstable pods"),
                }
            });
        }
        ctx.later(LOOK, |me, ctx| me.look(ctx));
    }
}

/// What burstable pods ask for together.
fn burstable_shares(pods: &[Arc<Pod>]) -> u64 {
    let burstable = pods.iter().filter(|pod| qos::class(pod) == QosClass::Burstable);
    shares(burstable.map(|pod| request(pod, "cpu")).fold(0, i64::saturating_add))
}

/// All pods together get what is not reserved: CPU as a weight, memory as a limit. What must stay free by eviction
/// thresholds is no limit: pods above it are asked to leave.
fn frame(shared: &Shared) -> Result<()> {
    let (capacity, settings) = (&shared.machine.capacity, &shared.settings);
    let reserved = |name: &str| {
        let maps = [&settings.kube_reserved, &settings.system_reserved];
        let amounts = maps.into_iter().filter_map(|map| podium_types::Quantity::parse(map.get(name)?).ok());
        amounts.sum::<podium_types::Quantity>()
    };
    let left = |name: &str| amount(Some(capacity), name).map(|all| all - reserved(name));
    let memory = left("memory").filter(|_| !reserved("memory").is_zero()).map(|left| left.value().max(1));
    let resources = Resources {
        cpu_shares: left("cpu").map(|left| shares(left.milli_value())),
        // A limit of an earlier life goes away.
        memory_limit_bytes: Some(memory.unwrap_or(-1)),
        ..Resources::default()
    };
    shared.cgroups.create(&format!("/podium-{}", shared.id), &resources)?;
    weigh(shared, "besteffort", BEST_EFFORT_SHARES)
}

fn weigh(shared: &Shared, class: &str, shares: u64) -> Result<()> {
    let resources = Resources { cpu_shares: Some(shares), ..Resources::default() };
    Ok(shared.cgroups.create(&format!("/podium-{}/{class}", shared.id), &resources)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn burstable_pods_weigh_what_they_ask_for() {
        let pod = |resources: serde_json::Value| -> Arc<Pod> {
            let pod = json!({ "spec": { "containers": [{ "name": "a", "resources": resources }] } });
            Arc::new(serde_json::from_value(pod).expect("a pod"))
        };
        let burstable = pod(json!({ "requests": { "cpu": "250m" } }));
        let best_effort = pod(json!({}));
        let guaranteed = pod(json!({ "limits": { "cpu": "1", "memory": "1Gi" } }));
        for (pods, expected) in [
            (vec![], 2),
            (vec![best_effort.clone(), guaranteed.clone()], 2),
            (vec![burstable.clone(), guaranteed], 256),
            (vec![burstable.clone(), burstable, best_effort], 512),
        ] {
            assert_eq!(burstable_shares(&pods), expected);
        }
    }
}
