//! Connections that stay open: exec, attach, events.

use std::os::fd::{AsFd, OwnedFd};

use futures_util::Stream;
use nix::fcntl::OFlag;

use super::connection::Connection;
use super::streams::{Reader, Terminal, Writer};
use super::unexpected;
use crate::config::{ContainerExit, ExecConfig};
use crate::error::{Context, Error, Result};
use crate::wire::{Reply, Request};

/// A process in a container.
pub struct ExecSession {
    /// To its stdin; drop it to close.
    pub stdin: Option<Writer>,
    /// From its stdout, or all of its terminal.
    pub stdout: Option<Reader>,
    /// From its stderr.
    pub stderr: Option<Reader>,
    /// Its terminal, for resizing.
    pub terminal: Option<Terminal>,
    /// Its end.
    pub wait: ExecWait,
}

/// Waits for an exec's process. Dropping it does not end the process.
pub struct ExecWait {
    connection: Connection,
}

impl ExecWait {
    /// The exit code, 128 + signal for a signal.
    pub async fn wait(mut self) -> Result<i32> {
        match self.connection.receive().await? {
            Some(Reply::ExecExit(code)) => Ok(code),
            Some(other) => Err(unexpected(other)),
            None => Err(Error::Gone),
        }
    }
}

/// A connection to a container's own streams.
pub struct AttachSession {
    /// To its stdin.
    pub stdin: Option<Writer>,
    /// From its stdout, or all of its terminal; ends when the container does.
    pub stdout: Option<Reader>,
    /// From its stderr.
    pub stderr: Option<Reader>,
    /// Its terminal, for resizing.
    pub terminal: Option<Terminal>,
    /// Keeps the session; drop it to detach.
    pub guard: AttachGuard,
}

/// Ends the attach session when dropped.
pub struct AttachGuard {
    _connection: Connection,
}

/// Exits of a pod's containers as they happen.
pub struct Events {
    connection: Connection,
}

impl Events {
    pub(super) fn new(connection: Connection) -> Events {
        Events { connection }
    }

    /// The next exit; None when the shim is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<ContainerExit> {
        match self.connection.receive().await {
            Ok(Some(Reply::Exit(exit))) => Some(exit),
            _ => None,
        }
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl Stream<Item = ContainerExit> + Send {
        futures_util::stream::unfold(self, |mut events| async move { Some((events.next().await?, events)) })
    }
}

pub(super) async fn exec(mut connection: Connection, id: &str, config: ExecConfig) -> Result<ExecSession> {
    let (mut stdin, mut stdout, mut stderr) = (None, None, None);
    let mut theirs = Vec::new();
    if !config.tty {
        if config.stdin {
            let (read, write) = pipe()?;
            theirs.push(read);
            stdin = Some(Writer::new(write)?);
        }
        for (wanted, stream) in [(config.stdout, &mut stdout), (config.stderr, &mut stderr)] {
            if wanted {
                let (read, write) = pipe()?;
                theirs.push(write);
                *stream = Some(Reader::new(read)?);
            }
        }
    }
    let (tty, wants) = (config.tty, (config.stdin, config.stdout));
    let fds: Vec<_> = theirs.iter().map(AsFd::as_fd).collect();
    connection.send(&Request::Exec { id: id.to_owned(), config }, &fds).await?;
    drop(theirs);
    match connection.receive().await? {
        Some(Reply::ExecStarted) => {}
        Some(other) => return Err(unexpected(other)),
        None => return Err(Error::Gone),
    }
    let mut terminal = None;
    if tty {
        let fd = connection.fds.pop().ok_or_else(|| Error::Shim("the shim sent no terminal".to_owned()))?;
        stdin = wants.0.then(|| copy(&fd).and_then(Writer::new)).transpose()?;
        stdout = wants.1.then(|| copy(&fd).and_then(Reader::new)).transpose()?;
        terminal = Some(Terminal::new(fd));
    }
    Ok(ExecSession { stdin, stdout, stderr, terminal, wait: ExecWait { connection } })
}

pub(super) async fn attach(
    mut connection: Connection,
    id: &str,
    stdin: bool,
    stdout: bool,
    stderr: bool,
) -> Result<AttachSession> {
    let mut theirs = Vec::new();
    let mut stream = |wanted: bool| -> Result<Option<Reader>> {
        if !wanted {
            return Ok(None);
        }
        let (read, write) = pipe()?;
        theirs.push(write);
        Reader::new(read).map(Some)
    };
    let (out, err) = (stream(stdout)?, stream(stderr)?);
    let fds: Vec<_> = theirs.iter().map(AsFd::as_fd).collect();
    connection.send(&Request::Attach { id: id.to_owned(), stdin, stdout, stderr }, &fds).await?;
    drop(theirs);
    match connection.receive().await? {
        Some(Reply::Done) => {}
        Some(other) => return Err(unexpected(other)),
        None => return Err(Error::Gone),
    }
    let (mut input, mut terminal) = (None, None);
    if let Some(fd) = connection.fds.pop() {
        if nix::unistd::isatty(&fd).unwrap_or(false) {
            input = stdin.then(|| copy(&fd).and_then(Writer::new)).transpose()?;
            terminal = Some(Terminal::new(fd));
        } else {
            input = Some(Writer::new(fd)?);
        }
    }
    let guard = AttachGuard { _connection: connection };
    Ok(AttachSession { stdin: input, stdout: out, stderr: err, terminal, guard })
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC).context(|| "create pipe".to_owned())
}

fn copy(fd: &OwnedFd) -> Result<OwnedFd> {
    fd.try_clone().context(|| "copy the terminal".to_owned())
}
