//! Starting things: a helper process per libcontainer call, and what follows from its answer.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::unistd::Pid;

use super::HELPER;
use super::container::{Container, report};
use super::record::{USERS, bundle, save, start_ticks};
use super::server::Server;
use crate::config::{ContainerConfig, ContainerState, ExecConfig, Resources, Started};
use crate::error::{Context, Error, Result};
use crate::helper::PodFacts;
use crate::logs::Stream;
use crate::wire::{self, Call, Outcome, Reply};

/// A libcontainer call under way.
pub(super) struct Helper {
    pub socket: UnixStream,
    input: Vec<u8>,
    fds: Vec<OwnedFd>,
    /// Who asked.
    connection: u64,
    work: Work,
}

enum Work {
    Run(Box<Container>),
    Exec { tty: bool },
}

impl Server {
    /// Begins to create and start a container.
    pub fn run(&mut self, key: u64, config: ContainerConfig) -> Result<()> {
        if !is_name(&config.id) {
            return Err(Error::Invalid(format!("invalid container id {:?}", config.id)));
        }
        let pending = |helper: &Helper| matches!(&helper.work, Work::Run(other) if other.record.id == config.id);
        if self.containers.contains_key(&config.id) || self.helpers.values().any(pending) {
            return Err(Error::Invalid(format!("container {} exists already", config.id)));
        }
        let dir = bundle(&self.pod.config.dir, &config.id);
        fs::create_dir_all(&dir).at("create", &dir)?;
        let mut container = Container::new(&config).at("open log", &config.log_path)?;
        save(&self.pod.config.dir, &container.record)?;
        let stdio = if config.tty {
            [null()?, null()?, null()?]
        } else {
            let (stdout_read, stdout) = pipe()?;
            let (stderr_read, stderr) = pipe()?;
            container.add_output(Stream::Stdout, stdout_read).context(|| "prepare stdout".to_owned())?;
            container.add_output(Stream::Stderr, stderr_read).context(|| "prepare stderr".to_owned())?;
            let stdin = if config.stdin {
                let (read, write) = pipe()?;
                container.stdin = Some(write);
                read
            } else {
                null()?
            };
            [stdin, stdout, stderr]
        };
        let joined = self.pid_namespace(config.join_pid.as_deref())?;
        let (cgroups, cgroup) = (&self.pod.cgroups, self.cgroup(&config.id));
        let mut groups = Vec::new();
        if joined.is_some() && !cgroups.is_v2() {
            cgroups.create(&cgroup, &Resources::default())?;
            groups = cgroups.groups(&cgroup)?;
        }
        let pod = PodFacts {
            pid_namespace: joined.map(|pid| format!("/proc/{pid}/ns/pid").into()),
            users: self.pod.config.user_base.map(|base| (self.pod.config.dir.join(USERS), base)),
            host_pid: self.pod.config.host_pid,
            cgroup,
            groups,
            shm: self.pod.shm.clone(),
            huge_pages: self.pod.cgroups.limits_huge_pages(),
            cgroup_v2: self.pod.cgroups.is_v2(),
        };
        let call = Call::Run { bundle: dir, pod, config: Box::new(config) };
        self.help(key, &call, stdio, Work::Run(Box::new(container)))
    }

    /// The process whose PID namespace a new container joins.
    fn pid_namespace(&self, joined: Option<&str>) -> Result<Option<i32>> {
        if self.pod.init.is_some() || self.pod.config.host_pid {
            return Ok(self.pod.init.map(Pid::as_raw));
        }
        let Some(id) = joined else { return Ok(None) };
        match self.containers.get(id).filter(|container| container.is_running()) {
            Some(container) => Ok(Some(container.record.pid)),
            None => Err(Error::Invalid(format!("container {id}, whose processes are to be seen, does not run"))),
        }
    }

    /// Begins to start a process in a running container. `fds` are the client's ends for stdin, stdout, stderr, as
    /// far as it wants them.
    pub fn exec(&mut self, key: u64, id: &str, config: ExecConfig, fds: Vec<OwnedFd>) -> Result<()> {
        if !self.containers.get(id).is_some_and(Container::is_running) {
            return Err(Error::NotFound(format!("running container {id}")));
        }
        let mut fds = fds.into_iter();
        let mut stdio = [null()?, null()?, null()?];
        if !config.tty {
            for (slot, wanted) in stdio.iter_mut().zip([config.stdin, config.stdout, config.stderr]) {
                if wanted {
                    *slot = fds.next().ok_or_else(|| Error::Invalid("exec came without its streams".to_owned()))?;
                }
            }
        }
        let work = Work::Exec { tty: config.tty };
        let call = Call::Exec { bundle: bundle(&self.pod.config.dir, id), id: id.to_owned(), config };
        self.help(key, &call, stdio, work)
    }

