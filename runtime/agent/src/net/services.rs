//! Follows Services and EndpointSlices: service rules, DNS, and the variables of new containers.
//!
//! Every event costs what its own Service costs. Rules are applied in the order of events; events that arrive while
//! the kernel is busy are applied together.

use super::network::ipv4;
use crate::{Result, pace::Pace, shared::Shared};
use arc_swap::ArcSwap;
use futures_util::StreamExt;
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher},
};
use podium_dataplane::{DnsConfig, DnsServer, ProxyConfig, ServiceProxy};
use podium_rules::{
    dns::{Zone, ZoneConfig},
    services::{Change, Incremental, NodeInfo, SERVICE_NAME_LABEL},
};
use podium_supervision::{ChildSpec, Ctx, Farewell, Handle, Worker};
use podium_types::Key;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Pause before a failed change of rules is tried again, by loading all of them.
const RETRY: Duration = Duration::from_millis(500);

pub(crate) fn services_child(shared: &Arc<Shared>) -> ChildSpec {
    let shared = shared.clone();
    podium_supervision::child("services", &Handle::new(), move || ServicesActor::new(shared.clone()))
}

enum ServicesMsg {
    Service(Box<watcher::Event<Service>>),
    Slice(Box<watcher::Event<EndpointSlice>>),
}

struct Kernel {
    proxy: ServiceProxy,
    dns: DnsServer,
}

struct ServicesActor {
    shared: Arc<Shared>,
    services: BTreeMap<Key, Arc<Service>>,
    /// Slices by Service, then by name.
    slices: BTreeMap<Key, BTreeMap<String, Arc<EndpointSlice>>>,
    /// Of a list that is still being received.
    fresh_services: Option<BTreeSet<Key>>,
    fresh_slices: Option<BTreeSet<(Key, String)>>,
    listed: (bool, bool),
    rules: Incremental,
    zone: Arc<ArcSwap<Zone>>,
    kernel: Option<Arc<Kernel>>,
    pending: Vec<Change>,
    loaded: bool,
    busy: bool,
}

impl Worker for ServicesActor {
    type Msg = ServicesMsg;
    const CAPACITY: usize = 4096;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let (shared, zone) = (self.shared.clone(), self.zone.clone());
        ctx.spawn(async move { open(&shared, zone).await }, |me: &mut Self, outcome, ctx| match outcome {
            Ok(kernel) => {
                me.kernel = Some(Arc::new(kernel));
                me.flush(ctx);
            }
            Err(error) => ctx.fail(error.to_string()),
        });
        follow(ctx, Api::<Service>::all(self.shared.eager.clone()), ServicesMsg::Service);
        follow(ctx, Api::<EndpointSlice>::all(self.shared.eager.clone()), ServicesMsg::Slice);
        ctx.ready();
    }

    fn handle(&mut self, msg: ServicesMsg, ctx: &mut Ctx<'_, Self>) {
        match msg {
            ServicesMsg::Service(event) => self.service(*event),
            ServicesMsg::Slice(event) => self.slice(*event),
        }
        self.flush(ctx);
    }

    fn stopping(&mut self, ctx: &mut Ctx<'_, Self>) -> Farewell {
        self.close(ctx);
        Farewell::Now
    }
}

impl ServicesActor {
    fn new(shared: Arc<Shared>) -> Self {
        let config = &shared.config;
        let node = NodeInfo {
            name: config.node_name.clone(),
            ips: vec![config.node_ip],
            pod_cidr: None,
            cluster_cidr: config.cluster_cidr,
            dns_ip: Some(config.cluster_dns),
        };
        let zone = Zone::new(ZoneConfig {
            domain: config.cluster_domain.clone(),
            dns_ip: config.cluster_dns,
            reverse: vec![config.service_cidr, config.cluster_cidr],
        });
        Self {
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            fresh_services: None,
            fresh_slices: None,
            listed: (false, false),
            rules: Incremental::new(node),
            zone: Arc::new(ArcSwap::from_pointee(zone)),
            kernel: None,
            pending: Vec::new(),
            loaded: false,
            busy: false,
            shared,
        }
    }

