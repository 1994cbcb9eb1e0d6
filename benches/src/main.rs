//! The benchmarks that the performance claims rest on (`./dev bench`).
//!
//! Each row runs against a real cluster of this build in a network namespace of its own, over
//! TLS, and is printed beside its bar. Nothing here passes or fails: machines are shared and
//! noisy, so the figures are for people, to be quoted with the run they come from.

mod client;
mod nodes;
mod rows;
mod stats;
mod table;

use anyhow::{Context, Result};
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use podium_e2e::{Cluster, with_cluster};
use table::Table;

/// What to measure.
#[derive(Parser, Clone)]
struct Args {
    /// Only rows whose name contains this.
    #[arg(default_value = "")]
    only: String,
}

fn main() {
    let args = Args::parse();
    with_cluster(move |cluster| async move { measure(&args, &cluster).await });
}

async fn measure(args: &Args, cluster: &Cluster) -> Result<()> {
    // A thousand watchers are a thousand connections.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("raising the limit of open files")?;
    let mut table = Table::new(&args.only);
    table.head();
    rows::startup::rows(&mut table, cluster).await?;
    rows::memory::idle(&mut table, cluster)?;
    rows::pods::rows(&mut table, cluster).await?;
    rows::writes::small(&mut table, cluster).await?;
    rows::memory::loaded(&mut table, cluster)?;
    rows::writes::large(&mut table, cluster).await?;
    rows::reads::rows(&mut table, cluster).await?;
    rows::patches::rows(&mut table, cluster).await?;
    rows::watch::rows(&mut table, cluster).await?;
    rows::idle::rows(&mut table, cluster).await?;
    rows::deployment::rows(&mut table, cluster).await?;
    rows::memory::after(&mut table, cluster)?;
    table.end();
    Ok(())
}
