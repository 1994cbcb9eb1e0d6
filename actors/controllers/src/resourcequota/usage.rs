//! Adds up what the objects of a namespace use of one name of a quota.

use crate::{View, resource, view::Item};
use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};
use podium_machinery::quota::Subject;
use podium_types::Quantity;

/// What the objects in the quota's scopes use of a name; `None` where nothing is known by it.
pub fn of(view: &View, quota: &Item<ResourceQuota>, name: &str) -> Option<Quantity> {
    let all = ResourceQuotaSpec::default();
    let scope = quota.spec.as_ref().unwrap_or(&all);
    let namespace = quota.key().namespace.as_str();
    let sum =
        |amounts: &mut dyn Iterator<Item = Quantity>| amounts.next().map(|first| amounts.fold(first, |a, b| a + b));
    // The name alone says which objects it is about, so the first kind that knows it is the one.
    let empty = |subject: Subject<'_>| subject.amount(name).map(|_| Quantity::default());
    if let Some(none) = empty(Subject::Pod(&Default::default())) {
        let pods = view.pods.of(namespace).map(|pod| Subject::Pod(pod)).filter(|pod| pod.within(scope));
        return Some(sum(&mut pods.filter_map(|pod| pod.amount(name))).unwrap_or(none));
    }
    if let Some(none) = empty(Subject::Service(&Default::default())) {
        let services = view.services.of(namespace).map(|s| Subject::Service(s)).filter(|s| s.within(scope));
        return Some(sum(&mut services.filter_map(|s| s.amount(name))).unwrap_or(none));
    }
    if let Some(none) = empty(Subject::Claim(&Default::default())) {
        let claims = view.claims.of(namespace).map(|claim| Subject::Claim(claim)).filter(|c| c.within(scope));
        return Some(sum(&mut claims.filter_map(|claim| claim.amount(name))).unwrap_or(none));
    }
    let resource = resource::lookup(name.strip_prefix("count/").unwrap_or(name))?;
    let each = Subject::Other(resource);
    let counted = view.in_namespace(resource, namespace).filter(|_| each.within(scope));
    Some(sum(&mut counted.filter_map(|_| each.amount(name))).unwrap_or_default())
}