    fn help(&mut self, connection: u64, call: &Call, stdio: [OwnedFd; 3], work: Work) -> Result<()> {
        let (ours, theirs) = UnixStream::pair().context(|| "create socket pair".to_owned())?;
        // One thread: nobody else can start a process while this descriptor is inheritable.
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).context(|| "pass a socket".to_owned())?;
        let [stdin, stdout, stderr] = stdio;
        Command::new("/proc/self/exe")
            .args([HELPER, &theirs.as_raw_fd().to_string()])
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr))
            .spawn()
            .context(|| "start helper".to_owned())?;
        drop(theirs);
        wire::send_frame(ours.as_raw_fd(), call, &[]).context(|| "ask helper".to_owned())?;
        ours.set_nonblocking(true).context(|| "ask helper".to_owned())?;
        let key = self.next_serial();
        self.helpers.insert(key, Helper { socket: ours, input: Vec::new(), fds: Vec::new(), connection, work });
        Ok(())
    }

    /// A helper answered or died.
    pub fn hear_helper(&mut self, key: u64) {
        let Some(helper) = self.helpers.get_mut(&key) else { return };
        let outcome = match wire::receive(helper.socket.as_raw_fd(), &mut helper.input, &mut helper.fds) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Ok(length) if length > 0 => match wire::decode(&mut helper.input) {
                Ok(None) => return,
                Ok(Some(outcome)) => outcome,
                Err(error) => Outcome::Failed { start: false, message: error.to_string() },
            },
            _ => Outcome::Failed { start: false, message: "the container runtime ended without an answer".to_owned() },
        };
        let Some(mut helper) = self.helpers.remove(&key) else { return };
        let terminal = helper.fds.pop();
        match (helper.work, outcome) {
            (Work::Run(container), Outcome::Running { pid }) => {
                self.started(helper.connection, *container, pid, terminal);
            }
            (Work::Run(container), Outcome::Failed { start, message }) => {
                self.discard(&container.record.id);
                self.reply(helper.connection, &Reply::Failed { start, message }, &[]);
            }
            (Work::Exec { tty }, Outcome::Running { pid }) => {
                let fds: Vec<_> = terminal.iter().filter(|_| tty).map(|fd| fd.as_fd()).collect();
                self.reply(helper.connection, &Reply::ExecStarted, &fds);
                match self.take_early(pid) {
                    Some(status) => self.reply(helper.connection, &Reply::ExecExit(super::exit::code(status)), &[]),
                    None => self.execs.push((pid, helper.connection)),
                }
            }
            (Work::Exec { .. }, Outcome::Failed { start, message }) => {
                self.reply(helper.connection, &Reply::Failed { start, message }, &[]);
            }
        }
        if self.helpers.is_empty() {
            self.early.clear();
        }
    }

    fn started(&mut self, key: u64, mut container: Container, pid: i32, terminal: Option<OwnedFd>) {
        let started_at = Timestamp::now();
        let id = container.record.id.clone();
        container.record.pid = pid;
        container.record.start_ticks = start_ticks(pid).map_or(0, |(ticks, _)| ticks);
        container.record.started_at = Some(started_at);
        container.record.state = ContainerState::Running;
        if let Some(terminal) = terminal {
            let copy = terminal.try_clone().and_then(|copy| container.add_output(Stream::Stdout, copy));
            report(&id, copy);
            container.terminal = Some(terminal);
        }
        report(&id, save(&self.pod.config.dir, &container.record));
        self.pod.cgroups.kill_together(&self.cgroup(&id));
        self.containers.insert(id.clone(), container);
        self.reply(key, &Reply::Started(Started { pid, started_at }), &[]);
        if let Some(status) = self.take_early(pid) {
            self.container_ended(&id, status);
        }
    }

    fn take_early(&mut self, pid: i32) -> Option<i32> {
        let index = self.early.iter().position(|(early, _)| *early == pid)?;
        Some(self.early.swap_remove(index).1)
    }

    /// Where a container's cgroup is.
    pub fn cgroup(&self, id: &str) -> String {
        format!("{}/{id}", self.pod.config.cgroup_parent)
    }

    /// Removes what a container that is not running left: cgroup and bundle.
    pub fn discard(&mut self, id: &str) {
        let cgroup = self.cgroup(id);
        report(id, self.pod.cgroups.kill(&cgroup));
        report(id, self.pod.cgroups.remove(&cgroup));
        report(id, fs::remove_dir_all(bundle(&self.pod.config.dir, id)));
    }
}

/// An id becomes a directory and a cgroup.
fn is_name(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !id.is_empty() && id.len() <= 128 && !id.starts_with('.') && id.bytes().all(allowed)
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC).context(|| "create pipe".to_owned())
}

fn null() -> Result<OwnedFd> {
    let file = File::options().read(true).write(true).open("/dev/null");
    file.map(OwnedFd::from).context(|| "open /dev/null".to_owned())
}
