//! The benchmarks that the performance claims rest on (`./dev bench`).
//!
//! Each row is printed beside its bar. Most run against a real cluster of this build in a network
//! namespace of its own, over TLS; what controllers and the scheduler decide is measured on a
//! cluster in memory. Nothing here passes or fails: machines are shared and noisy, so the figures
//! are for people, to be quoted with the run they come from.

mod client;
mod groups;
mod model;
mod nodes;
mod rows;
mod stats;
mod table;

use anyhow::{Context, Result};
use clap::Parser;
use groups::Group;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use podium_e2e::{Cluster, with_cluster};
use table::Table;

/// Prints what was measured beside its bar. Needs root, but for the groups scheduler and growth.
///
/// Without arguments every group but scale is measured, in some three minutes.
#[derive(Parser, Clone)]
struct Args {
    /// Only rows whose name contains this, of whichever group.
    #[arg(default_value = "")]
    only: String,
    /// Only these groups of rows.
    #[arg(long, value_enum, value_name = "GROUP", value_delimiter = ',')]
    rows: Vec<Group>,
    /// Every group, those that need minutes too.
    #[arg(long)]
    all: bool,
}

impl Args {
    fn groups(&self) -> Vec<Group> {
        match (self.rows.is_empty(), self.all || !self.only.is_empty()) {
            (false, _) => self.rows.clone(),
            (true, true) => Group::all(),
            (true, false) => Group::usual(),
        }
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let groups = args.groups();
    let mut table = Table::new(&args.only);
    table.head();
    if groups.contains(&Group::Scheduler) {
        rows::scheduler::rows(&mut table)?;
    }
    if groups.contains(&Group::Growth) {
        rows::growth::rows(&mut table)?;
    }
    if groups.iter().any(|group| group.needs_cluster()) {
        with_cluster(move |cluster| async move { measure(&groups, table, &cluster).await });
    } else {
        table.end();
    }
    Ok(())
}

async fn measure(groups: &[Group], mut table: Table, cluster: &Cluster) -> Result<()> {
    // Thousands of watchers are thousands of connections.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("raising the limit of open files")?;
    let asked = |group| groups.contains(&group);
    let table = &mut table;
    if asked(Group::Start) {
        rows::startup::rows(table, cluster).await?;
        rows::memory::idle(table, cluster)?;
    }
    if asked(Group::Rest) {
        rows::rest::rows(table, cluster).await?;
    }
    if asked(Group::Pods) {
        rows::pods::rows(table, cluster).await?;
    }
    if asked(Group::Api) {
        rows::writes::small(table, cluster).await?;
        rows::memory::loaded(table, cluster)?;
        rows::writes::large(table, cluster).await?;
        rows::reads::rows(table, cluster).await?;
        rows::patches::rows(table, cluster).await?;
    }
    if asked(Group::Watch) {
        rows::watch::rows(table, cluster).await?;
        rows::idle::rows(table, cluster).await?;
    }
    if asked(Group::Deployment) {
        rows::deployment::rows(table, cluster).await?;
    }
    if asked(Group::Api) {
        rows::memory::after(table, cluster)?;
    }
    if asked(Group::Scale) {
        rows::scale::rows(table, cluster).await?;
    }
    table.end();
    Ok(())
}
