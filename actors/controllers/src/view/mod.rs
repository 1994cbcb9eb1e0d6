//! The controllers' picture of the cluster, folded from events.
//!
//! One view serves every controller: clones share everything, so a folding actor can
//! publish a clone after each event. Complete only once the first list of every kind
//! was folded; nothing may be decided before. Only what pods use is in no event: it is
//! measured, and put in as a whole.

mod attempts;
mod header;
mod index;
mod item;
mod labels;
mod load;
mod moves;
mod neighbours;
mod shelf;
mod trim;
mod wanted;

pub use attempts::Attempt;
pub use header::Header;
pub use index::Index;
pub use item::{Item, Typed};
pub use load::{HostPort, Load, pod_ports, weight};
pub use moves::Moves;
pub use shelf::Shelf;

use crate::{
    owners, pods, resource,
    selector::{self, Labels},
};
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    coordination::v1::Lease,
    core::v1::{
        Endpoints, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, ReplicationController, ResourceQuota,
        Service, ServiceAccount,
    },
    discovery::v1::EndpointSlice,
    policy::v1::PodDisruptionBudget,
    storage::v1::StorageClass,
};
use labels::Labelled;
use podium_machinery::{
    state::{Change, Event},
    usage::Usage,
};
use podium_types::{Key, Timestamp};
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use std::{ops::Bound, sync::Arc};
use wanted::Wanted;

