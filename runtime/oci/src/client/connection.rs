//! One connection to a shim, from the asynchronous side.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::error::{Context, Error, Result};
use crate::wire::{self, Reply, Request};

/// How long to wait for a place in a shim's queue of connections.
const FULL_QUEUE: Duration = Duration::from_secs(10);
/// How often to look for one.
const PAUSE: Duration = Duration::from_millis(2);

pub(super) struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
    /// Descriptors that came and were not taken yet.
    pub fds: Vec<OwnedFd>,
}

impl Connection {
    /// [`Error::Gone`] when nobody listens.
    pub async fn open(socket: &Path) -> Result<Connection> {
        let full = Instant::now() + FULL_QUEUE;
        loop {
            let error = match UnixStream::connect(socket).await {
                Ok(stream) => return Ok(Connection { stream, input: Vec::new(), fds: Vec::new() }),
                Err(error) => error,
            };
            match error.kind() {
                // Reset: the shim died with our connection in its queue.
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
                    return Err(Error::Gone);
                }
                // Its queue of connections is full: it is behind, or dying.
                io::ErrorKind::WouldBlock if Instant::now() < full => tokio::time::sleep(PAUSE).await,
                _ => return Err(error).at("connect to", socket),
            }
        }
    }

    pub async fn send(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let frame = wire::encode(request).context(|| "encode request".to_owned())?;
        let (mut sent, mut fds) = (0, fds);
        while sent < frame.len() {
            let socket = self.stream.as_raw_fd();
            let write = || wire::send(socket, &frame[sent..], fds);
            sent += self.stream.async_io(Interest::WRITABLE, write).await.map_err(gone)?;
            fds = &[];
        }
        Ok(())
    }

    /// The next answer; None when the shim closed. Dropping the future loses nothing.
    pub async fn receive(&mut self) -> Result<Option<Reply>> {
        loop {
            if let Some(reply) = wire::decode(&mut self.input).context(|| "decode answer".to_owned())? {
                return Ok(Some(reply));
            }
            let (socket, input, fds) = (self.stream.as_raw_fd(), &mut self.input, &mut self.fds);
            match self.stream.async_io(Interest::READABLE, || wire::receive(socket, input, fds)).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error).context(|| "read from shim".to_owned()),
            }
        }
    }
}

fn gone(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Error::Gone,
        _ => Error::Io { what: "write to shim".to_owned(), source: error },
    }
}
