//! A container as its shim holds it: record, log, standard streams, who is attached.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::config::{ContainerConfig, ContainerRecord, ContainerState};
use crate::logs::{LineBuffer, Log, MAX_FILE_BYTES, MAX_FILES, Stream};

/// Bytes read from a container at once.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
/// An attached client that lags behind by more is let go; the container never waits for a reader.
const MAX_PENDING_BYTES: usize = 1 << 20;

/// One container.
pub(super) struct Container {
    pub record: ContainerRecord,
    pub stdin_once: bool,
    pub log: Log,
    pub outputs: Vec<Output>,
    /// Write end of the container's stdin.
    pub stdin: Option<OwnedFd>,
    /// Master side of its terminal.
    pub terminal: Option<OwnedFd>,
    pub sinks: Vec<Sink>,
}

/// A stream the container writes.
pub(super) struct Output {
    pub stream: Stream,
    pub fd: OwnedFd,
    line: LineBuffer,
}

/// A stream an attached client reads.
pub(super) struct Sink {
    /// Whose it is.
    pub connection: u64,
    pub stream: Stream,
    pub fd: OwnedFd,
    pending: VecDeque<u8>,
    /// Nothing will be added; close when all is delivered.
    ended: bool,
}

impl Container {
    pub fn new(config: &ContainerConfig) -> io::Result<Container> {
        Ok(Container {
            record: ContainerRecord {
                id: config.id.clone(),
                name: config.name.clone(),
                attempt: config.attempt,
                pid: 0,
                start_ticks: 0,
                state: ContainerState::Created,
                started_at: None,
                log_path: config.log_path.clone(),
            },
            stdin_once: config.stdin_once,
            log: Log::open(&config.log_path, config.log_max_bytes.unwrap_or(MAX_FILE_BYTES))?
                .keep(config.log_max_files.unwrap_or(MAX_FILES)),
            outputs: Vec::new(),
            stdin: None,
            terminal: None,
            sinks: Vec::new(),
        })
    }

    pub fn is_running(&self) -> bool {
        self.record.state == ContainerState::Running
    }

    pub fn add_output(&mut self, stream: Stream, fd: OwnedFd) -> io::Result<()> {
        set_nonblocking(&fd)?;
        self.outputs.push(Output { stream, fd, line: LineBuffer::new(stream) });
        Ok(())
    }

    pub fn add_sink(&mut self, connection: u64, stream: Stream, fd: OwnedFd) -> io::Result<()> {
        set_nonblocking(&fd)?;
        self.sinks.push(Sink { connection, stream, fd, pending: VecDeque::new(), ended: false });
        Ok(())
    }

    /// Takes one chunk from a stream to log and clients; false when there is nothing (more) to read now. A full disk
    /// loses log lines, never the container.
    pub fn pump(&mut self, stream: Stream, chunk: &mut [u8]) -> bool {
        let Some(index) = self.outputs.iter().position(|output| output.stream == stream) else { return false };
        let output = &mut self.outputs[index];
        match nix::unistd::read(&output.fd, chunk) {
            Ok(length) if length > 0 => {
                let bytes = &chunk[..length];
                report(&self.record.id, output.line.push(bytes, Timestamp::now(), &mut self.log));
                for sink in self.sinks.iter_mut().filter(|sink| sink.stream == stream) {
                    sink.push(bytes);
                }
                self.sinks.retain(|sink| !sink.is_done());
                true
            }
            Err(Errno::EAGAIN | Errno::EINTR) => false,
            // The end; a terminal says EIO.
            _ => {
                let mut output = self.outputs.swap_remove(index);
                report(&self.record.id, output.line.finish(Timestamp::now(), &mut self.log));
                false
            }
        }
    }

    /// Everything written so far goes to the log, then the streams of attached clients end.
    pub fn finish(&mut self, chunk: &mut [u8]) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            while self.pump(stream, chunk) {}
        }
        self.stdin = None;
        self.terminal = None;
        for sink in &mut self.sinks {
            sink.ended = true;
        }
        self.sinks.retain(|sink| !sink.is_done());
    }

    /// A client's pipe has room, or is gone.
    pub fn deliver(&mut self, fd: i32) {
        if let Some(sink) = self.sinks.iter_mut().find(|sink| sink.fd.as_raw_fd() == fd) {
            sink.flush();
        }
        self.sinks.retain(|sink| !sink.is_done());
    }
}

impl Sink {
    pub fn wants_room(&self) -> bool {
        !self.pending.is_empty()
    }

    fn push(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
        self.flush();
        if self.pending.len() > MAX_PENDING_BYTES {
            self.abandon();
        }
    }

    fn flush(&mut self) {
        while !self.pending.is_empty() {
            match nix::unistd::write(self.fd.as_fd(), self.pending.as_slices().0) {
                Ok(length) => drop(self.pending.drain(..length)),
                Err(Errno::EAGAIN | Errno::EINTR) => return,
                Err(_) => return self.abandon(),
            }
        }
    }

    fn abandon(&mut self) {
        self.pending = VecDeque::new();
        self.ended = true;
    }

    fn is_done(&self) -> bool {
        self.ended && self.pending.is_empty()
    }
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// stderr of a shim is `shim.log` in its pod's directory.
pub(super) fn report<T, E: std::fmt::Display>(id: &str, result: Result<T, E>) {
    if let Err(error) = result {
        eprintln!("{} {id}: {error}", Timestamp::now());
    }
}
