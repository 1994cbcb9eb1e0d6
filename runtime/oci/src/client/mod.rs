//! The agent's handle on a pod's shim.
//!
//! Each call is a connection of its own to the shim's socket (some 50 µs), so calls do not wait for one another and a
//! handle holds nothing that an agent's restart could lose. Deliberately absent: timeouts and retries; the caller
//! knows how long it can wait.

mod connection;
mod session;
mod streams;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub use session::{AttachSession, Events, ExecSession, ExecWait};
pub use streams::{Reader, Terminal, Writer};

use crate::config::{ContainerConfig, ContainerRecord, ContainerState, ExecConfig, PodConfig, Started};
use crate::error::{Context, Error, Result, RunError};
use crate::shim::{READY, SHIM, cleanup, is_alive};
use crate::wire::{Reply, Request};

use connection::Connection;

/// Longest answer of a starting shim that is read: a reason fits.
const MAX_GREETING_BYTES: u64 = 16 << 10;

/// Pause before containers that are to end are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A pod's shim, alive when the handle was made. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shim {
    socket: Arc<PathBuf>,
}

impl Shim {
    /// Starts the pod's shim as `exe shim`, detached from this process; attaches to the one that is there already.
    /// What a killed shim left is cleaned up first (call [`cleanup`] yourself to see its last records). `exe` must
    /// call [`crate::dispatch`] first thing.
    pub async fn start(exe: &Path, pod: &PodConfig) -> Result<Shim> {
        if let Some(shim) = Shim::connect(&pod.socket).await? {
            return Ok(shim);
        }
        let dir = pod.dir.clone();
        let left = move || if is_alive(&dir) { Err(Error::Gone) } else { cleanup(&dir) };
        tokio::task::spawn_blocking(left).await.map_err(|error| Error::Shim(error.to_string()))??;
        let mut child = tokio::process::Command::new(exe)
            .arg(SHIM)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .at("start", exe)?;
        let config =
            serde_json::to_vec(pod).map_err(std::io::Error::from).context(|| "encode pod config".to_owned())?;
        if let Some(mut stdin) = child.stdin.take() {
            // A shim that died already says so on stdout.
            let _ = stdin.write_all(&config).await;
        }
        let mut greeting = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = stdout.take(MAX_GREETING_BYTES);
            stdout.read_to_string(&mut greeting).await.context(|| "read from shim".to_owned())?;
        }
        let _ = child.wait().await;
        match greeting.trim() {
            READY => Ok(Shim { socket: Arc::new(pod.socket.clone()) }),
            "" => Err(Error::Shim("the pod's shim died at its start".to_owned())),
            reason => Err(Error::Shim(format!("the pod's shim did not start: {reason}"))),
        }
    }

    /// The shim behind a socket, None when none answers.
    pub async fn connect(socket: &Path) -> Result<Option<Shim>> {
        match Connection::open(socket).await {
            Ok(_) => Ok(Some(Shim { socket: Arc::new(socket.to_owned()) })),
            Err(Error::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a container and starts its program. Answers once the program runs; one that cannot be started leaves
    /// nothing behind.
    pub async fn run(&self, config: &ContainerConfig) -> Result<Started, RunError> {
        match self.ask(&Request::Run(Box::new(config.clone()))).await? {
            Reply::Started(started) => Ok(started),
            Reply::Failed { start: true, message } => Err(RunError::Start(message)),
            Reply::Failed { start: false, message } => Err(RunError::Create(message)),
            other => Err(unexpected(other).into()),
        }
    }

    /// Sends a signal to a container's init; one that has ended is left in peace.
    pub async fn signal(&self, id: &str, signal: i32) -> Result<()> {
        self.done(Request::Signal { id: id.to_owned(), signal }).await
    }

    /// All containers that were not deleted.
    pub async fn state(&self) -> Result<Vec<ContainerRecord>> {
        match self.ask(&Request::State).await? {
            Reply::Records(records) => Ok(records),
            other => Err(unexpected(other)),
        }
    }

    /// Exits from now on. Subscribe first, then ask [`Shim::state`] for those that happened before.
    pub async fn events(&self) -> Result<Events> {
        let mut connection = Connection::open(&self.socket).await?;
        connection.send(&Request::Events, &[]).await?;
        match connection.receive().await? {
            Some(Reply::Done) => Ok(Events::new(connection)),
            Some(other) => Err(unexpected(other)),
            None => Err(Error::Gone),
        }
    }

    /// Starts a process in a running container. Its streams are pipes (or a terminal) straight to the process.
    pub async fn exec(&self, id: &str, config: ExecConfig) -> Result<ExecSession> {
        session::exec(Connection::open(&self.socket).await?, id, config).await
    }

    /// Connects to a running container's own streams: output from now on, and its stdin when it has one.
    pub async fn attach(&self, id: &str, stdin: bool, stdout: bool, stderr: bool) -> Result<AttachSession> {
        session::attach(Connection::open(&self.socket).await?, id, stdin, stdout, stderr).await
    }

    /// Forgets an ended container: its record, cgroup and bundle.
    pub async fn delete(&self, id: &str) -> Result<()> {
        self.done(Request::Delete { id: id.to_owned() }).await
    }

    /// Opens the log anew after it was moved away. (Rotation by size needs no help.)
    pub async fn reopen_log(&self, id: &str) -> Result<()> {
        self.done(Request::ReopenLog { id: id.to_owned() }).await
    }

    /// Ends the shim and removes all it made, records included; refused while a container runs. A shim that is gone
    /// already counts as stopped.
    pub async fn stop(&self) -> Result<()> {
        match self.done(Request::Stop).await {
            Err(Error::Gone) => Ok(()),
            other => other,
        }
    }

    /// Kills what runs in the pod, waits for its exit, and stops the shim. A process that the kernel does not let go
    /// keeps it waiting: the caller sets the limit.
    pub async fn end(&self) -> Result<()> {
        match self.kill_all().await {
            Ok(()) | Err(Error::Gone) => self.stop().await,
            Err(error) => Err(error),
        }
    }

    async fn kill_all(&self) -> Result<()> {
        let mut exits = self.events().await?;
        loop {
            let mut records = self.state().await?;
            records.retain(|record| !matches!(record.state, ContainerState::Exited(_)));
            if records.is_empty() {
                return Ok(());
            }
            for record in &records {
                self.signal(&record.id, Signal::SIGKILL as i32).await?;
            }
            // One that is being made says nothing when it begins to run: looked at again.
            let _ = tokio::time::timeout(LOOK_AGAIN, exits.next()).await;
        }
    }

    async fn done(&self, request: Request) -> Result<()> {
        match self.ask(&request).await? {
            Reply::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    async fn ask(&self, request: &Request) -> Result<Reply> {
        let mut connection = Connection::open(&self.socket).await?;
        connection.send(request, &[]).await?;
        connection.receive().await?.ok_or(Error::Gone)
    }
}

/// A reply that is no answer to the request: usually a refusal.
fn unexpected(reply: Reply) -> Error {
    match reply {
        Reply::NotFound(what) => Error::NotFound(what),
        Reply::Failed { message, .. } => Error::Shim(message),
        other => Error::Shim(format!("unexpected answer {other:?}")),
    }
}
