//! Connects to a port inside a pod.

use crate::{
    Error, Result,
    error::{blocking, io},
};
use nix::sched::{CloneFlags, setns};
use std::{
    fs::File,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream as Blocking},
    path::PathBuf,
    time::Duration,
};
use tokio::net::TcpStream;

/// A pod answers its own loopback at once, or not at all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the pod's loopback; `netns` is None on the node's network.
pub(super) async fn connect(netns: Option<PathBuf>, port: u16) -> Result<TcpStream> {
    let dial = move || -> Result<Blocking> {
        let join = move || -> Result<Blocking> {
            if let Some(path) = &netns {
                let file = File::open(path).map_err(io("open the pod's network"))?;
                setns(file, CloneFlags::CLONE_NEWNET).map_err(|e| io("enter the pod's network")(e.into()))?;
            }
            let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
            Blocking::connect_timeout(&v4, TIMEOUT)
                .or_else(|error| Blocking::connect_timeout(&v6, TIMEOUT).map_err(|_| error))
                .map_err(io(format!("connect to port {port}")))
        };
        // A thread that changed its network must not do anything else afterwards; the socket stays in the pod.
        let thread = std::thread::spawn(join);
        thread.join().map_err(|_| Error::Other("connecting panicked".to_owned()))?
    };
    let stream = blocking(dial).await?;
    stream.set_nonblocking(true).map_err(io("connect"))?;
    TcpStream::from_std(stream).map_err(io("connect"))
}
