//! What `up` shows while a cluster starts: each step with its time.

use crate::{
    args::UpArgs,
    layout::{Layout, node_name},
};
use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, Config, config::KubeConfigOptions, config::Kubeconfig};
use std::{
    future::Future,
    io::Write,
    time::{Duration, Instant},
};

/// How often a step is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long all steps may take together.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of a log shown when a step fails.
const TAIL: usize = 15;

/// Follows a starting cluster.
pub struct Progress<'a> {
    layout: &'a Layout,
    args: &'a UpArgs,
    parent: Option<i32>,
    began: Instant,
}

impl<'a> Progress<'a> {
    /// `parent`: the pid just spawned, whose early death ends the waiting.
    pub fn new(layout: &'a Layout, args: &'a UpArgs, parent: Option<i32>) -> Self {
        Self { layout, args, parent, began: Instant::now() }
    }

    /// Resolves when the node is Ready.
    pub async fn wait_ready(&self) -> Result<()> {
        if self.args.database_url.is_none() {
            let socket = self.layout.postgres_socket().join(".s.PGSQL.5432");
            self.step("PostgreSQL", "postgres", || async { tokio::net::UnixStream::connect(&socket).await.ok() })
                .await?;
        }
        let client = self.step("API ready", "server", || self.api()).await?;
        let nodes: Api<Node> = Api::all(client);
        let name = node_name(&self.args.node)?;
        let ready = || async {
            let node = nodes.get_opt(&name).await.ok()??;
            let conditions = node.status?.conditions.unwrap_or_default();
            conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True").then_some(())
        };
        self.step("node Ready", "agent", ready).await
    }

    /// A client, once the API says that it is ready.
    async fn api(&self) -> Option<Client> {
        let kubeconfig = Kubeconfig::read_from(self.layout.kubeconfig()).ok()?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.ok()?;
        // A server that starts asks for a second's patience; we look again sooner.
        config.default_retry = false;
        let client = Client::try_from(config).ok()?;
        let request = http_get("/readyz")?;
        client.request_text(request).await.ok()?;
        Some(client)
    }

    async fn step<T, F: Future<Output = Option<T>>>(&self, words: &str, log: &str, look: impl Fn() -> F) -> Result<T> {
        let from = Instant::now();
        print!("  {words:<44}");
        let _ = std::io::stdout().flush();
        loop {
            if let Some(found) = look().await {
                println!("{:>8} ms", from.elapsed().as_millis());
                return Ok(found);
            }
            if self.parent.is_some_and(|pid| !alive(pid)) {
                println!("  failed");
                bail!("the cluster ended while it started:\n{}", self.tail("podium"));
            }
            if self.began.elapsed() > PATIENCE {
                println!("  failed");
                bail!("{words}: not within {} s; the log says:\n{}", PATIENCE.as_secs(), self.tail(log));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn tail(&self, log: &str) -> String {
        let path = self.layout.log(log);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        format!("{} ({})", lines[from..].join("\n"), path.display())
    }
}

fn http_get(path: &str) -> Option<http::Request<Vec<u8>>> {
    http::Request::get(path).body(Vec::new()).ok()
}

/// Whether the child lives; one that ended is reaped.
fn alive(pid: i32) -> bool {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    matches!(waitpid(nix::unistd::Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive))
}
