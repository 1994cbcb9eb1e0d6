//! What client and shim say to each other: JSON frames on a unix stream socket, file descriptors beside them.
//!
//! One connection carries one request; events, exec and attach keep theirs open. Deliberately absent: request ids,
//! multiplexing and versions (client and shim are the same binary; fields may be added with serde defaults).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::{Deserialize, Serialize};

use crate::config::{ContainerConfig, ContainerExit, ContainerRecord, ExecConfig, Started};

/// A frame is refused beyond this; a pod's environment is bounded by the API server's 1.5 MB objects.
pub(crate) const MAX_FRAME_BYTES: usize = 8 << 20;
/// No request carries more descriptors: stdin, stdout, stderr.
pub(crate) const MAX_FDS: usize = 3;

/// Client to shim.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Run(Box<ContainerConfig>),
    Signal { id: String, signal: i32 },
    State,
    Events,
    Exec { id: String, config: ExecConfig },
    Attach { id: String, stdin: bool, stdout: bool, stderr: bool },
    Delete { id: String },
    ReopenLog { id: String },
    Stop,
}

/// Shim to client.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Started(Started),
    Records(Vec<ContainerRecord>),
    Exit(ContainerExit),
    ExecStarted,
    ExecExit(i32),
    NotFound(String),
    Failed { start: bool, message: String },
}

/// Shim to helper: one libcontainer call.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Call {
    /// Create and start.
    Run { bundle: std::path::PathBuf, pod: crate::helper::PodFacts, config: Box<ContainerConfig> },
    /// Start a process in a running container.
    Exec { bundle: std::path::PathBuf, id: String, config: ExecConfig },
}

/// Helper to shim; a terminal's master side travels beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Running { pid: i32 },
    Failed { start: bool, message: String },
}

/// A frame's bytes.
pub(crate) fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "message too large"));
    }
    frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(frame)
}

/// Takes one whole frame from the front of `buffer`; None until it is complete.
pub(crate) fn decode<T: for<'a> Deserialize<'a>>(buffer: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(header) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*header) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message too large"));
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    let message = serde_json::from_slice(&buffer[4..4 + length])?;
    buffer.drain(..4 + length);
    Ok(Some(message))
}

/// Sends some of `bytes`, all of `fds` beside the first byte.
pub(crate) fn send(socket: RawFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &rights[..0] } else { &rights[..] };
    Ok(sendmsg::<()>(socket, &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None)?)
}

/// Sends a whole frame on a blocking socket, or on one that has room; an error otherwise.
pub(crate) fn send_frame<T: Serialize>(socket: RawFd, message: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let frame = encode(message)?;
    let mut sent = send(socket, &frame, fds)?;
    while sent < frame.len() {
        sent += send(socket, &frame[sent..], &[])?;
    }
    Ok(())
}

/// Appends what has arrived to `buffer` and `fds`; 0 is the end.
pub(crate) fn receive(socket: RawFd, buffer: &mut Vec<u8>, fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut chunk = [0; 16 << 10];
    let mut control = nix::cmsg_space!([RawFd; MAX_FDS]);
    let mut slices = [IoSliceMut::new(&mut chunk)];
    let message = recvmsg::<()>(socket, &mut slices, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            // SAFETY: the kernel has just installed these descriptors for us; nobody else knows them.
            fds.extend(received.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    let length = message.bytes;
    buffer.extend_from_slice(&chunk[..length]);
    Ok(length)
}

/// Reads one whole frame from a blocking socket.
pub(crate) fn receive_frame<T: for<'a> Deserialize<'a>>(socket: RawFd) -> io::Result<(T, Vec<OwnedFd>)> {
    let (mut buffer, mut fds) = (Vec::new(), Vec::new());
    loop {
        if let Some(message) = decode(&mut buffer)? {
            return Ok((message, fds));
        }
        if receive(socket, &mut buffer, &mut fds)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
