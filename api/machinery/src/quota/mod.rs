//! What objects use of a ResourceQuota, and whether one more fits into it.
//!
//! Admission charges with it, the quota controller adds up with it: one arithmetic for both.

mod charge;
mod objects;
mod pods;
mod scopes;

pub use charge::{charge, parse};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuotaSpec, Service};
use podium_types::Quantity;
use serde::Deserialize;
use serde_json::Value;

/// An object as quotas see it.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// A pod: counted, and measured by what it asks for.
    Pod(&'a Pod),
    /// A Service: counted, also by what it opens.
    Service(&'a Service),
    /// A claim: counted, and measured by the storage it asks for.
    Claim(&'a PersistentVolumeClaim),
    /// Any other, by its storage name: only counted.
    Other(&'a str),
}

impl Subject<'_> {
    /// What it uses of the amount that a quota calls `name`; `None` where that is not about such objects.
    pub fn amount(self, name: &str) -> Option<Quantity> {
        match self {
            Subject::Pod(pod) => pods::amount(pod, name),
            Subject::Service(service) => objects::of_service(service, name),
            Subject::Claim(claim) => objects::of_claim(claim, name),
            Subject::Other(resource) => objects::counts(resource, name).then(|| one(1)),
        }
    }
    /// Whether it is in every scope of a quota.
    pub fn within(self, quota: &ResourceQuotaSpec) -> bool {
        scopes::all(self, quota)
    }
}

/// An object read so that quotas can look at it.
pub enum Measured {
    /// A pod.
    Pod(Box<Pod>),
    /// A Service.
    Service(Box<Service>),
    /// A claim.
    Claim(Box<PersistentVolumeClaim>),
    /// Any other, by its storage name.
    Other(&'static str),
}

impl Measured {
    /// Reads an object of the kind with that storage name; `None` where it has not its kind's form.
    pub fn read(resource: &'static str, object: &Value) -> Option<Self> {
        match resource {
            "pods" => Pod::deserialize(object).ok().map(|pod| Self::Pod(Box::new(pod))),
            "services" => Service::deserialize(object).ok().map(|service| Self::Service(Box::new(service))),
            "persistentvolumeclaims" => {
                PersistentVolumeClaim::deserialize(object).ok().map(|claim| Self::Claim(Box::new(claim)))
            }
            _ => Some(Self::Other(resource)),
        }
    }
    /// The object as quotas see it.
    pub fn subject(&self) -> Subject<'_> {
        match self {
            Self::Pod(pod) => Subject::Pod(pod),
            Self::Service(service) => Subject::Service(service),
            Self::Claim(claim) => Subject::Claim(claim),
            Self::Other(resource) => Subject::Other(resource),
        }
    }
}

/// A number of things.
fn one(count: usize) -> Quantity {
    Quantity::from_milli(i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(1000))
}

#[cfg(test)]
mod tests;
