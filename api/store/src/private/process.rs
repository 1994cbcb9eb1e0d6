//! The running private cluster.

use super::{
    Binaries, PrivateOptions,
    make::{flush, made, make},
    owner::Owner,
    settings,
};
use crate::StoreError;
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// Longest time until PostgreSQL answers, crash recovery included.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Interval of looking whether it is ready, or (adopted) still there.
const LOOK: Duration = Duration::from_millis(10);
const LOOK_ADOPTED: Duration = Duration::from_millis(200);
/// Attempts to start: processes of a killed postmaster may hold its memory a moment longer.
const MAX_STARTS: usize = 10;
const START_PAUSE: Duration = Duration::from_millis(200);
/// Time for an immediate shutdown after a fast one took too long.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);
/// The log starts anew at this size; one old one is kept.
const MAX_LOG: u64 = 16 << 20;

/// A running PostgreSQL of our own. Dropping it leaves it running, to be adopted.
#[derive(Debug)]
pub struct PrivateCluster {
    options: PrivateOptions,
    postmaster: Postmaster,
}

#[derive(Debug)]
enum Postmaster {
    Child(Child),
    Adopted(Pid),
}

impl PrivateCluster {
    /// Makes the cluster if need be, adopts it if it runs, else starts it; returns when it answers.
    ///
    /// # Errors
    /// No binaries, no usable directory, or a PostgreSQL that does not come up: then the end of its log.
    pub async fn start(options: PrivateOptions) -> Result<Self, StoreError> {
        let binaries = Binaries::find(options.bin_dir.as_deref())?;
        let data = options.dir.join("data");
        let owner = Owner::of(&data)?;
        owner.directory(&options.dir)?;
        owner.directory(&options.socket_dir)?;
        if let Some(file) = PidFile::read(&data)
            && file.runs(&data)
        {
            if made(&data) && file.socket_dir == options.socket_dir && answers(&data, None).await.is_ok() {
                return Ok(Self { options, postmaster: Postmaster::Adopted(file.pid) });
            }
            // Its socket is elsewhere or gone: nobody can be using it in earnest.
            end(&mut Postmaster::Adopted(file.pid), START_TIMEOUT).await?;
        }
        let fresh = !made(&data);
        if fresh {
            make(&binaries, owner, &data).await?;
        }
        let flushed = async { if fresh { flush(&data).await } else { Ok(()) } };
        let (flushed, child) = tokio::join!(flushed, launch(&binaries, owner, &options, &data));
        let cluster = Self { postmaster: Postmaster::Child(child?), options };
        match flushed {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.stop(QUIT_TIMEOUT).await?;
                Err(error)
            }
        }
    }

    /// URL for [`crate::Database::connect`].
    pub fn url(&self) -> String {
        self.options.url()
    }

    /// Process id of the postmaster; `None` if it has ended.
    pub fn pid(&self) -> Option<u32> {
        match &self.postmaster {
            Postmaster::Child(child) => child.id(),
            Postmaster::Adopted(pid) => u32::try_from(pid.as_raw()).ok(),
        }
    }

    /// Whether it ran already when we started.
    pub fn adopted(&self) -> bool {
        matches!(self.postmaster, Postmaster::Adopted(_))
    }

    /// Waits until it has ended, and says how. Cancel-safe.
    pub async fn wait(&mut self) -> String {
        match &mut self.postmaster {
            Postmaster::Child(child) => match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            },
            Postmaster::Adopted(pid) => {
                while alive(*pid) {
                    sleep(LOOK_ADOPTED).await;
                }
                "gone (it was adopted, so its status went to another parent)".into()
            }
        }
    }

    /// Stops it: fast (sessions are ended, everything is written), and after `within` at once
    /// (it recovers at the next start).
    ///
    /// # Errors
    /// A process that not even SIGKILL ends.
    pub async fn stop(mut self, within: Duration) -> Result<(), StoreError> {
        end(&mut self.postmaster, within).await
    }
}

/// Starts PostgreSQL and waits until it answers.
async fn launch(binaries: &Binaries, owner: Owner, options: &PrivateOptions, data: &Path) -> Result<Child, StoreError> {
    let mut last = String::new();
    for _ in 0..MAX_STARTS {
        let mut child = spawn(binaries, owner, options, data)?;
        let Err(error) = answers(data, Some(&mut child)).await else { return Ok(child) };
        end(&mut Postmaster::Child(child), QUIT_TIMEOUT).await?;
        last = format!("{error}; its log ends: {}", tail(&options.dir.join("postgres.log")));
        if !last.contains("shared memory block") {
            break;
        }
        sleep(START_PAUSE).await;
    }
    Err(StoreError::Cluster(last))
}