    fn service(&mut self, event: watcher::Event<Service>) {
        match event {
            watcher::Event::Init => self.fresh_services = Some(BTreeSet::new()),
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                let key = key(&object);
                if let Some(fresh) = &mut self.fresh_services {
                    fresh.insert(key.clone());
                }
                self.services.insert(key.clone(), Arc::new(object));
                self.changed(&key);
            }
            watcher::Event::Delete(object) => self.forget(&key(&object)),
            watcher::Event::InitDone => {
                let fresh = self.fresh_services.take().unwrap_or_default();
                let gone: Vec<Key> = self.services.keys().filter(|k| !fresh.contains(k)).cloned().collect();
                gone.iter().for_each(|key| self.forget(key));
                self.listed.0 = true;
            }
        }
        self.shared.services.store(Arc::new(self.services.clone()));
        if self.listed.0 {
            self.shared.services_read.send_if_modified(|read| !std::mem::replace(read, true));
        }
    }

    fn forget(&mut self, key: &Key) {
        self.services.remove(key);
        self.changed(key);
    }

    fn slice(&mut self, event: watcher::Event<EndpointSlice>) {
        match event {
            watcher::Event::Init => self.fresh_slices = Some(BTreeSet::new()),
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                let Some((service, name)) = belongs(&object) else { return };
                if let Some(fresh) = &mut self.fresh_slices {
                    fresh.insert((service.clone(), name.clone()));
                }
                self.slices.entry(service.clone()).or_default().insert(name, Arc::new(object));
                self.changed(&service);
            }
            watcher::Event::Delete(object) => {
                if let Some((service, name)) = belongs(&object) {
                    self.drop_slice(&service, &name);
                }
            }
            watcher::Event::InitDone => {
                let fresh = self.fresh_slices.take().unwrap_or_default();
                let all = self.slices.iter().flat_map(|(k, s)| s.keys().map(move |n| (k.clone(), n.clone())));
                let gone: Vec<(Key, String)> = all.filter(|pair| !fresh.contains(pair)).collect();
                gone.iter().for_each(|(service, name)| self.drop_slice(service, name));
                self.listed.1 = true;
            }
        }
    }

    fn drop_slice(&mut self, service: &Key, name: &str) {
        if let Some(slices) = self.slices.get_mut(service) {
            slices.remove(name);
            if slices.is_empty() {
                self.slices.remove(service);
            }
        }
        self.changed(service);
    }

    fn changed(&mut self, key: &Key) {
        let slices: Vec<Arc<EndpointSlice>> =
            self.slices.get(key).into_iter().flat_map(|s| s.values().cloned()).collect();
        let service = self.services.get(key).map(Arc::as_ref);
        self.pending.extend(self.rules.update(key, service, &slices));
        let zone = self.zone.load().with(key, service, &slices);
        self.zone.store(Arc::new(zone));
    }

    /// Gives the kernel what has changed, once both lists are complete.
    fn flush(&mut self, ctx: &mut Ctx<'_, Self>) {
        let Some(kernel) = self.kernel.clone() else { return };
        if self.busy || self.listed != (true, true) || self.loaded && self.pending.is_empty() {
            return;
        }
        self.busy = true;
        let whole = (!self.loaded).then(|| self.rules.rule_set().clone());
        let changes = std::mem::take(&mut self.pending);
        let work = async move {
            match whole {
                Some(rules) => kernel.proxy.apply(rules).await,
                None => kernel.proxy.update(&changes).await,
            }
        };
        ctx.spawn(work, |me: &mut Self, outcome, ctx| match outcome {
            Ok(_) => {
                me.busy = false;
                me.loaded = true;
                me.flush(ctx);
            }
            Err(error) => {
                tracing::warn!(%error, "service rules");
                me.loaded = false;
                ctx.later(RETRY, |me, ctx| {
                    me.busy = false;
                    me.flush(ctx);
                });
            }
        });
    }

    fn close(&mut self, ctx: &mut Ctx<'_, Self>) {
        // The rules stay, as pods do; the sockets of the name server are ours alone.
        if let Some(kernel) = self.kernel.take() {
            ctx.wait(async move { kernel.dns.close().await }, |_, outcome, _| {
                if let Err(error) = outcome {
                    tracing::warn!(%error, "closing the name server");
                }
            });
        }
    }
}

async fn open(shared: &Shared, zone: Arc<ArcSwap<Zone>>) -> Result<Kernel> {
    let config = &shared.config;
    let proxy = ServiceProxy::open(ProxyConfig {
        id: shared.id.clone(),
        cluster_cidr: config.cluster_cidr,
        service_cidr: config.service_cidr,
        node_ip: ipv4(config.node_ip)?,
    })
    .await?;
    let addresses = vec![config.cluster_dns];
    let upstream = DnsConfig::system_upstream(&addresses);
    let dns = DnsServer::open(DnsConfig { id: shared.id.clone(), addresses, zone, upstream }).await?;
    Ok(Kernel { proxy, dns })
}

/// Sends every event of a watch to the actor, as fast as it takes them.
fn follow<K>(ctx: &mut Ctx<'_, ServicesActor>, api: Api<K>, wrap: fn(Box<watcher::Event<K>>) -> ServicesMsg)
where
    K: Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let handle = ctx.handle();
    ctx.spawn(
        async move {
            let mut stream = Box::pin(watcher(api, watcher::Config::default()).backoff(Pace::default()));
            while let Some(event) = stream.next().await {
                match event {
                    Ok(event) => {
                        if handle.send(wrap(Box::new(event)), Duration::from_secs(30)).await.is_err() {
                            return "the mailbox stays full";
                        }
                    }
                    Err(error) => tracing::debug!(%error, "watch"),
                }
            }
            "the watch ended"
        },
        |_, why, ctx| ctx.fail(why),
    );
}

fn key(object: &Service) -> Key {
    let meta = &object.metadata;
    Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

fn belongs(slice: &EndpointSlice) -> Option<(Key, String)> {
    let meta = &slice.metadata;
    let service = meta.labels.as_ref()?.get(SERVICE_NAME_LABEL)?;
    Some((Key::new(meta.namespace.clone().unwrap_or_default(), service.clone()), meta.name.clone()?))
}
