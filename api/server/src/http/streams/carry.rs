//! Carries an upgraded SPDY/3.1 connection to an agent's WebSocket.
//!
//! Port-forward passes as it is, in binary messages. Exec and attach are translated: a SPDY stream per channel on the
//! client's side, a channel number before each message on the agent's (`v5.channel.k8s.io`).

use super::socket::{Hearer, Teller};
use crate::http::params::Params;
use actix_web::web::Payload;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use podium_streams::{Codec, Frame, frame};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// How long a client may take to open the streams it announced.
const OPENING: Duration = Duration::from_secs(30);
/// How long a client may take to leave once the command has ended.
const LEAVING: Duration = Duration::from_secs(5);
/// Streams of one connection; there are five that mean something.
const MAX_STREAMS: usize = 16;
/// Bytes of one message to the agent, and of one frame to the client.
const CHUNK: usize = 32 << 10;
/// Longest size that a terminal may be told, as JSON.
const MAX_SIZE: usize = 1 << 10;
/// The agent's word that a channel has ended.
const CLOSE: u8 = 255;

/// The streams of exec and attach; the numbers are the agent's channels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
enum Channel {
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,
    Error = 3,
    Resize = 4,
}

impl Channel {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "stdin" => Self::Stdin,
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            "error" => Self::Error,
            "resize" => Self::Resize,
            _ => return None,
        })
    }
}

/// What the client announced.
pub(super) struct Wish {
    streams: Vec<Channel>,
    /// How the command ended is told as a Status; older clients take text.
    status: bool,
}

impl Wish {
    pub(super) fn new(params: &Params, status: bool) -> Self {
        let mut streams = vec![Channel::Error];
        let asked = [("stdin", Channel::Stdin), ("stdout", Channel::Stdout), ("stderr", Channel::Stderr)];
        streams.extend(asked.iter().filter(|(name, _)| params.flag(name)).map(|(_, channel)| *channel));
        if params.flag("tty") {
            // A terminal has one output.
            streams.retain(|c| *c != Channel::Stderr);
        }
        Self { streams, status }
    }
}

/// Frames for the client.
type Out = mpsc::Sender<Bytes>;
type Streams = BTreeMap<Channel, u32>;