/// Ends a postmaster: SIGINT, SIGQUIT, SIGKILL, with time between them.
async fn end(postmaster: &mut Postmaster, within: Duration) -> Result<(), StoreError> {
    for (signal, within) in [(Signal::SIGINT, within), (Signal::SIGQUIT, QUIT_TIMEOUT), (Signal::SIGKILL, QUIT_TIMEOUT)]
    {
        let pid = match postmaster {
            Postmaster::Child(child) => match child.id().and_then(|id| i32::try_from(id).ok()) {
                Some(id) => Pid::from_raw(id),
                None => return Ok(()),
            },
            Postmaster::Adopted(pid) => *pid,
        };
        match kill(pid, signal) {
            Ok(()) => {}
            Err(Errno::ESRCH) => return Ok(()),
            Err(error) => return Err(StoreError::Cluster(format!("signal to postmaster {pid}: {error}"))),
        }
        let ended = timeout(within, async {
            match postmaster {
                Postmaster::Child(child) => drop(child.wait().await),
                Postmaster::Adopted(pid) => {
                    while alive(*pid) {
                        sleep(LOOK).await;
                    }
                }
            }
        });
        if ended.await.is_ok() {
            return Ok(());
        }
    }
    Err(StoreError::Cluster("the postmaster does not end".into()))
}

fn spawn(binaries: &Binaries, owner: Owner, options: &PrivateOptions, data: &Path) -> Result<Child, StoreError> {
    let path = options.dir.join("postgres.log");
    let log = open_log(&path).map_err(|e| StoreError::Io(path.display().to_string(), e))?;
    let out = log.try_clone().map_err(|e| StoreError::Io(path.display().to_string(), e))?;
    let mut command = Command::new(binaries.program("postgres"));
    command
        .args(settings::arguments(data, &options.socket_dir))
        .current_dir(data)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(log);
    owner.run(&mut command);
    command.spawn().map_err(|e| StoreError::Io("postgres".into(), e))
}

fn open_log(path: &Path) -> std::io::Result<File> {
    if fs::metadata(path).is_ok_and(|m| m.len() > MAX_LOG) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// The last lines of the log.
fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// Waits until the pid file says that connections are welcome.
async fn answers(data: &Path, mut child: Option<&mut Child>) -> Result<(), StoreError> {
    let deadline = Instant::now() + START_TIMEOUT;
    let id = child.as_ref().and_then(|c| c.id());
    while Instant::now() < deadline {
        if let Some(child) = &mut child
            && let Ok(Some(status)) = child.try_wait()
        {
            return Err(StoreError::Cluster(format!("postgres ended: {status}")));
        }
        if let Some(file) = PidFile::read(data)
            && file.ready
            && id.is_none_or(|id| i64::from(file.pid.as_raw()) == i64::from(id))
        {
            return Ok(());
        }
        sleep(LOOK).await;
    }
    Err(StoreError::Timeout(START_TIMEOUT))
}

/// What `postmaster.pid` says (PostgreSQL's `miscadmin.h`: pid, data, start, port, socket, address, memory, status).
#[derive(Debug, PartialEq, Eq)]
struct PidFile {
    pid: Pid,
    socket_dir: PathBuf,
    ready: bool,
}

impl PidFile {
    fn read(data: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(data.join("postmaster.pid")).ok()?)
    }
    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        Some(Self {
            pid: Pid::from_raw(lines.first()?.parse().ok().filter(|pid| *pid > 1)?),
            socket_dir: PathBuf::from(lines.get(4).copied().unwrap_or_default()),
            ready: lines.get(7).is_some_and(|status| *status == "ready"),
        })
    }
    /// Whether that process is a postmaster of this data, and not another one with its number.
    fn runs(&self, data: &Path) -> bool {
        let cwd = fs::read_link(format!("/proc/{}/cwd", self.pid));
        let program = fs::read_link(format!("/proc/{}/exe", self.pid));
        alive(self.pid)
            && cwd.is_ok_and(|cwd| fs::canonicalize(data).is_ok_and(|data| cwd == data))
            && program.is_ok_and(|exe| exe.file_name().is_some_and(|n| n.to_string_lossy().starts_with("postgres")))
    }
}

/// Whether the process is there and not merely waiting to be reaped.
fn alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_is_read_in_every_state() {
        let whole = "812\n/var/lib/x/data\n1763865302\n5432\n/run/x\n\n  5432001    163840\nready   \n";
        let file = PidFile::parse(whole).expect("a pid file");
        assert_eq!(file, PidFile { pid: Pid::from_raw(812), socket_dir: "/run/x".into(), ready: true });
        assert!(!PidFile::parse(&whole.replace("ready   ", "starting")).expect("a pid file").ready);
        assert!(!PidFile::parse("812\n").expect("a pid file").ready);
        for bad in ["", "x\n", "0\n", "1\n", "-5\n"] {
            assert_eq!(PidFile::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_dead_process_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().expect("spawned");
        let pid = Pid::from_raw(child.id().try_into().expect("a pid"));
        // Unreaped or reaped, it is gone once it has ended.
        child.wait().expect("ended");
        assert!(!alive(pid));
        assert!(alive(Pid::this()));
    }
}
