//! Whether an object fits into a quota, and what the quota's status says once it is in.

use super::{Subject, pods};
use k8s_openapi::{api::core::v1::ResourceQuota, apimachinery::pkg::api::resource::Quantity as Amount};
use podium_types::Quantity;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Amounts by the names that a quota uses.
type Amounts = BTreeMap<String, Quantity>;

/// What `status.used` becomes when `new` comes (in the place of `old`): only the amounts that change,
/// nothing where the quota does not mind. Refused in Kubernetes' words where it does not fit.
///
/// A quota without status yet does not limit: its controller is about to say what is used.
///
/// # Errors
/// Why it does not fit.
pub fn charge(
    quota: &ResourceQuota,
    new: Subject<'_>,
    old: Option<Subject<'_>>,
) -> Result<BTreeMap<String, String>, String> {
    let title = quota.metadata.name.as_deref().unwrap_or_default();
    let (Some(spec), Some(status)) = (&quota.spec, &quota.status) else { return Ok(BTreeMap::new()) };
    if !new.within(spec) {
        return Ok(BTreeMap::new());
    }
    let old = old.filter(|old| old.within(spec));
    let mut limits = Amounts::new();
    let mut asked = Amounts::new();
    for (name, hard) in status.hard.iter().flatten() {
        if let Some(amount) = new.amount(name) {
            limits.insert(name.clone(), read(hard));
            let before = old.and_then(|old| old.amount(name)).unwrap_or_default();
            if amount > before {
                asked.insert(name.clone(), amount - before);
            }
        }
    }
    if let (Subject::Pod(pod), None) = (new, old)
        && let Some(why) = pods::missing(pod, limits.keys().map(String::as_str))
    {
        return Err(format!("failed quota: {title}: {why}"));
    }
    let used = status.used.clone().unwrap_or_default();
    let unknown: Vec<&str> = limits.keys().filter(|name| !used.contains_key(*name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(format!("status unknown for quota: {title}, resources: {}", unknown.join(",")));
    }
    let used: Amounts = used.iter().map(|(name, amount)| (name.clone(), read(amount))).collect();
    let after = |name: &str, more: Quantity| used.get(name).copied().unwrap_or_default() + more;
    let beyond: Vec<&str> = asked
        .iter()
        .filter(|(name, more)| limits.get(*name).is_some_and(|limit| after(name, **more) > *limit))
        .map(|(name, _)| name.as_str())
        .collect();
    if !beyond.is_empty() {
        let list = |of: &Amounts| {
            let each = beyond.iter().map(|name| format!("{name}={}", of.get(*name).copied().unwrap_or_default()));
            each.collect::<Vec<_>>().join(",")
        };
        let (asked, used, limits) = (list(&asked), list(&used), list(&limits));
        return Err(format!("exceeded quota: {title}, requested: {asked}, used: {used}, limited: {limits}"));
    }
    Ok(asked.iter().map(|(name, more)| (name.clone(), after(name, *more).to_string())).collect())
}

/// The quota in an object; one without amounts where it has not that form.
pub fn parse(object: &serde_json::Value) -> ResourceQuota {
    ResourceQuota::deserialize(object).unwrap_or_default()
}

fn read(amount: &Amount) -> Quantity {
    Quantity::parse(&amount.0).unwrap_or_default()
}