/// Passes a port-forward on.
pub(super) async fn forward(mut client: Payload, out: Out, mut agent: Hearer, teller: Teller) {
    let up = async {
        while let Some(Ok(chunk)) = client.next().await {
            for piece in chunk.chunks(CHUNK) {
                if teller.send(Bytes::copy_from_slice(piece)).await.is_err() {
                    return;
                }
            }
        }
    };
    let down = async {
        while let Some(data) = agent.next().await {
            if out.send(data).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
    teller.close().await;
}

/// Translates an exec or attach.
pub(super) async fn channels(client: Payload, out: Out, agent: Hearer, teller: Teller, wish: Wish) {
    let (opened, all) = oneshot::channel();
    let Ok(codec) = Codec::new() else { return };
    let up = Upstream { codec, out: out.clone(), teller: teller.clone(), open: BTreeMap::new(), size: BytesMut::new() };
    let up = up.run(client, &wish.streams, opened);
    let down = async {
        if let Ok(Ok(streams)) = tokio::time::timeout(OPENING, all).await {
            down(out, agent, &streams, wish.status).await;
        }
    };
    tokio::pin!(up);
    tokio::select! {
        ended = &mut up => if let Err(why) = ended {
            tracing::debug!(why, "a SPDY stream");
        },
        () = down => {
            // The client has the last word, or the time to take its answer is over.
            let _ = tokio::time::timeout(LEAVING, &mut up).await;
        }
    }
    teller.close().await;
}

/// What the client says.
struct Upstream {
    codec: Codec,
    out: Out,
    teller: Teller,
    open: BTreeMap<u32, Channel>,
    /// What has come of a terminal's size.
    size: BytesMut,
}

impl Upstream {
    async fn run(
        mut self,
        mut client: Payload,
        announced: &[Channel],
        opened: oneshot::Sender<Streams>,
    ) -> Result<(), String> {
        let mut opened = Some(opened);
        let mut buffer = BytesMut::new();
        while let Some(Ok(chunk)) = client.next().await {
            buffer.extend_from_slice(&chunk);
            while let Some(frame) = frame::take(&mut buffer)? {
                if !self.frame(frame).await? {
                    return Ok(());
                }
            }
            let streams: Streams = self.open.iter().map(|(id, channel)| (*channel, *id)).collect();
            if announced.iter().all(|c| streams.contains_key(c))
                && let Some(opened) = opened.take()
            {
                // Whoever waited for them has given up otherwise.
                let _ = opened.send(streams);
            }
        }
        Ok(())
    }

    /// False at the client's goodbye.
    async fn frame(&mut self, frame: Frame) -> Result<bool, String> {
        match frame {
            Frame::Open { stream, headers, fin } => {
                self.accept(stream, &headers).await?;
                if fin {
                    self.end(stream).await?;
                }
            }
            Frame::Data { stream, data, fin } => {
                match self.open.get(&stream) {
                    Some(Channel::Stdin) => {
                        for piece in data.chunks(CHUNK) {
                            self.tell(Channel::Stdin as u8, piece).await?;
                        }
                    }
                    Some(Channel::Resize) => self.resize(&data).await?,
                    _ => {}
                }
                if fin {
                    self.end(stream).await?;
                }
            }
            Frame::Reset { stream } => self.end(stream).await?,
            Frame::Ping { id } => self.send(frame::pong(id)).await?,
            Frame::GoAway => return Ok(false),
            Frame::Other => {}
        }
        Ok(true)
    }

    async fn accept(&mut self, stream: u32, block: &[u8]) -> Result<(), String> {
        let headers = self.codec.decode(block)?;
        let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("streamtype")).map(|(_, value)| value);
        let channel = kind.and_then(|k| Channel::named(k)).filter(|_| self.open.len() < MAX_STREAMS);
        let Some(channel) = channel else { return self.send(frame::reset(stream)).await };
        let block = self.codec.encode(&[])?;
        self.open.insert(stream, channel);
        self.send(frame::reply(stream, &block)).await
    }

    /// The client will send nothing more on a stream; we may.
    async fn end(&self, stream: u32) -> Result<(), String> {
        if self.open.get(&stream) == Some(&Channel::Stdin) {
            return self.tell(CLOSE, &[Channel::Stdin as u8]).await;
        }
        Ok(())
    }

    /// Sizes come one after another; each is a message of its own to the agent.
    async fn resize(&mut self, data: &[u8]) -> Result<(), String> {
        self.size.extend_from_slice(data);
        let (mut whole, mut read) = (Vec::new(), 0);
        let mut values = serde_json::Deserializer::from_slice(&self.size).into_iter::<Value>();
        while let Some(Ok(size)) = values.next() {
            whole.push(size.to_string());
            read = values.byte_offset();
        }
        let _ = self.size.split_to(read);
        if self.size.len() > MAX_SIZE {
            return Err("a terminal's size is no JSON".to_owned());
        }
        for size in whole {
            self.tell(Channel::Resize as u8, size.as_bytes()).await?;
        }
        Ok(())
    }

    async fn tell(&self, channel: u8, data: &[u8]) -> Result<(), String> {
        let mut message = BytesMut::with_capacity(data.len() + 1);
        message.put_u8(channel);
        message.extend_from_slice(data);
        self.teller.send(message.freeze()).await.map_err(|e| e.to_string())
    }
    async fn send(&self, bytes: Vec<u8>) -> Result<(), String> {
        self.out.send(bytes.into()).await.map_err(|_| "the client left".to_owned())
    }
}

/// Tells the client what the agent says, until the command has ended.
async fn down(out: Out, mut agent: Hearer, streams: &Streams, status: bool) {
    while let Some(message) = agent.next().await {
        let Some((&number, data)) = message.split_first() else { continue };
        let channel = [Channel::Stdout, Channel::Stderr, Channel::Error].into_iter().find(|c| *c as u8 == number);
        let Some(channel) = channel else { continue };
        let Some(stream) = streams.get(&channel) else { continue };
        let text;
        let data = if channel == Channel::Error && !status {
            text = plain(data);
            text.as_bytes()
        } else {
            data
        };
        for piece in data.chunks(CHUNK) {
            if out.send(frame::data(*stream, piece, false).into()).await.is_err() {
                return;
            }
        }
    }
    for channel in [Channel::Stdout, Channel::Stderr, Channel::Error] {
        if let Some(stream) = streams.get(&channel) {
            // A client that has left needs no end.
            let _ = out.send(frame::data(*stream, &[], true).into()).await;
        }
    }
}

/// A Status in the words of the older protocols, which say nothing of success.
fn plain(status: &[u8]) -> String {
    let status: Value = serde_json::from_slice(status).unwrap_or_default();
    if status["status"] == "Success" {
        return String::new();
    }
    status["message"].as_str().unwrap_or_default().to_owned()
}
