//! The shim's loop: poll, then one small step for whatever is ready.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use super::container::{CHUNK_BYTES, Container, report};
use super::pod::Pod;
use super::run::Helper;
use crate::logs::Stream;
use crate::wire;

/// Connections at once; a further client waits in the listen queue. Each exec and attach holds one.
const MAX_CONNECTIONS: usize = 512;

/// A shim at work.
pub(super) struct Server {
    pub pod: Pod,
    pub containers: BTreeMap<String, Container>,
    pub connections: BTreeMap<u64, Connection>,
    pub helpers: BTreeMap<u64, Helper>,
    /// Exec processes and who waits for them.
    pub execs: Vec<(i32, u64)>,
    /// Ends of processes whose helper has not told us about them yet.
    pub early: Vec<(i32, i32)>,
    pub chunk: Vec<u8>,
    serial: u64,
    /// Set by the Stop request.
    pub stopped: bool,
}

/// A client.
pub(super) struct Connection {
    pub stream: UnixStream,
    pub input: Vec<u8>,
    pub fds: Vec<OwnedFd>,
    /// Wants to hear of exits.
    pub events: bool,
}

/// What a descriptor in the poll set stands for.
#[derive(Clone)]
enum Source {
    Signals,
    Listener,
    Connection(u64),
    Helper(u64),
    Output(String, Stream),
    Sink(String, i32),
}

impl Server {
    pub fn new(pod: Pod) -> Server {
        Server {
            pod,
            containers: BTreeMap::new(),
            connections: BTreeMap::new(),
            helpers: BTreeMap::new(),
            execs: Vec::new(),
            early: Vec::new(),
            chunk: vec![0; CHUNK_BYTES],
            serial: 0,
            stopped: false,
        }
    }

    pub fn serve(mut self) -> ExitCode {
        while !self.stopped {
            for source in self.ready() {
                match source {
                    Source::Signals => self.reap(),
                    Source::Listener => self.accept(),
                    Source::Connection(key) => self.hear(key),
                    Source::Helper(key) => self.hear_helper(key),
                    Source::Output(id, stream) => {
                        if let Some(container) = self.containers.get_mut(&id) {
                            container.pump(stream, &mut self.chunk);
                        }
                    }
                    Source::Sink(id, fd) => {
                        if let Some(container) = self.containers.get_mut(&id) {
                            container.deliver(fd);
                        }
                    }
                }
            }
        }
        ExitCode::SUCCESS
    }

    /// Waits until something is ready. A source that has ended is no longer listed, so poll does not spin on it.
    fn ready(&self) -> Vec<Source> {
        let mut sources = vec![Source::Signals];
        let mut set = vec![PollFd::new(self.pod.signals.as_fd(), PollFlags::POLLIN)];
        let mut add = |source, fd, flags| {
            sources.push(source);
            set.push(PollFd::new(fd, flags));
        };
        if self.connections.len() < MAX_CONNECTIONS {
            add(Source::Listener, self.pod.listener.as_fd(), PollFlags::POLLIN);
        }
        for (key, helper) in &self.helpers {
            add(Source::Helper(*key), helper.socket.as_fd(), PollFlags::POLLIN);
        }
        for (id, container) in &self.containers {
            for output in &container.outputs {
                add(Source::Output(id.clone(), output.stream), output.fd.as_fd(), PollFlags::POLLIN);
            }
            for sink in container.sinks.iter().filter(|sink| sink.wants_room()) {
                add(Source::Sink(id.clone(), sink.fd.as_raw_fd()), sink.fd.as_fd(), PollFlags::POLLOUT);
            }
        }
        for (key, connection) in &self.connections {
            add(Source::Connection(*key), connection.stream.as_fd(), PollFlags::POLLIN);
        }
        if let Err(error) = poll(&mut set, PollTimeout::NONE) {
            report("poll", Err::<(), _>(error));
            return Vec::new();
        }
        let ready = set.iter().zip(sources).filter(|(fd, _)| fd.revents().is_some_and(|events| !events.is_empty()));
        ready.map(|(_, source)| source).collect()
    }

    pub fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn accept(&mut self) {
        let Ok((stream, _)) = self.pod.listener.accept() else { return };
        if stream.set_nonblocking(true).is_ok() {
            let key = self.next_serial();
            self.connections.insert(key, Connection { stream, input: Vec::new(), fds: Vec::new(), events: false });
        }
    }

    /// A client sent something, or went.
    fn hear(&mut self, key: u64) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let socket = connection.stream.as_raw_fd();
        match wire::receive(socket, &mut connection.input, &mut connection.fds) {
            Ok(length) if length > 0 => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            _ => return self.forget(key),
        }
        match wire::decode(&mut connection.input) {
            Ok(Some(request)) => {
                let fds = std::mem::take(&mut connection.fds);
                self.handle(key, request, fds);
            }
            Ok(None) => {}
            Err(_) => self.forget(key),
        }
    }

    /// Answers a client; one that does not take its answer is let go.
    pub fn reply<T: Serialize>(&mut self, key: u64, message: &T, fds: &[BorrowedFd<'_>]) {
        let Some(connection) = self.connections.get(&key) else { return };
        if wire::send_frame(connection.stream.as_raw_fd(), message, fds).is_err() {
            self.forget(key);
        }
    }

    pub fn forget(&mut self, key: u64) {
        self.connections.remove(&key);
        for container in self.containers.values_mut() {
            container.sinks.retain(|sink| sink.connection != key);
        }
    }
}
