//! The whole tree of the control plane on one page.
//!
//! ```text
//! root (one_for_one)
//! ├─ store (rest_for_one): pool → barrier → writer → feed → kinds (one_for_one): a KindActor per kind → keeper
//! ├─ bootstrap (transient)
//! ├─ api
//! ├─ controllers (one_for_one): recorder, view, meter, a ControllerActor per controller and for the scheduler
//! └─ nodes (one_for_one): keeper; per Node (one_for_one): lifecycle, agent
//! ```

use crate::{
    bootstrap,
    control::{
        controller::ControllerActor,
        executor::Executor,
        insight::Inside,
        meter::MeterActor,
        recorder::{RecorderActor, RecorderHandle},
        route::{Line, PerKey, Route},
        view::{SharedView, ViewActor, Wired},
        work::Works,
    },
    hub::Hub,
    live::LiveActors,
    nodes::keeper::{NodeKeeper, NodeParts},
    state::{
        barrier::BarrierActor,
        feed::{FeedActor, FeedHandle},
        keeper::KeeperActor,
        kind::{KindActor, KindHandle},
        pool::PoolActor,
        writer::WriterActor,
    },
};
use podium_controllers::Controller;
use podium_kinds::KINDS;
use podium_server::{
    Server, ServerConfig,
    agents::Agents,
    auth::Tokens,
    pki::Signer,
    verbs::{Api, ApiConfig},
};
use podium_store::SealingKey;
use podium_supervision::{
    ChildSpec, Exit, Handle, Intensity, Placement, Restart, Root, Strategy, SupervisorHandle, Tree, child,
};
use std::{collections::HashMap, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

/// What a control plane is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The PostgreSQL that holds the state.
    pub database_url: String,
    /// Certificates and keys.
    pub pki: PathBuf,
    /// The data directory.
    pub data: PathBuf,
    /// Port of the API.
    pub api_port: u16,
    /// Address at which nodes and pods reach the API.
    pub node_ip: IpAddr,
    /// Addresses of Services.
    pub service_cidr: ipnetwork::Ipv4Network,
    /// Addresses of pods.
    pub cluster_cidr: ipnetwork::Ipv4Network,
    /// Address of the DNS Service.
    pub cluster_dns: IpAddr,
}

/// The control plane, ready to run.
pub struct ControlPlane {
    root: Root,
}

impl ControlPlane {
    /// Wires everything; nothing runs yet.
    ///
    /// # Errors
    /// Keys or certificates that cannot be read.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let (tree, works) = (Tree::default(), Works::default());
        let view = Arc::<SharedView>::default();
        let insight = Arc::new(Inside { view: view.clone(), works: works.clone() });
        let sealing = SealingKey::load_or_create(&settings.pki.join("sealing.key"))?;
        let hub = Hub::new(Arc::new(sealing), LiveActors::new(tree.clone(), works.clone()));
        let config = ApiConfig { service_cidr: settings.service_cidr, ..ApiConfig::default() };
        let api = Api::new(hub.clone(), config, Some(Tokens::load(&settings.pki)?));
        let signer = Arc::new(Signer::load(&settings.pki)?);
        let children =
            [store(&tree, &hub, &settings), bootstrap(&hub, &api, &settings), serve(&api, &settings, insight)];
        let children = children
            .into_iter()
            .chain(controllers(&tree, &hub, &settings, Control { view, works, recorder: Handle::new(), api, signer })?)
            .collect();
        let root = Root::new("root", &tree, Strategy::OneForOne, Intensity::default(), children);
        Ok(Self { root })
    }
    /// Runs until `shutdown` resolves, or until the root supervisor gives up.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Exit {
        self.root.run(shutdown).await
    }
}

