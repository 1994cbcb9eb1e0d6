//! Pipes and terminals of containers for tokio.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::{Context, Result};

/// Reads what a container writes.
#[derive(Debug)]
pub struct Reader(AsyncFd<OwnedFd>);

/// Writes what a container reads.
#[derive(Debug)]
pub struct Writer(AsyncFd<OwnedFd>);

/// A container's terminal.
#[derive(Debug, Clone)]
pub struct Terminal(Arc<OwnedFd>);

impl Reader {
    pub(super) fn new(fd: OwnedFd) -> Result<Reader> {
        register(fd).map(Reader)
    }
}

impl Writer {
    pub(super) fn new(fd: OwnedFd) -> Result<Writer> {
        register(fd).map(Writer)
    }
}

impl Terminal {
    pub(super) fn new(fd: OwnedFd) -> Terminal {
        Terminal(Arc::new(fd))
    }

    /// Tells the program inside its window's size, in characters.
    pub fn resize(&self, width: u16, height: u16) -> Result<()> {
        let size = libc::winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the descriptor is open and the kernel only reads `size`.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCSWINSZ, &size) };
        Errno::result(result).map(drop).context(|| "resize terminal".to_owned())
    }
}

fn register(fd: OwnedFd) -> Result<AsyncFd<OwnedFd>> {
    let make = || {
        let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        // SAFETY: an OwnedFd keeps the same descriptor open until it is dropped.
        unsafe { AsyncFd::register(fd) }.map_err(io::Error::from)
    };
    make().context(|| "register a container's stream".to_owned())
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, task: &mut Task<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(task))?;
            let space = buffer.initialize_unfilled();
            let read = guard.try_io(|fd| match nix::unistd::read(fd.get_ref(), space) {
                // A terminal's end.
                Err(Errno::EIO) => Ok(0),
                other => Ok(other?),
            });
            if let Ok(result) = read {
                return Poll::Ready(result.map(|length| buffer.advance(length)));
            }
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_write_ready(task))?;
            if let Ok(result) = guard.try_io(|fd| Ok(nix::unistd::write(fd.get_ref(), bytes)?)) {
                return Poll::Ready(result);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<io::Result<()>> {
        // A pipe ends when it is dropped.
        Poll::Ready(Ok(()))
    }
}
