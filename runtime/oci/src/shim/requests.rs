//! What clients may ask.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::record::remove_traces;
use super::server::Server;
use crate::error::{Context, Error, Result};
use crate::logs::Stream;
use crate::wire::{Reply, Request};

impl Server {
    /// Serves one request; an error is the client's answer, never the shim's end.
    pub fn handle(&mut self, key: u64, request: Request, fds: Vec<OwnedFd>) {
        let reply = match request {
            // These answer later, when their helper has.
            Request::Run(config) => self.run(key, *config).map(|()| None),
            Request::Exec { id, config } => self.exec(key, &id, config, fds).map(|()| None),
            Request::Attach { id, stdin, stdout, stderr } => {
                self.attach(key, &id, stdin, [stdout, stderr], fds).map(|()| None)
            }
            Request::Events => {
                if let Some(connection) = self.connections.get_mut(&key) {
                    connection.events = true;
                }
                Ok(Some(Reply::Done))
            }
            Request::State => Ok(Some(Reply::Records(self.containers.values().map(|c| c.record.clone()).collect()))),
            Request::Signal { id, signal } => self.signal(&id, signal).map(|()| Some(Reply::Done)),
            Request::Delete { id } => self.delete(&id).map(|()| Some(Reply::Done)),
            Request::ReopenLog { id } => self.reopen_log(&id).map(|()| Some(Reply::Done)),
            Request::Stop => self.stop().map(|()| Some(Reply::Done)),
        };
        match reply {
            Ok(None) => {}
            Ok(Some(reply)) => self.reply(key, &reply, &[]),
            Err(Error::NotFound(what)) => self.reply(key, &Reply::NotFound(what), &[]),
            Err(error) => self.reply(key, &Reply::Failed { start: false, message: error.to_string() }, &[]),
        }
    }

    fn signal(&mut self, id: &str, signal: i32) -> Result<()> {
        let container = self.containers.get(id).ok_or_else(|| Error::NotFound(format!("container {id}")))?;
        if !container.is_running() {
            return Ok(());
        }
        // Not reaped yet, or the record would say so: the pid is ours.
        let signal = Signal::try_from(signal).context(|| format!("signal {signal}"))?;
        kill(Pid::from_raw(container.record.pid), signal).context(|| format!("send {signal} to container {id}"))
    }

    fn attach(&mut self, key: u64, id: &str, stdin: bool, wanted: [bool; 2], fds: Vec<OwnedFd>) -> Result<()> {
        let container = self.containers.get_mut(id).ok_or_else(|| Error::NotFound(format!("container {id}")))?;
        if !container.is_running() {
            return Err(Error::NotFound(format!("running container {id}")));
        }
        let mut fds = fds.into_iter();
        for (stream, wanted) in [(Stream::Stdout, wanted[0]), (Stream::Stderr, wanted[1])] {
            if let (true, Some(fd)) = (wanted, fds.next()) {
                container.add_sink(key, stream, fd).context(|| "attach".to_owned())?;
            }
        }
        // The client writes to the container itself; with stdin_once its closing is the container's end of input.
        let copy = |fd: &OwnedFd| fd.try_clone().context(|| "attach".to_owned());
        let given = match (&container.terminal, &container.stdin) {
            (Some(terminal), _) => Some(copy(terminal)?),
            (None, Some(_)) if stdin && container.stdin_once => container.stdin.take(),
            (None, Some(pipe)) if stdin => Some(copy(pipe)?),
            _ => None,
        };
        let fds: Vec<_> = given.iter().map(|fd| fd.as_fd()).collect();
        self.reply(key, &Reply::Done, &fds);
        Ok(())
    }

    fn delete(&mut self, id: &str) -> Result<()> {
        let container = self.containers.get(id).ok_or_else(|| Error::NotFound(format!("container {id}")))?;
        if container.is_running() {
            return Err(Error::Invalid(format!("container {id} is running")));
        }
        self.discard(id);
        self.containers.remove(id);
        Ok(())
    }

    fn reopen_log(&mut self, id: &str) -> Result<()> {
        let container = self.containers.get_mut(id).ok_or_else(|| Error::NotFound(format!("container {id}")))?;
        container.log.reopen().at("reopen", &container.record.log_path)
    }

    /// Ends the shim, unless a container runs.
    fn stop(&mut self) -> Result<()> {
        if let Some(id) = self.containers.iter().find(|(_, container)| container.is_running()).map(|(id, _)| id) {
            return Err(Error::Invalid(format!("container {id} is running")));
        }
        if !self.helpers.is_empty() {
            return Err(Error::Invalid("a container is being started".to_owned()));
        }
        self.containers.clear();
        if let Some(init) = self.pod.init.take() {
            let _ = kill(init, Signal::SIGKILL);
            let _ = nix::sys::wait::waitpid(init, None);
        }
        self.pod.cgroups.kill(&self.pod.config.cgroup_parent)?;
        self.pod.cgroups.remove(&self.pod.config.cgroup_parent)?;
        remove_traces(&self.pod.config)?;
        self.stopped = true;
        Ok(())
    }
}