/// pool → barrier → writer → feed → kinds → keeper, on a thread of their own.
fn store(tree: &Tree, hub: &Arc<Hub>, settings: &Settings) -> ChildSpec {
    let (pool, keeper) = (Handle::<PoolActor>::new(), Handle::<KeeperActor>::new());
    let feed = FeedHandle::default();
    let kinds: Arc<HashMap<&'static str, KindHandle>> =
        Arc::new(KINDS.iter().map(|k| (k.resource, KindHandle::new())).collect());
    let actors = KINDS.iter().filter(|k| !k.live).map(|kind| {
        let hub = hub.clone();
        child(kind.resource, &kinds[kind.resource], move || KindActor::new(hub.clone(), kind))
    });
    let kind_actors = SupervisorHandle::new(actors.collect());
    let h = hub.clone();
    let url = settings.database_url.clone();
    let make_pool = move || PoolActor::new(h.clone(), url.clone());
    let h = hub.clone();
    let make_barrier = move || BarrierActor::new(h.clone());
    let (h, f) = (hub.clone(), feed.clone());
    let make_writer = move || WriterActor::new(h.clone(), f.clone());
    let (h, k) = (hub.clone(), kinds.clone());
    let make_feed = move || FeedActor::new(h.clone(), k.clone());
    let (h, k) = (hub.clone(), kinds);
    let make_keeper = move || KeeperActor::new(h.clone(), k.clone());
    let children = vec![
        child("pool", &pool, make_pool),
        child("barrier", &hub.barrier, make_barrier),
        child("writer", &hub.writer, make_writer),
        child("feed", &feed.0, make_feed),
        kind_actors.spec("kinds", tree, Strategy::OneForOne, Intensity::patient()),
        child("keeper", &keeper, make_keeper),
    ];
    SupervisorHandle::new(children)
        .spec("store", tree, Strategy::RestForOne, Intensity::patient())
        .placement(Placement::Own)
}

/// Makes the cluster's own objects once the state is there.
fn bootstrap(hub: &Arc<Hub>, api: &Api, settings: &Settings) -> ChildSpec {
    let (hub, api, settings) = (hub.clone(), api.clone(), settings.clone());
    let start = move |cell: Arc<podium_supervision::cell::Cell>| -> podium_supervision::spec::Life {
        let (hub, api, settings) = (hub.clone(), api.clone(), settings.clone());
        Box::pin(async move {
            cell.running();
            while !hub.loaded() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            match bootstrap::ensure(&api, &settings).await {
                Ok(()) => Exit::Normal,
                Err(error) => Exit::Failed(error.message),
            }
        })
    };
    ChildSpec::new("bootstrap", Arc::new(start)).restart(Restart::Transient)
}

/// The HTTP server; its workers are threads of their own.
fn serve(api: &Api, settings: &Settings, insight: Arc<Inside>) -> ChildSpec {
    let api = api.clone();
    let config = ServerConfig::new(settings.api_port, settings.pki.clone()).knowing(insight);
    let start = move |cell: Arc<podium_supervision::cell::Cell>| -> podium_supervision::spec::Life {
        let (api, config) = (api.clone(), config.clone());
        Box::pin(async move {
            cell.running();
            let stop = cell.clone();
            let serving = Server::run(config, api, async move { stop.stopped().await });
            tokio::select! {
                ended = serving => match ended {
                    Ok(()) => Exit::Normal,
                    Err(error) => Exit::Failed(error.to_string()),
                },
                () = cell.killed() => Exit::Killed,
            }
        })
    };
    ChildSpec::new("api", Arc::new(start)).shutdown(Duration::from_secs(5))
}

/// Path of the controllers' supervisor.
const CONTROLLERS: &str = "root/controllers";

/// What all controllers share.
struct Control {
    view: Arc<SharedView>,
    works: Works,
    recorder: Handle<RecorderActor>,
    api: Api,
    signer: Arc<Signer>,
}

