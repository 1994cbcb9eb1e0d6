//! How commands that ask a running cluster reach it: as kubectl does, or by its data directory.

use crate::args::Access;
use anyhow::{Context, Result};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::path::Path;

/// Where `podium up` puts a cluster that was given no place.
pub const DATA_DIR: &str = "/var/lib/podium";

/// A client of the cluster in the data directory that was named; else of the one that `KUBECONFIG` names, as kubectl's;
/// else of the one in [`DATA_DIR`].
pub async fn client(access: &Access) -> Result<Client> {
    let kubeconfig = match (&access.data_dir, Kubeconfig::from_env().context("KUBECONFIG")?) {
        (None, Some(usual)) => usual,
        (data, _) => admin(data.as_deref().unwrap_or(Path::new(DATA_DIR)))?,
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// The administrator's, from the data directory.
fn admin(data: &Path) -> Result<Kubeconfig> {
    let path = data.join("kubeconfig");
    anyhow::ensure!(path.exists(), "no cluster in {}: start one with `podium up`, or set KUBECONFIG", data.display());
    Ok(Kubeconfig::read_from(&path)?)
}
