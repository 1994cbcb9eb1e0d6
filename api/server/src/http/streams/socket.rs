//! The client's end of a WebSocket towards an agent.

use actix_http::ws::{Codec, Frame, Item, Message};
use bytes::{Bytes, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::Mutex,
};
use tokio_util::codec::{Decoder, Encoder};

/// Longest message taken from an agent.
const MAX_MESSAGE: usize = 4 << 20;

/// What the agent says.
pub(super) struct Hearer {
    io: ReadHalf<TokioIo<Upgraded>>,
    codec: Codec,
    buffer: BytesMut,
    /// The beginning of a message that comes in pieces.
    partial: BytesMut,
    teller: Teller,
}

/// What the agent is told.
#[derive(Clone)]
pub(super) struct Teller(Arc<Mutex<(WriteHalf<TokioIo<Upgraded>>, Codec)>>);

/// Both ends of an upgraded connection.
pub(super) fn open(upgraded: Upgraded) -> (Hearer, Teller) {
    let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
    let codec = Codec::new().client_mode().max_size(MAX_MESSAGE);
    let teller = Teller(Arc::new(Mutex::new((writer, codec.clone()))));
    let hearer =
        Hearer { io: reader, codec, buffer: BytesMut::new(), partial: BytesMut::new(), teller: teller.clone() };
    (hearer, teller)
}

impl Hearer {
    /// The next message; `None` at the end, however it came.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.codec.decode(&mut self.buffer) {
                Ok(Some(frame)) => match frame {
                    Frame::Binary(data) | Frame::Text(data) => return Some(data),
                    Frame::Continuation(Item::FirstBinary(data) | Item::FirstText(data)) => {
                        self.partial = BytesMut::from(&data[..]);
                    }
                    Frame::Continuation(Item::Continue(data)) => self.add(&data)?,
                    Frame::Continuation(Item::Last(data)) => {
                        self.add(&data)?;
                        return Some(self.partial.split().freeze());
                    }
                    Frame::Ping(data) => self.teller.tell(Message::Pong(data)).await.ok()?,
                    Frame::Pong(_) => {}
                    Frame::Close(_) => return None,
                },
                Ok(None) => {
                    if self.io.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                        return None;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "an agent's WebSocket");
                    return None;
                }
            }
        }
    }
    fn add(&mut self, data: &[u8]) -> Option<()> {
        (self.partial.len() + data.len() <= MAX_MESSAGE).then(|| self.partial.extend_from_slice(data))
    }
}

impl Teller {
    async fn tell(&self, message: Message) -> io::Result<()> {
        let mut locked = self.0.lock().await;
        let (io, codec) = &mut *locked;
        let mut out = BytesMut::new();
        codec.encode(message, &mut out).map_err(io::Error::other)?;
        io.write_all(&out).await?;
        io.flush().await
    }
    /// Sends one message.
    pub(super) async fn send(&self, data: Bytes) -> io::Result<()> {
        self.tell(Message::Binary(data)).await
    }
    /// Says that nothing follows. An agent that has left does not mind.
    pub(super) async fn close(&self) {
        let _ = self.tell(Message::Close(None)).await;
        let _ = self.0.lock().await.0.shutdown().await;
    }
}