/// An object of any kind: storage name and key.
pub type Ref = (&'static str, Key);

/// Who selects pods, by what those bear.
#[derive(Clone, Default)]
struct Selecting {
    services: Wanted<Key>,
    budgets: Wanted<Key>,
    groups: Wanted<String>,
}

/// Typed, indexed objects of every kind that controllers look at.
#[derive(Clone)]
pub struct View {
    /// Pods.
    pub pods: Shelf<Pod>,
    /// Nodes.
    pub nodes: Shelf<Node>,
    /// Namespaces.
    pub namespaces: Shelf<Namespace>,
    /// Services.
    pub services: Shelf<Service>,
    /// ServiceAccounts.
    pub service_accounts: Shelf<ServiceAccount>,
    /// Endpoints.
    pub endpoints: Shelf<Endpoints>,
    /// EndpointSlices.
    pub endpoint_slices: Shelf<EndpointSlice>,
    /// Leases.
    pub leases: Shelf<Lease>,
    /// ReplicaSets.
    pub replica_sets: Shelf<ReplicaSet>,
    /// Deployments.
    pub deployments: Shelf<Deployment>,
    /// StatefulSets.
    pub stateful_sets: Shelf<StatefulSet>,
    /// DaemonSets.
    pub daemon_sets: Shelf<DaemonSet>,
    /// ControllerRevisions.
    pub revisions: Shelf<ControllerRevision>,
    /// Jobs.
    pub jobs: Shelf<Job>,
    /// CronJobs.
    pub cron_jobs: Shelf<CronJob>,
    /// ReplicationControllers.
    pub replication_controllers: Shelf<ReplicationController>,
    /// PersistentVolumeClaims.
    pub claims: Shelf<PersistentVolumeClaim>,
    /// PersistentVolumes.
    pub volumes: Shelf<PersistentVolume>,
    /// StorageClasses.
    pub storage_classes: Shelf<StorageClass>,
    /// PodDisruptionBudgets.
    pub budgets: Shelf<PodDisruptionBudget>,
    /// ResourceQuotas.
    pub quotas: Shelf<ResourceQuota>,
    /// HorizontalPodAutoscalers.
    pub autoscalers: Shelf<HorizontalPodAutoscaler>,
    /// What nodes and pods use, while somebody wants to know.
    pub usage: Arc<Usage>,
    /// Keys of pods by the node they are bound to.
    pub pods_by_node: Index<Key>,
    /// Pods that no controller owns, by namespace.
    pub strays: Index<Key>,
    /// ReplicaSets that no controller owns, by namespace.
    pub stray_sets: Index<Key>,
    /// Pods that wait for a node, by scheduler name.
    pub pending: Index<Key>,
    /// EndpointSlices by namespace and Service, written `namespace/service`.
    pub slices_by_service: Index<Key>,
    /// Objects by the uid of each owner.
    pub dependents: Index<Ref>,
    /// From when on events are heard; whoever was silent before may have been heard by nobody.
    pub since: Option<Timestamp>,
    /// When that which waiting pods may need last changed.
    pub moves: Moves,
    attempts: RedBlackTreeMapSync<String, Attempt>,
    loads: RedBlackTreeMapSync<String, Load>,
    labelled: Labelled,
    neighbourly: Index<Key>,
    selecting: Selecting,
    everything: RedBlackTreeMapSync<Ref, Arc<Header>>,
    uids: RedBlackTreeMapSync<String, Ref>,
    deleting: RedBlackTreeSetSync<Ref>,
    replaced: Option<Arc<Item<Pod>>>,
}

impl Default for View {
    fn default() -> Self {
        Self {
            pods: Shelf::default(),
            nodes: Shelf::default(),
            namespaces: Shelf::default(),
            services: Shelf::default(),
            service_accounts: Shelf::default(),
            endpoints: Shelf::default(),
            endpoint_slices: Shelf::default(),
            leases: Shelf::default(),
            replica_sets: Shelf::default(),
            deployments: Shelf::default(),
            stateful_sets: Shelf::default(),
            daemon_sets: Shelf::default(),
            revisions: Shelf::default(),
            jobs: Shelf::default(),
            cron_jobs: Shelf::default(),
            replication_controllers: Shelf::default(),
            claims: Shelf::default(),
            volumes: Shelf::default(),
            storage_classes: Shelf::default(),
            budgets: Shelf::default(),
            quotas: Shelf::default(),
            autoscalers: Shelf::default(),
            usage: Arc::default(),
            pods_by_node: Index::default(),
            strays: Index::default(),
            stray_sets: Index::default(),
            pending: Index::default(),
            slices_by_service: Index::default(),
            dependents: Index::default(),
            since: None,
            moves: Moves::default(),
            attempts: RedBlackTreeMapSync::new_sync(),
            loads: RedBlackTreeMapSync::new_sync(),
            labelled: Labelled::default(),
            neighbourly: Index::default(),
            selecting: Selecting::default(),
            everything: RedBlackTreeMapSync::new_sync(),
            uids: RedBlackTreeMapSync::new_sync(),
            deleting: RedBlackTreeSetSync::new_sync(),
            replaced: None,
        }
    }
}

impl View {
    /// Folds one event of a kind (storage name) into the view. Kinds that are not served
    /// are passed over.
    pub fn apply(&mut self, resource: &str, event: &Event) {
        let Some(resource) = resource::lookup(resource) else { return };
        self.fold_header(resource, event);
        if resource::STORAGE.contains(&resource) {
            self.moves.storage = event.revision;
        }
        match resource {
            resource::PODS => self.fold_pod(event),
            resource::NODES => {
                let (old, new) = self.nodes.fold(event);
                self.moves.node(old.as_deref(), new.as_deref(), event.revision);
            }
            resource::NAMESPACES => {
                let (old, new) = self.namespaces.fold(event);
                let object = |item: Option<Arc<Item<Namespace>>>| item.map(|item| item.object.clone());
                self.moves.namespace(object(old).as_deref(), object(new).as_deref(), event.revision);
            }
            resource::SERVICES => {
                let (_, new) = self.services.fold(event);
                let aims = new.as_deref().map(wanted::service).unwrap_or_default();
                self.selecting.services.set(&event.object.key, &aims);
            }
            resource::SERVICE_ACCOUNTS => drop(self.service_accounts.fold(event)),
            resource::ENDPOINTS => drop(self.endpoints.fold(event)),
            resource::ENDPOINT_SLICES => self.fold_slice(event),
            resource::LEASES => drop(self.leases.fold(event)),
            resource::REPLICA_SETS => self.fold_set(event),
            resource::DEPLOYMENTS => drop(self.deployments.fold(event)),
            resource::STATEFUL_SETS => drop(self.stateful_sets.fold(event)),
            resource::DAEMON_SETS => drop(self.daemon_sets.fold(event)),
            resource::CONTROLLER_REVISIONS => drop(self.revisions.fold(event)),
            resource::JOBS => drop(self.jobs.fold(event)),
            resource::CRON_JOBS => drop(self.cron_jobs.fold(event)),
            resource::REPLICATION_CONTROLLERS => drop(self.replication_controllers.fold(event)),
            resource::CLAIMS => drop(self.claims.fold(event)),
            resource::VOLUMES => drop(self.volumes.fold(event)),
            resource::STORAGE_CLASSES => drop(self.storage_classes.fold(event)),
            resource::BUDGETS => {
                let (_, new) = self.budgets.fold(event);
                let aims = new.as_deref().map(wanted::budget).unwrap_or_default();
                self.selecting.budgets.set(&event.object.key, &aims);
            }
            resource::QUOTAS => drop(self.quotas.fold(event)),
            resource::AUTOSCALERS => drop(self.autoscalers.fold(event)),
            _ => {}
        }
    }

    /// The object of that kind and key.
    pub fn header(&self, resource: &str, key: &Key) -> Option<&Arc<Header>> {
        self.everything.get(&(resource::lookup(resource)?, key.clone()))
    }
    /// The object with that uid.
    pub fn by_uid(&self, uid: &str) -> Option<&Arc<Header>> {
        self.everything.get(self.uids.get(uid)?)
    }
    /// All objects of one kind, in list order.
    pub fn of_kind(&self, resource: &'static str) -> impl Iterator<Item = &Arc<Header>> {
        let start = Bound::Included((resource, Key::default()));
        self.everything
            .range((start, Bound::Unbounded))
            .map(|(_, header)| header)
            .take_while(move |header| header.resource == resource)
    }
    /// All objects of one kind in one namespace, in list order.
    pub fn in_namespace<'a>(
        &'a self,
        resource: &'static str,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Header>> {
        let start = Bound::Included((resource, Key::new(namespace, "")));
        self.everything
            .range((start, Bound::Unbounded))
            .map(|(_, header)| header)
            .take_while(move |header| header.resource == resource && header.key().namespace == namespace)
    }
    /// Every object of every kind, by kind and key.
    pub fn everything(&self) -> impl Iterator<Item = &Arc<Header>> {
        self.everything.values()
    }
    /// Objects whose deletion has begun and that finalizers keep.
    pub fn deleting(&self) -> impl Iterator<Item = &Ref> {
        self.deleting.iter()
    }
    /// What the pods of a node ask of it.
    pub fn load(&self, node: &str) -> Option<&Load> {
        self.loads.get(node)
    }
    /// The pods bound to a node, in key order.
    pub fn pods_on<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a Arc<Item<Pod>>> {
        self.pods_by_node.get(node).filter_map(|key| self.pods.get(key))
    }
    /// The pods of a namespace that have all of these labels, in key order: found by the rarest of them.
    pub fn pods_labelled<'a, 'n>(
        &'a self,
        namespace: &'n str,
        labels: &'n Labels,
    ) -> impl Iterator<Item = &'a Arc<Item<Pod>>> + use<'a, 'n> {
        let some = self.labelled.rarest(namespace, labels).map(|keys| keys.filter_map(|key| self.pods.get(key)));
        let all = some.is_none().then(|| self.pods.of(namespace));
        some.into_iter()
            .flatten()
            .filter(|pod| selector::contains(labels, &pod.object.labels))
            .chain(all.into_iter().flatten())
    }
    /// The pods of a group that says the same of other pods, in key order.
    pub fn neighbours_of<'a>(&'a self, group: &str) -> impl Iterator<Item = &'a Arc<Item<Pod>>> {
        self.neighbourly.get(group).filter_map(|key| self.pods.get(key))
    }
    /// The pods that the object of that uid owns, in key order.
    pub fn pods_of<'a>(&'a self, owner: &str) -> impl Iterator<Item = &'a Arc<Item<Pod>>> {
        let keys = self.dependents.get(owner).filter(|(resource, _)| *resource == resource::PODS);
        keys.filter_map(|(_, key)| self.pods.get(key))
    }

    /// The pods that may belong to an owner: those that it owns, and those that no one does.
    pub fn claimable<'a>(&'a self, namespace: &str, owner: &str) -> impl Iterator<Item = &'a Arc<Item<Pod>>> {
        self.pods_of(owner).chain(self.strays.get(namespace).filter_map(|key| self.pods.get(key)))
    }
    /// The ReplicaSets that may belong to an owner: those that it owns, and those that no one does.
    pub fn claimable_sets<'a>(
        &'a self,
        namespace: &str,
        owner: &str,
    ) -> impl Iterator<Item = &'a Arc<Item<ReplicaSet>>> {
        let owned = self.dependents.get(owner).filter(|(resource, _)| *resource == resource::REPLICA_SETS);
        let keys = owned.map(|(_, key)| key).chain(self.stray_sets.get(namespace));
        keys.filter_map(|key| self.replica_sets.get(key))
    }
    /// The pod that an event replaced, where that was the last event about a pod.
    pub fn replaced(&self, event: &Event) -> Option<&Arc<Item<Pod>>> {
        let previous = event.previous.as_ref()?;
        let same = |pod: &&Arc<Item<Pod>>| pod.object.uid == previous.uid && pod.object.revision == previous.revision;
        self.replaced.as_ref().filter(same)
    }

    fn fold_header(&mut self, resource: &'static str, event: &Event) {
        let id = (resource, event.object.key.clone());
        if let Some(old) = self.everything.get(&id).cloned() {
            for owner in &old.owners {
                self.dependents.remove(&owner.uid, &id);
            }
            if self.uids.get(&old.object.uid) == Some(&id) {
                self.uids.remove_mut(&old.object.uid);
            }
            self.everything.remove_mut(&id);
            self.deleting.remove_mut(&id);
        }
        if event.change == Change::Deleted {
            return;
        }
        let Some(new) = Header::parse(resource, &event.object) else { return };
        for owner in &new.owners {
            self.dependents.insert(&owner.uid, id.clone());
        }
        self.uids.insert_mut(new.object.uid.clone(), id.clone());
        if new.deleting {
            self.deleting.insert_mut(id.clone());
        }
        self.everything.insert_mut(id, Arc::new(new));
    }

    fn fold_pod(&mut self, event: &Event) {
        let (old, new) = self.pods.fold(event);
        self.moves.pod(old.as_deref(), new.as_deref(), event.revision);
        if let Some(pod) = &old {
            let waits = |new: &Arc<Item<Pod>>| pods::node(new).is_none() && new.object.labels == pod.object.labels;
            if !new.as_ref().is_some_and(waits) {
                self.attempts.remove_mut(pod.uid());
            }
            if let Some(node) = pods::node(pod) {
                self.pods_by_node.remove(node, pod.key());
            }
            self.pending.remove(pods::scheduler(pod), pod.key());
            self.strays.remove(&pod.key().namespace, pod.key());
            self.weigh(pod, false);
        }
        self.labelled.fold(old.as_ref().map(|pod| &*pod.object), new.as_ref().map(|pod| &*pod.object));
        self.gather(old.as_deref(), new.as_deref());
        if let Some(pod) = &new {
            match pods::node(pod) {
                Some(node) => self.pods_by_node.insert(node, pod.key().clone()),
                None if !pods::terminal(pod) && !pod.deleting() => {
                    self.pending.insert(pods::scheduler(pod), pod.key().clone());
                }
                None => {}
            }
            if owners::controller(pod.meta()).is_none() {
                self.strays.insert(&pod.key().namespace, pod.key().clone());
            }
            self.weigh(pod, true);
        }
        self.replaced = old;
    }

    /// Keeps pods that say the same of other pods together.
    fn gather(&mut self, old: Option<&Item<Pod>>, new: Option<&Item<Pod>>) {
        let (before, now) = (old.and_then(neighbours::group), new.and_then(neighbours::group));
        if before == now {
            return;
        }
        if let (Some(pod), Some(group)) = (old, before) {
            self.neighbourly.remove(&group, pod.key());
            if self.neighbourly.count(&group) == 0 {
                self.selecting.groups.set(&group, &[]);
            }
        }
        if let (Some(pod), Some(group)) = (new, now) {
            if self.neighbourly.count(&group) == 0 {
                self.selecting.groups.set(&group, &wanted::terms(pod));
            }
            self.neighbourly.insert(&group, pod.key().clone());
        }
    }

    /// Adds a pod to the load of its node, or takes it off.
    fn weigh(&mut self, pod: &Pod, add: bool) {
        let Some(node) = pods::node(pod).filter(|_| !pods::terminal(pod)) else { return };
        let mut load = self.loads.get(node).cloned().unwrap_or_default();
        if add {
            load.add(pod)
        } else {
            load.remove(pod)
        }
        if load.requested.pods == 0 {
            self.loads.remove_mut(node);
        } else {
            self.loads.insert_mut(node.to_owned(), load);
        }
    }

    fn fold_set(&mut self, event: &Event) {
        let (old, new) = self.replica_sets.fold(event);
        let stray = |set: &Arc<Item<ReplicaSet>>| owners::controller(set.meta()).is_none();
        if let Some(set) = old.filter(stray) {
            self.stray_sets.remove(&set.key().namespace, set.key());
        }
        if let Some(set) = new.filter(stray) {
            self.stray_sets.insert(&set.key().namespace, set.key().clone());
        }
    }

    fn fold_slice(&mut self, event: &Event) {
        let (old, new) = self.endpoint_slices.fold(event);
        let of = |item: &Item<EndpointSlice>| {
            let service = item.object.labels.get("kubernetes.io/service-name")?;
            Some(format!("{}/{service}", item.key().namespace))
        };
        if let Some((item, service)) = old.and_then(|item| Some((Arc::clone(&item), of(&item)?))) {
            self.slices_by_service.remove(&service, item.key());
        }
        if let Some((item, service)) = new.and_then(|item| Some((Arc::clone(&item), of(&item)?))) {
            self.slices_by_service.insert(&service, item.key().clone());
        }
    }
}