impl Control {
    fn executor(&self, controller: &str) -> Executor {
        Executor::new(self.api.clone(), self.signer.clone(), controller)
    }
    fn recorder(&self, controller: &str) -> RecorderHandle {
        let component = match controller {
            "scheduler" => "default-scheduler".to_owned(),
            "nodelifecycle" => "node-controller".to_owned(),
            "horizontal-pod-autoscaler" => controller.to_owned(),
            name => format!("{name}-controller"),
        };
        RecorderHandle { handle: self.recorder.clone(), component }
    }
}

/// The view, all controllers and the nodes' actors, together on one thread.
fn controllers(tree: &Tree, hub: &Arc<Hub>, settings: &Settings, control: Control) -> anyhow::Result<[ChildSpec; 2]> {
    let ca = std::fs::read_to_string(settings.pki.join("ca.crt"))?;
    let controllers = podium_controllers::all(&ca, &settings.cluster_cidr.to_string()).map_err(anyhow::Error::msg)?;
    let mut all: Vec<Arc<dyn Controller>> = controllers.into_iter().map(Arc::from).collect();
    all.push(Arc::new(podium_scheduler::Scheduler));
    let per_node = PerKey::default();
    let route = |c: &Arc<dyn Controller>| match c.name() {
        "nodelifecycle" => Route::PerKey(per_node.clone()),
        _ => Route::One(Line::default()),
    };
    let wired: Arc<Vec<Wired>> =
        Arc::new(all.into_iter().map(|controller| Wired { route: route(&controller), controller }).collect());
    let a = control.api.clone();
    let mut children = vec![child("recorder", &control.recorder, move || RecorderActor::new(a.clone()))];
    let (h, v, w) = (hub.clone(), control.view.clone(), wired.clone());
    children.push(child("view", &Handle::new(), move || ViewActor::new(h.clone(), v.clone(), w.clone())));
    let agents = Agents::load(&settings.pki)?;
    let (h, v, a) = (hub.clone(), control.view.clone(), agents.clone());
    children.push(child("meter", &Handle::new(), move || MeterActor::new(h.clone(), v.clone(), a.clone())));
    let mut nodes = None;
    for wired in wired.iter() {
        let (controller, name) = (wired.controller.clone(), wired.controller.name());
        let (executor, recorder, view) = (control.executor(name), control.recorder(name), control.view.clone());
        match &wired.route {
            Route::One(line) => {
                let missed = line.missed.clone();
                let work = control.works.join(&format!("{CONTROLLERS}/{name}"), name);
                children.push(child(name, &line.handle, move || {
                    // A different life draws different names.
                    let seed = uuid::Uuid::new_v4().as_u64_pair().0;
                    let (c, v, e) = (controller.clone(), view.clone(), executor.clone());
                    ControllerActor::new(c, v, e, recorder.clone(), work.clone(), missed.clone(), seed)
                }));
            }
            Route::PerKey(actors) => {
                let agents = agents.clone();
                let (hub, tree, actors) = (hub.clone(), tree.clone(), actors.clone());
                let works = control.works.clone();
                let parts = NodeParts { hub, tree, works, controller, view, executor, recorder, actors, agents };
                nodes = Some(node_actors(parts));
            }
        }
    }
    let supervisor = SupervisorHandle::new(children);
    let controllers =
        supervisor.spec("controllers", tree, Strategy::OneForOne, Intensity::patient()).placement(Placement::Own);
    Ok([controllers, nodes.ok_or_else(|| anyhow::anyhow!("no controller judges nodes"))?])
}

/// The keeper, and below the same supervisor what it keeps.
fn node_actors(parts: NodeParts) -> ChildSpec {
    let tree = parts.tree.clone();
    let nodes = SupervisorHandle::new(Vec::new());
    let n = nodes.clone();
    nodes.add(child("node_keeper", &Handle::new(), move || NodeKeeper::new(parts.clone(), n.clone())));
    nodes.spec("nodes", &tree, Strategy::OneForOne, Intensity::patient()).placement(Placement::Own)
}
