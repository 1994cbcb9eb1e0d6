//! The parent's children: started together, each restarted alone when it ends.

use crate::{args::UpArgs, layout::Layout};
use anyhow::{Context, Result};
use podium_store::private::{PrivateCluster, PrivateOptions};
use std::{
    ffi::OsString,
    fs::OpenOptions,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// First pause before a child is started again; doubles.
const PAUSE_BASE: Duration = Duration::from_millis(50);
/// Longest pause.
const PAUSE_CAP: Duration = Duration::from_secs(5);
/// A child that ran so long starts again without pause.
const STABLE: Duration = Duration::from_secs(30);
/// How long a child may take to end when told to.
const FAREWELL: Duration = Duration::from_secs(10);

/// What the parent runs.
pub struct Family {
    layout: Layout,
    database_url: Option<String>,
    arguments: Vec<OsString>,
    api_port: u16,
}

impl Family {
    /// The children that the arguments ask for.
    pub fn new(args: &UpArgs, layout: &Layout) -> Self {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut put = |flag: &str, value: OsString| arguments.extend([flag.into(), value]);
        put("--data-dir", layout.data.clone().into());
        put("--service-cidr", args.network.service_cidr.to_string().into());
        put("--cluster-cidr", args.network.cluster_cidr.to_string().into());
        put("--cluster-domain", args.network.cluster_domain.clone().into());
        put("--kubelet-port", args.node.kubelet_port.to_string().into());
        put("--max-pods", args.node.max_pods.to_string().into());
        if let Some(name) = &args.node.node_name {
            put("--node-name", name.into());
        }
        if let Some(ip) = args.node.node_ip {
            put("--node-ip", ip.to_string().into());
        }
        if let Some(file) = &args.node.registries {
            put("--registries", file.into());
        }
        if let Some(file) = &args.node.kubelet_config {
            put("--kubelet-config", file.into());
        }
        Self { layout: layout.clone(), database_url: args.database_url.clone(), arguments, api_port: args.api_port }
    }

    /// Runs until SIGTERM or SIGINT; then ends agent, control plane and PostgreSQL, in that order.
    pub async fn run(self) -> Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let config =
            PrivateOptions { dir: self.layout.postgres(), socket_dir: self.layout.postgres_socket(), bin_dir: None };
        // Not an argument: every user of the machine sees those, and a URL may hold a password.
        self.layout.write_database_url(&self.database_url.clone().unwrap_or_else(|| config.url()))?;
        let (stop, stopped) = watch::channel(Stage::Run);
        let database = self.database_url.is_none().then(|| tokio::spawn(keep_database(config, stopped.clone())));
        let mut server = self.arguments("server");
        server.extend(["--api-port".into(), self.api_port.to_string().into()]);
        let server = tokio::spawn(keep(self.layout.clone(), "server", server, Stage::Server, stopped.clone()));
        let agent = self.arguments("agent");
        let agent = tokio::spawn(keep(self.layout.clone(), "agent", agent, Stage::Agent, stopped));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(Stage::Agent);
        agent.await?;
        stop.send_replace(Stage::Server);
        server.await?;
        stop.send_replace(Stage::Database);
        if let Some(database) = database {
            database.await?;
        }
        Ok(())
    }

    fn arguments(&self, command: &str) -> Vec<OsString> {
        [OsString::from(command)].into_iter().chain(self.arguments.iter().cloned()).collect()
    }
}

/// How far the shutdown has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Run,
    Agent,
    Server,
    Database,
}

async fn reached(stopped: &mut watch::Receiver<Stage>, stage: Stage) {
    // The sender lives until every child has ended.
    let _ = stopped.wait_for(|s| *s >= stage).await;
}

/// Keeps one `podium` process running until the shutdown reaches `stage`.
async fn keep(
    layout: Layout,
    name: &'static str,
    arguments: Vec<OsString>,
    stage: Stage,
    mut stopped: watch::Receiver<Stage>,
) {
    let mut pause = PAUSE_BASE;
    while *stopped.borrow() < stage {
        let began = Instant::now();
        match start(&layout, name, &arguments) {
            Ok(mut child) => {
                tokio::select! {
                    status = child.wait() => tracing::warn!(child = name, ?status, "ended; starting it again"),
                    () = reached(&mut stopped, stage) => return end(name, child).await,
                }
            }
            Err(error) => tracing::error!(child = name, %error, "cannot be started"),
        }
        pause = if began.elapsed() > STABLE { PAUSE_BASE } else { (pause * 2).min(PAUSE_CAP) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = reached(&mut stopped, stage) => {}
        }
    }
}

fn start(layout: &Layout, name: &str, arguments: &[OsString]) -> Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(layout.log(name))?;
    let exe = std::env::current_exe().context("finding the podium binary")?;
    let mut command = Command::new(exe);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.kill_on_drop(false);
    Ok(command.spawn()?)
}

async fn end(name: &str, mut child: Child) {
    if let Some(pid) = child.id() {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGTERM);
    }
    if tokio::time::timeout(FAREWELL, child.wait()).await.is_err() {
        tracing::warn!(child = name, "did not end in time; killed");
        let _ = child.kill().await;
    }
}

/// Keeps the private PostgreSQL running.
async fn keep_database(config: PrivateOptions, mut stopped: watch::Receiver<Stage>) {
    let mut pause = PAUSE_BASE;
    while *stopped.borrow() < Stage::Database {
        let began = Instant::now();
        match PrivateCluster::start(config.clone()).await {
            Ok(mut cluster) => {
                tokio::select! {
                    _ = cluster.wait() => tracing::warn!("PostgreSQL ended; starting it again"),
                    () = reached(&mut stopped, Stage::Database) => {
                        if let Err(error) = cluster.stop(FAREWELL).await {
                            tracing::error!(%error, "stopping PostgreSQL");
                        }
                        return;
                    }
                }
            }
            Err(error) => tracing::error!(%error, "PostgreSQL cannot be started"),
        }
        pause = if began.elapsed() > STABLE { PAUSE_BASE } else { (pause * 2).min(PAUSE_CAP) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = reached(&mut stopped, Stage::Database) => {}
        }
    }
}
