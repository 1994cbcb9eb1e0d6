//! Pure controllers: a folder per controller, `decide(view, key, now, ids) -> Plan`.
//!
//! Level-triggered: events update the [`View`] and wake a key; they carry no data into a
//! decision. Deliberately absent: the clock, randomness, I/O, `HashMap` iteration.

pub mod aggregation;
pub mod autoscaler;
pub mod certificates;
pub mod controller;
pub mod cronjob;
pub mod daemonset;
pub mod deployment;
pub mod disruption;
pub mod endpoints;
pub mod eventttl;
pub mod garbagecollector;
pub mod hash;
pub mod history;
pub mod job;
pub mod namespace;
pub mod nodeipam;
pub mod nodelifecycle;
pub mod nodettl;
pub mod owners;
pub mod plan;
pub mod podgc;
pub mod pods;
pub mod quantity;
pub mod refusal;
pub mod replicaset;
pub mod resource;
pub mod resourcequota;
pub mod resources;
pub mod rootca;
pub mod selector;
pub mod serviceaccount;
pub mod servicecidr;
pub mod share;
pub mod statefulset;
pub mod storage;
pub mod template;
pub mod time;
pub mod tokens;
pub mod view;
pub mod write;

pub use controller::{Controller, Ids};
pub use plan::{EventRecord, Plan, PlannedWrite};
pub use refusal::{Refusal, Verb};
pub use resources::Resources;
pub use view::View;

/// Every controller of this crate. `ca` is the cluster's CA certificate (PEM), `pod_cidr`
/// the network of its pods; the reason where that is no network.
pub fn all(ca: &str, pod_cidr: &str) -> Result<Vec<Box<dyn Controller>>, String> {
    Ok(vec![
        Box::new(deployment::DeploymentController),
        Box::new(replicaset::ReplicaSetController),
        Box::new(replicaset::ReplicationController),
        Box::new(statefulset::StatefulSetController),
        Box::new(daemonset::DaemonSetController),
        Box::new(job::JobController),
        Box::new(cronjob::CronJobController),
        Box::new(disruption::DisruptionController),
        Box::new(autoscaler::AutoscalerController),
        Box::new(resourcequota::ResourceQuotaController),
        Box::new(storage::BinderController),
        Box::new(storage::ClaimProtection),
        Box::new(storage::VolumeProtection),
        Box::new(storage::EphemeralController),
        Box::new(aggregation::AggregationController),
        Box::new(certificates::ApprovingController),
        Box::new(certificates::SigningController::new(ca)),
        Box::new(certificates::CleaningController),
        Box::new(endpoints::EndpointsController),
        Box::new(endpoints::EndpointSliceController),
        Box::new(servicecidr::RangeController),
        Box::new(servicecidr::AddressController),
        Box::new(endpoints::EndpointSliceMirroringController),
        Box::new(namespace::NamespaceController),
        Box::new(serviceaccount::ServiceAccountController),
        Box::new(rootca::RootCaController::new(ca)),
        Box::new(tokens::TokensController::new(ca)),
        Box::new(nodeipam::NodeIpamController::new(pod_cidr)?),
        Box::new(nodelifecycle::NodeLifecycleController),
        Box::new(nodettl::NodeTtlController),
        Box::new(podgc::PodGcController),
        Box::new(garbagecollector::GarbageCollector),
        Box::new(eventttl::EventTtlController),
    ])
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
