//! Port-forward streams: for each connection the client opens an error stream and a data stream with one request id.

use super::super::{connect::connect, socket::Hearer};
use actix_web::rt;
use actix_ws::Session;
use bytes::BytesMut;
use podium_streams::{Codec, Frame, frame};
use std::{collections::BTreeMap, path::PathBuf};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

/// Bytes sent in one frame.
const CHUNK: usize = 32 << 10;
/// Pieces that wait for a slow pod; then the whole tunnel waits.
const QUEUE: usize = 64;
/// Streams of one tunnel.
const MAX_STREAMS: usize = 1024;

enum Stream {
    /// Of that request.
    Error(String),
    /// What goes to the pod.
    Data(mpsc::Sender<Vec<u8>>),
}

struct Tunnel {
    session: Session,
    netns: Option<PathBuf>,
    codec: Codec,
    streams: BTreeMap<u32, Stream>,
}

/// Serves one tunnel until the client leaves.
pub(crate) async fn tunnel(session: Session, mut hearer: Hearer, netns: Option<PathBuf>) {
    let codec = match Codec::new() {
        Ok(codec) => codec,
        Err(error) => {
            tracing::warn!(error, "port-forward");
            return;
        }
    };
    let mut tunnel = Tunnel { session, netns, codec, streams: BTreeMap::new() };
    let mut buffer = BytesMut::new();
    'socket: while let Some(bytes) = hearer.next().await {
        buffer.extend_from_slice(&bytes);
        loop {
            let goes_on = match frame::take(&mut buffer) {
                Ok(None) => break,
                Ok(Some(frame)) => tunnel.frame(frame).await,
                Err(error) => Err(error),
            };
            if let Err(error) = goes_on {
                tracing::debug!(error, "port-forward ends");
                break 'socket;
            }
        }
    }
    let _ = tunnel.session.close(Some(hearer.end().into())).await;
}

impl Tunnel {
    async fn frame(&mut self, frame: Frame) -> Result<(), String> {
        match frame {
            Frame::Open { stream, headers, .. } => self.open(stream, &headers).await,
            Frame::Data { stream, data, fin } => {
                if let Some(Stream::Data(pod)) = self.streams.get(&stream)
                    && !data.is_empty()
                {
                    // A pod that hung up: its end of the stream says so.
                    let _ = pod.send(data).await;
                }
                if fin {
                    // Dropping the sender half-closes the connection to the pod.
                    self.streams.remove(&stream);
                }
                Ok(())
            }
            Frame::Reset { stream } => {
                self.streams.remove(&stream);
                Ok(())
            }
            Frame::Ping { id } => self.send(frame::pong(id)).await,
            Frame::GoAway => Err("the client says goodbye".to_owned()),
            Frame::Other => Ok(()),
        }
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        self.session.binary(bytes).await.map_err(|_| "the client left".to_owned())
    }

    async fn open(&mut self, stream: u32, block: &[u8]) -> Result<(), String> {
        let headers = self.codec.decode(block)?;
        let header = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
        if self.streams.len() >= MAX_STREAMS {
            return self.send(frame::reset(stream)).await;
        }
        let answer = self.codec.encode(&[])?;
        self.send(frame::reply(stream, &answer)).await?;
        let request = header("requestid").unwrap_or_default();
        match header("streamtype").as_deref() {
            Some("error") => {
                self.streams.insert(stream, Stream::Error(request));
                Ok(())
            }
            Some("data") => {
                let port = header("port").and_then(|p| p.parse().ok()).filter(|p| *p > 0).ok_or("no port")?;
                let mut known = self.streams.iter();
                let errors = known.find(|(_, s)| matches!(s, Stream::Error(r) if *r == request)).map(|(id, _)| *id);
                let (sender, receiver) = mpsc::channel(QUEUE);
                self.streams.insert(stream, Stream::Data(sender));
                rt::spawn(carry(self.session.clone(), self.netns.clone(), port, stream, errors, receiver));
                Ok(())
            }
            _ => self.send(frame::reset(stream)).await,
        }
    }
}

/// Carries one connection.
async fn carry(
    mut session: Session,
    netns: Option<PathBuf>,
    port: u16,
    stream: u32,
    errors: Option<u32>,
    mut from_client: mpsc::Receiver<Vec<u8>>,
) {
    // Sending fails when the client has left; then the connection to the pod ends too.
    let connection = match connect(netns, port).await {
        Ok(connection) => connection,
        Err(error) => {
            if let Some(errors) = errors {
                let text = format!("an error occurred forwarding {port}: {error}");
                let _ = session.binary(frame::data(errors, text.as_bytes(), true)).await;
            }
            let _ = session.binary(frame::data(stream, &[], true)).await;
            return;
        }
    };
    let (mut reader, mut writer) = connection.into_split();
    let to_pod = async {
        while let Some(data) = from_client.recv().await {
            if writer.write_all(&data).await.is_err() {
                break;
            }
        }
        // Best effort: the pod may be gone.
        let _ = writer.shutdown().await;
    };
    let mut back = session.clone();
    let from_pod = async {
        let mut chunk = vec![0; CHUNK];
        while let Ok(length) = reader.read(&mut chunk).await {
            if length == 0 || back.binary(frame::data(stream, &chunk[..length], false)).await.is_err() {
                break;
            }
        }
        let _ = back.binary(frame::data(stream, &[], true)).await;
    };
    tokio::pin!(to_pod, from_pod);
    // The pod's end is the end; the client may have half-closed long before.
    tokio::select! {
        () = &mut from_pod => {}
        () = &mut to_pod => from_pod.await,
    }
    if let Some(errors) = errors {
        // Nothing went wrong: the error stream ends empty.
        let _ = session.binary(frame::data(errors, &[], true)).await;
    }
}
