//! `podium up`: a small supervising parent, so that PostgreSQL, the control plane and the
//! agent can each be killed alone and come back alone.

mod children;
mod lock;
pub mod progress;

use crate::{
    args::UpArgs,
    layout::{Layout, node_ip, node_name, service_ip},
    logging,
};
use anyhow::{Context, Result, bail};
use children::Family;
pub use lock::{forget, holder};
use progress::Progress;
use std::{
    fs::OpenOptions,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

/// Runs the command.
pub fn run(args: &UpArgs) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("a node makes namespaces, mounts and network rules: run it as root");
    }
    let layout = Layout::open(&args.place.data_dir)?;
    std::fs::create_dir_all(layout.data.join("log"))?;
    std::fs::create_dir_all(&layout.run)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if args.parent {
        logging::start();
        let _lock = lock::take(&layout)?;
        return runtime.block_on(parent(args, &layout));
    }
    println!("Podium: a cluster in {}", layout.data.display());
    let running = lock::holder(&layout)?;
    if let Some(pid) = running {
        println!("  already running (pid {pid})");
    }
    let spawned = if running.is_none() { Some(spawn(&layout)?) } else { None };
    let ready = runtime.block_on(Progress::new(&layout, args, spawned).wait_ready());
    if let Err(error) = ready {
        if spawned.is_some() {
            let _ = crate::down::stop(&layout);
        }
        return Err(error);
    }
    println!("\n  export KUBECONFIG={}", layout.kubeconfig().display());
    if args.detach || running.is_some() {
        return Ok(());
    }
    println!("  Ctrl-C ends the cluster (--detach lets it run on)");
    runtime.block_on(async {
        tokio::signal::ctrl_c().await?;
        anyhow::Ok(())
    })?;
    crate::down::run(&crate::args::DownArgs { place: args.place.clone(), purge: false })
}

/// Starts the detached parent with the same arguments; its pid.
fn spawn(layout: &Layout) -> Result<i32> {
    let log = OpenOptions::new().create(true).append(true).open(layout.log("podium"))?;
    let exe = std::env::current_exe().context("finding the podium binary")?;
    let mut command = Command::new(exe);
    command.args(std::env::args_os().skip(1)).arg("--parent");
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir("/");
    // A session of its own: a closed terminal or Ctrl-C does not reach it.
    // SAFETY: setsid is async-signal-safe and touches no memory.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(Into::into));
    }
    let child = command.spawn().context("starting the parent process")?;
    Ok(child.id() as i32)
}

/// The parent's life: certificates, then the children, until it is told to stop.
async fn parent(args: &UpArgs, layout: &Layout) -> Result<()> {
    let node = node_name(&args.node)?;
    let config = podium_server::pki::PkiConfig {
        node_name: node,
        addresses: vec![node_ip(&args.node)],
        service_ip: service_ip(&args.network, 1),
        api_port: args.api_port,
        kubeconfig: layout.kubeconfig(),
    };
    podium_server::pki::ensure(&layout.pki(), &config).context("making certificates")?;
    Family::new(args, layout).run().await
}
