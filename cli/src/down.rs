//! `podium down`: ends what `up` started and leaves nothing behind.

use crate::{args::DownArgs, layout::Layout};
use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// How long the parent may take to end its children.
const PATIENCE: Duration = Duration::from_secs(40);

/// Runs the command.
pub fn run(args: &DownArgs) -> Result<()> {
    if !args.place.data_dir.exists() {
        println!("nothing to end: {} does not exist", args.place.data_dir.display());
        return Ok(());
    }
    let layout = Layout::open(&args.place.data_dir)?;
    let from = Instant::now();
    let ran = stop(&layout)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(podium_agent::cleanup(&layout.data, &layout.run)).context("cleaning up the node")?;
    let _ = std::fs::remove_dir_all(&layout.run);
    crate::up::forget()?;
    let what = if ran { "ended" } else { "was not running; cleaned up" };
    println!("the cluster in {} {what} ({} ms)", layout.data.display(), from.elapsed().as_millis());
    if args.purge {
        std::fs::remove_dir_all(&layout.data).with_context(|| format!("removing {}", layout.data.display()))?;
        println!("its data is removed");
    }
    Ok(())
}

/// Ends the parent and with it its children; whether one was running.
pub fn stop(layout: &Layout) -> Result<bool> {
    let Some(pid) = crate::up::holder(layout)? else { return Ok(false) };
    let pid = Pid::from_raw(pid);
    kill(pid, Signal::SIGTERM).context("telling the cluster to end")?;
    let deadline = Instant::now() + PATIENCE;
    while crate::up::holder(layout)?.is_some() {
        if Instant::now() > deadline {
            bail!("the cluster (pid {pid}) did not end within {} s", PATIENCE.as_secs());
        }
        sleep(Duration::from_millis(10));
    }
    Ok(true)
}
