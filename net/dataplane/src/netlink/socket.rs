//! A netlink socket that sends a batch and waits for its outcome.
//!
//! The kernel works a request off within `send`, so an answer is there when `send`
//! returns; the calls are short enough for an async caller.

use super::batch::{Batch, HEADER};
use nix::sys::{
    socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt},
    time::{TimeVal, TimeValLike},
};
use std::{
    fmt, io,
    os::fd::{AsRawFd, OwnedFd},
};

/// Room for one datagram of answers; the kernel fills at most 32 KiB for dumps.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// A whole batch must fit into the socket's buffer at once.
const SEND_BUFFER: usize = 16 * 1024 * 1024;
/// Answers come at once; this only keeps a lost one from blocking for ever.
const ANSWER_TIMEOUT_SECONDS: i64 = 5;

/// Which part of the kernel a socket talks to.
#[derive(Clone, Copy)]
pub(crate) enum Family {
    /// Links, addresses, routes.
    Route,
    /// nftables and connection tracking.
    Netfilter,
}

/// A request that the kernel refused.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Which message of the batch, counted from 0.
    pub message: usize,
    /// Why.
    pub error: io::Error,
}

impl Failure {
    fn io(error: impl Into<io::Error>) -> Self {
        Self { message: 0, error: error.into() }
    }
    /// Whether the kernel gave this error number.
    pub fn is(&self, errno: i32) -> bool {
        self.error.raw_os_error() == Some(errno)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {}: {}", self.message, self.error)
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// A socket in the network namespace of the thread that opened it.
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
}

struct Reply {
    kind: u16,
    sequence: u32,
    payload: Vec<u8>,
}

impl Socket {
    /// Opens a socket.
    pub fn open(family: Family) -> io::Result<Self> {
        let protocol = match family {
            Family::Route => SockProtocol::NetlinkRoute,
            Family::Netfilter => SockProtocol::NetlinkNetFilter,
        };
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_TIMEOUT_SECONDS))?;
        setsockopt(&fd, sockopt::SndBufForce, &SEND_BUFFER)?;
        setsockopt(&fd, sockopt::RcvBufForce, &SEND_BUFFER)?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Sends the messages and waits for the acknowledgement of every one that asks for it
    /// (`NLM_F_ACK`). The first refusal is returned, after all have been answered.
    pub fn request(&mut self, batch: Batch) -> Result<(), Failure> {
        let (first, mut waiting) = self.send(batch)?;
        let mut outcome = Ok(());
        while waiting > 0 {
            for reply in self.receive().map_err(Failure::io)? {
                if i32::from(reply.kind) != libc::NLMSG_ERROR || reply.sequence < first {
                    continue;
                }
                let (code, acknowledged) = error(&reply.payload);
                if acknowledged {
                    waiting = waiting.saturating_sub(1);
                }
                if code != 0 && outcome.is_ok() {
                    let message = (reply.sequence - first) as usize;
                    outcome = Err(Failure { message, error: io::Error::from_raw_os_error(-code) });
                }
            }
        }
        outcome
    }

    /// Sends one question and returns the one message that answers it.
    pub fn get(&mut self, batch: Batch) -> Result<Vec<u8>, Failure> {
        let (first, _) = self.send(batch)?;
        loop {
            for reply in self.receive().map_err(Failure::io)? {
                if reply.sequence < first {
                    continue;
                }
                match i32::from(reply.kind) {
                    libc::NLMSG_ERROR => {
                        let code = error(&reply.payload).0;
                        return Err(Failure::io(io::Error::from_raw_os_error(-code)));
                    }
                    _ => return Ok(reply.payload),
                }
            }
        }
    }

    /// Sends one question with `NLM_F_DUMP` and hands every message of the answer to `take`.
    pub fn dump(&mut self, batch: Batch, mut take: impl FnMut(&[u8])) -> Result<(), Failure> {
        let (first, _) = self.send(batch)?;
        loop {
            for reply in self.receive().map_err(Failure::io)? {
                if reply.sequence < first {
                    continue;
                }
                match i32::from(reply.kind) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => {
                        let code = error(&reply.payload).0;
                        return Err(Failure::io(io::Error::from_raw_os_error(-code)));
                    }
                    _ => take(&reply.payload),
                }
            }
        }
    }

    /// Numbers and sends the messages; returns the first number and how many acknowledgements are due.
    fn send(&mut self, mut batch: Batch) -> Result<(u32, usize), Failure> {
        batch.finish();
        let first = self.sequence + 1;
        let mut acknowledged = 0;
        for start in &batch.starts {
            self.sequence += 1;
            batch.bytes[start + 8..start + 12].copy_from_slice(&self.sequence.to_ne_bytes());
            let flags = u16::from_ne_bytes([batch.bytes[start + 6], batch.bytes[start + 7]]);
            acknowledged += usize::from(i32::from(flags) & libc::NLM_F_ACK != 0);
        }
        send(self.fd.as_raw_fd(), &batch.bytes, MsgFlags::empty()).map_err(Failure::io)?;
        Ok((first, acknowledged))
    }

    fn receive(&mut self) -> io::Result<Vec<Reply>> {
        let mut buffer = vec![0; RECEIVE_BUFFER];
        let length = loop {
            match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(nix::errno::Errno::EINTR) => {}
                other => break other?,
            }
        };
        let mut rest = &buffer[..length];
        let mut replies = Vec::new();
        while rest.len() >= HEADER {
            let word = |at: usize| u32::from_ne_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
            let length = word(0) as usize;
            let Some(payload) = rest.get(HEADER..length) else { break };
            let kind = u16::from_ne_bytes([rest[4], rest[5]]);
            replies.push(Reply { kind, sequence: word(8), payload: payload.to_vec() });
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(replies)
    }
}

/// Error number of an `nlmsgerr` (0: success) and whether the request asked for the acknowledgement.
fn error(payload: &[u8]) -> (i32, bool) {
    let code = payload.get(..4).map_or(-libc::EBADMSG, |b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    let flags = payload.get(10..12).map_or(0, |b| u16::from_ne_bytes([b[0], b[1]]));
    (code, i32::from(flags) & libc::NLM_F_ACK != 0)
}
