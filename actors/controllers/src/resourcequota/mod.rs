//! Says how much of each ResourceQuota is used. Refusing what goes beyond is admission's part.

mod usage;

use crate::{Controller, Ids, Plan, View, pods, resource, view::Item, write};
use k8s_openapi::{
    api::core::v1::{ResourceQuota, ResourceQuotaStatus},
    apimachinery::pkg::api::resource::Quantity as Amount,
};
use podium_machinery::state::{Change, Event};
use podium_types::{Key, Quantity, Timestamp};
use std::collections::BTreeMap;

/// The controller of ResourceQuotas.
pub struct ResourceQuotaController;

impl Controller for ResourceQuotaController {
    fn name(&self) -> &'static str {
        "resourcequota"
    }
    fn watches(&self) -> &'static [&'static str] {
        // Objects of any kind can be counted.
        &[]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        match resource {
            resource::QUOTAS => vec![key.clone()],
            resource::PODS => {
                let counts = |pod: &&std::sync::Arc<Item<_>>| pods::terminal(pod);
                let ended = [view.pods.get(key), view.replaced(event)].map(|pod| pod.as_ref().is_some_and(counts));
                let moved = event.change != Change::Modified || ended[0] != ended[1];
                here(view, key, moved)
            }
            resource::SERVICES | resource::CLAIMS => here(view, key, true),
            _ => here(view, key, event.change != Change::Modified),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.quotas.all().map(|quota| quota.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(quota) = view.quotas.get(key) else { return Plan::default() };
        let status = status(view, quota);
        let writes = write::status(resource::QUOTAS, quota, quota.status.as_ref(), &status).into_iter().collect();
        Plan { writes, ..Plan::default() }
    }
}

/// The quotas of the namespace of an object.
fn here(view: &View, key: &Key, concerned: bool) -> Vec<Key> {
    let quotas = view.quotas.of(&key.namespace).filter(|_| concerned && !key.namespace.is_empty());
    quotas.map(|quota| quota.key().clone()).collect()
}

fn status(view: &View, quota: &Item<ResourceQuota>) -> ResourceQuotaStatus {
    let hard = quota.spec.as_ref().and_then(|spec| spec.hard.clone()).unwrap_or_default();
    let used: BTreeMap<String, Amount> = hard
        .keys()
        .filter_map(|name| Some((name.clone(), Amount(usage::of(view, quota, name)?.to_string()))))
        .collect();
    // An amount that is written otherwise but is the same stays as it is.
    let before = quota.status.as_ref().and_then(|status| status.used.as_ref());
    let same = |name: &String, amount: &Amount| {
        let old = before.and_then(|used| used.get(name))?;
        let equal = Quantity::parse(&old.0).ok() == Quantity::parse(&amount.0).ok();
        equal.then(|| old.clone())
    };
    let used = used.into_iter().map(|(name, amount)| (name.clone(), same(&name, &amount).unwrap_or(amount))).collect();
    ResourceQuotaStatus { hard: Some(hard), used: Some(used) }
}
