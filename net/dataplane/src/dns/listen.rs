//! The sockets of the name server: RFC 1035 4.2, RFC 7766.

use super::reply::{Reply, Responder};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Longest question over UDP that is read; questions are short.
const MAX_QUESTION: usize = 4096;
/// Connections at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 512;
/// A connection without a question for this long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// After a failed accept or receive (no file descriptors, say), to let it pass.
const PAUSE: Duration = Duration::from_millis(50);
/// UDP questions that wait for others; further ones are dropped, and the client asks again.
const MAX_WAITING: usize = 1024;

/// Answers datagrams until dropped.
pub(super) async fn udp(socket: UdpSocket, responder: Arc<Responder>) {
    let socket = Arc::new(socket);
    let mut waiting = JoinSet::new();
    let mut buffer = vec![0; MAX_QUESTION];
    loop {
        while waiting.try_join_next().is_some() {}
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "receive");
                sleep(PAUSE).await;
                continue;
            }
        };
        match responder.reply(&buffer[..length], true) {
            Reply::Never => {}
            // A client that is gone is no concern of ours; nor is a full buffer, since clients ask again.
            Reply::Now(answer) => drop(socket.send_to(&answer, client).await),
            Reply::Later(_) if waiting.len() >= MAX_WAITING => {}
            Reply::Later(pending) => {
                let (socket, responder) = (socket.clone(), responder.clone());
                waiting.spawn(async move {
                    if let Reply::Now(answer) = responder.finish(*pending).await {
                        drop(socket.send_to(&answer, client).await);
                    }
                });
            }
        }
    }
}

/// Answers connections until dropped.
pub(super) async fn tcp(listener: TcpListener, responder: Arc<Responder>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    // Never closed, so there is always a place some time.
    while let Ok(place) = places.clone().acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, client)) => {
                let responder = responder.clone();
                connections.spawn(async move {
                    if let Err(error) = converse(stream, &responder).await {
                        tracing::debug!(%client, %error, "DNS connection");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "accept");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(mut stream: TcpStream, responder: &Responder) -> io::Result<()> {
    loop {
        let Ok(length) = timeout(IDLE, stream.read_u16()).await else { return Ok(()) };
        let mut question = match length {
            Ok(length) => vec![0; usize::from(length)],
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let Ok(read) = timeout(IDLE, stream.read_exact(&mut question)).await else { return Ok(()) };
        read?;
        let answer = match responder.reply(&question, false) {
            Reply::Later(pending) => responder.finish(*pending).await,
            other => other,
        };
        let Reply::Now(answer) = answer else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(answer);
        timeout(IDLE, stream.write_all(&bytes)).await??;
    }
}
