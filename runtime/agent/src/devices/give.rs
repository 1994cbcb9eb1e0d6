//! Gives devices to the containers of a pod.

use super::{Answer, Devices, messages, rpc};
use crate::{Error, Result};
use k8s_openapi::api::core::v1::{Container, Pod};
use podium_lifecycle::{
    devices::{Holding, Ids, Offer, Wish},
    resources::amount,
};
use std::{path::PathBuf, time::Duration};

/// How long a plugin may take to say what it prefers or gives.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take before a container starts (the kubelet's limit).
const PRE_START_PATIENCE: Duration = Duration::from_secs(30);

impl Devices {
    /// Gives each container what it asks for; those that have it keep it.
    pub async fn give(&self, uid: &str, pod: &Pod) -> Result<()> {
        let Some(spec) = &pod.spec else { return Ok(()) };
        let passing = |c: &Container| c.restart_policy.as_deref() != Some("Always");
        let inits = spec.init_containers.iter().flatten().map(|c| (c, passing(c)));
        let all: Vec<_> = inits.chain(spec.containers.iter().map(|c| (c, false))).collect();
        if all.iter().all(|(c, _)| self.wishes(c).is_empty()) {
            return Ok(());
        }
        let _lane = self.lane.lock().await;
        for (container, passing) in all {
            for (resource, count) in self.wishes(container) {
                let wish = Wish { pod: uid, container: &container.name, resource: &resource, count };
                if let Err(why) = self.fulfil(wish, passing).await {
                    // Nobody waits with the half of what it needs.
                    self.release(uid)?;
                    return Err(Error::Unexpected(format!("Allocate failed due to {why}, which is unexpected")));
                }
            }
        }
        Ok(())
    }

    /// Resources of plugins that the container asks for.
    fn wishes(&self, container: &Container) -> Vec<(String, usize)> {
        let limits = container.resources.as_ref().and_then(|r| r.limits.as_ref());
        let ledger = self.ledger();
        let named = limits.into_iter().flat_map(|map| map.keys()).filter(|name| ledger.manages(name));
        let counted = named.filter_map(|name| {
            let count = usize::try_from(amount(limits, name)?.value()).ok().filter(|count| *count > 0)?;
            Some((name.clone(), count))
        });
        counted.collect()
    }

    async fn fulfil(&self, wish: Wish<'_>, passing: bool) -> Result<(), String> {
        let Some(offer) = self.ledger().offer(wish)? else { return Ok(()) };
        let (socket, preferences) = self
            .plugin(wish.resource)
            .ok_or_else(|| format!("endpoint not found in cache for a registered resource: {}", wish.resource))?;
        let devices = self.choose(&socket, preferences, &offer, wish.count).await?;
        let request = messages::allocate(&devices);
        let answer = within(PATIENCE, rpc::call(&socket, "/v1beta1.DevicePlugin/Allocate", &request)).await?;
        let answer = Answer::read(&answer)?;
        let mut ledger = self.ledger();
        ledger.hold(Holding {
            pod: wish.pod.to_owned(),
            container: wish.container.to_owned(),
            resource: wish.resource.to_owned(),
            devices,
            passing,
            answer,
        });
        self.save(&ledger).map_err(|error| error.to_string())
    }

    async fn choose(
        &self,
        socket: &std::path::Path,
        preferences: bool,
        offer: &Offer,
        count: usize,
    ) -> Result<Ids, String> {
        // Where there is no choice nobody is asked.
        if !preferences || offer.from.len() == count {
            return Ok(offer.choose(&[], count));
        }
        let request = messages::prefer(&offer.from, &offer.first, count);
        let call = rpc::call(socket, "/v1beta1.DevicePlugin/GetPreferredAllocation", &request);
        let preferred = messages::read_preferred(&within(PATIENCE, call).await?)?;
        Ok(offer.choose(&preferred, count))
    }

    /// The socket of the plugin that answers for a resource, and whether it has preferences.
    fn plugin(&self, resource: &str) -> Option<(PathBuf, bool)> {
        let plugins = self.plugins();
        let (_, registration) = plugins.get(resource)?;
        Some((self.dir.join(&registration.endpoint), registration.preferences))
    }

    /// What a container gets with its devices. Plugins that want to are told that it is about to start.
    pub async fn prepare(&self, pod: &str, container: &str) -> Result<Answer> {
        let held: Vec<(String, Ids, Answer)> = {
            let ledger = self.ledger();
            ledger.of(pod, container).map(|h| (h.resource.clone(), h.devices.clone(), h.answer.clone())).collect()
        };
        let mut all = Answer::default();
        for (resource, devices, answer) in &held {
            let wants =
                self.plugins().get(resource).filter(|(_, plugin)| plugin.pre_start).map(|(_, p)| p.endpoint.clone());
            if let Some(endpoint) = wants {
                let (socket, request) = (self.dir.join(endpoint), messages::pre_start(devices));
                let call = rpc::call(&socket, "/v1beta1.DevicePlugin/PreStartContainer", &request);
                within(PRE_START_PATIENCE, call)
                    .await
                    .map_err(|e| Error::Other(format!("device plugin PreStartContainer rpc failed with err: {e}")))?;
            }
            all.merge(answer);
        }
        Ok(all)
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let outcome = tokio::time::timeout(limit, call).await;
    outcome.unwrap_or_else(|_| Err(format!("rpc error: code = 4 desc = no answer within {} s", limit.as_secs())))
}
