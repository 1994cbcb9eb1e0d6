//! What all actors of the agent use: clients, stores and the latest views of the cluster.

use crate::{
    AgentConfig, Error, Result, api::Reviews, cluster_id, devices::Devices, error::io, events::RecorderHandle, images,
    node::Machine, pods::PodTable, settings::Settings, stats::Meter, user_ids::UserIds,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use k8s_openapi::api::core::v1::{Node, Service};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use podium_dataplane::Network;
use podium_lifecycle::{eviction::Pressure, resources::Amounts};
use podium_oci::{Images, RegistryConfig, cgroups::Cgroups};
use podium_supervision::Tree;
use podium_types::Key;
use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};
use tokio::sync::{Semaphore, watch};

/// Services by name; a snapshot.
pub(crate) type Services = BTreeMap<Key, Arc<Service>>;

/// One per agent.
pub(crate) struct Shared {
    pub config: AgentConfig,
    pub id: String,
    pub client: Client,
    /// Refused requests are not repeated: for those who try again at a pace of their own.
    pub eager: Client,
    pub images: Images,
    /// A permit per pull under way.
    pub pulls: Semaphore,
    /// What programs of the node said about registries.
    pub credentials: crate::pod::Kept,
    pub cgroups: Cgroups,
    pub machine: Machine,
    pub settings: Settings,
    pub devices: Devices,
    pub user_ids: UserIds,
    /// What the node is short of.
    pub pressure: watch::Sender<BTreeSet<Pressure>>,
    /// The machine is about to go.
    pub shutting_down: watch::Sender<bool>,
    pub image_history: images::History,
    pub meter: Meter,
    pub reviews: Reviews,
    pub recorder: RecorderHandle,
    pub pods: PodTable,
    /// This node as the API has it; None until it is known.
    pub node: ArcSwapOption<Node>,
    pub tree: Tree,
    pub services: ArcSwap<Services>,
    /// Whether `services` has been read at least once.
    pub services_read: watch::Sender<bool>,
    /// The pod network, once the node has its podCIDR.
    pub network: watch::Sender<Option<Arc<Network>>>,
    /// Port that the kubelet API listens on.
    pub kubelet_port: u16,
}

impl Shared {
    pub async fn open(config: AgentConfig, kubelet_port: u16, tree: &Tree) -> Result<Arc<Self>> {
        for dir in [config.pods_dir(), config.run_dir.join("pods"), config.run_dir.join("netns")] {
            std::fs::create_dir_all(&dir).map_err(io(format!("create {}", dir.display())))?;
        }
        // Passed through to pods of the users they belong to, but not listed.
        let passage = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(config.pods_dir(), passage).map_err(io("chmod the pods' directory"))?;
        let id = cluster_id(&config.data_dir);
        let (client, eager) = (client(&config.kubeconfig, true).await?, client(&config.kubeconfig, false).await?);
        let images = Images::open(&config.data_dir.join("images"), RegistryConfig::load(&config.registries)?)?;
        let cgroups = Cgroups::detect()?;
        let settings = Settings::read(&config.settings)?;
        let devices = Devices::open(Path::new(&settings.device_plugin_path), &config.data_dir)?;
        let machine = Machine::probe(&config.data_dir, config.max_pods, &settings)?;
        Ok(Arc::new(Self {
            id,
            reviews: Reviews::new(eager.clone(), &config.node_name),
            client,
            eager,
            images,
            pulls: Semaphore::new(settings.parallel_pulls()),
            credentials: crate::pod::Kept::default(),
            cgroups,
            machine,
            devices,
            user_ids: UserIds::open(&config.pods_dir()),
            settings,
            pressure: watch::Sender::default(),
            shutting_down: watch::Sender::default(),
            image_history: images::History::default(),
            meter: Meter::default(),
            recorder: RecorderHandle::default(),
            pods: PodTable::default(),
            node: ArcSwapOption::empty(),
            tree: tree.clone(),
            services: ArcSwap::default(),
            services_read: watch::Sender::new(false),
            network: watch::Sender::new(None),
            kubelet_port,
            config,
        }))
    }

    /// What pods may use, devices included.
    pub fn allocatable(&self) -> Amounts {
        self.devices.allocatable(&self.machine.allocatable)
    }

    /// The pod network; waits for it.
    pub async fn network(&self) -> Result<Arc<Network>> {
        let mut receiver = self.network.subscribe();
        let network = receiver.wait_for(Option::is_some).await.map_err(|e| Error::Other(e.to_string()))?;
        network.clone().ok_or_else(|| Error::Other("the pod network is gone".to_owned()))
    }

    /// The Services; waits until they have been read.
    pub async fn services(&self) -> Arc<Services> {
        // The sender lives as long as we do.
        let _ = self.services_read.subscribe().wait_for(|read| *read).await;
        self.services.load_full()
    }
}

/// A client by a kubeconfig, bound to the runtime that calls this; `repeat`: where the API is overloaded or starting,
/// it repeats requests by itself, a second later at the soonest.
pub(crate) async fn client(kubeconfig: &Path, repeat: bool) -> Result<Client> {
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(Kubeconfig::read_from(kubeconfig)?, &options).await?;
    config.default_retry = repeat;
    Ok(Client::try_from(config)?)
}
