//! `podium server`: the control plane as one process.

use crate::{
    args::ServerArgs,
    layout::{Layout, node_ip, node_name, service_ip},
    logging,
};
use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use podium_server::pki::{PkiConfig, ensure};
use podium_supervision::Exit;
use podium_system::{ControlPlane, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// Runs the control plane until it is told to stop.
pub fn run(args: ServerArgs) -> Result<()> {
    logging::start();
    raise_files();
    let layout = Layout::open(&args.place.data_dir)?;
    let config = PkiConfig {
        node_name: node_name(&args.node)?,
        addresses: vec![node_ip(&args.node)],
        service_ip: service_ip(&args.network, 1),
        api_port: args.api_port,
        kubeconfig: layout.kubeconfig(),
    };
    ensure(&layout.pki(), &config).context("making certificates")?;
    let settings = Settings {
        database_url: args.database_url.map_or_else(|| layout.read_database_url(), Ok)?,
        pki: layout.pki(),
        data: layout.data,
        api_port: args.api_port,
        node_ip: node_ip(&args.node),
        service_cidr: args.network.service_cidr,
        cluster_cidr: args.network.cluster_cidr,
        cluster_dns: service_ip(&args.network, 10),
    };
    actix_rt::System::new().block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let exit = ControlPlane::new(settings)?.run(async move {
            terminate.recv().await;
        });
        match exit.await {
            Exit::Normal => Ok(()),
            // The parent starts a fresh process: the last resort of supervision.
            other => bail!("the control plane gave up: {other}"),
        }
    })
}

/// As many open files as may be: every watch is a connection, and the usual limit is for programs that use `select`.
fn raise_files() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "raising the limit of open files");
    }
}
