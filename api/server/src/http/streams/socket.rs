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
/// Longest head of a frame (RFC 6455, 5.2).
const MAX_HEAD: usize = 14;

/// What the agent says.
pub(super) struct Hearer {
    io: ReadHalf<TokioIo<Upgraded>>,
    inbox: Inbox,
    teller: Teller,
}

/// Bytes that came, on their way to messages.
struct Inbox {
    codec: Codec,
    buffer: BytesMut,
    /// The beginning of a message that comes in pieces.
    partial: BytesMut,
}

/// What came.
#[derive(Debug, PartialEq)]
enum Said {
    Message(Bytes),
    Ping(Bytes),
    End,
}

/// What the agent is told.
#[derive(Clone)]
pub(super) struct Teller(Arc<Mutex<(WriteHalf<TokioIo<Upgraded>>, Codec)>>);

/// Both ends of an upgraded connection.
pub(super) fn open(upgraded: Upgraded) -> (Hearer, Teller) {
    let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
    let inbox = Inbox::new();
    let teller = Teller(Arc::new(Mutex::new((writer, inbox.codec.clone()))));
    let hearer = Hearer { io: reader, inbox, teller: teller.clone() };
    (hearer, teller)
}

impl Hearer {
    /// The next message; `None` at the end, however it came.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.inbox.take() {
                Some(Said::Message(data)) => return Some(data),
                Some(Said::Ping(data)) => self.teller.tell(Message::Pong(data)).await.ok()?,
                Some(Said::End) => return None,
                None => {
                    if self.io.read_buf(&mut self.inbox.buffer).await.unwrap_or(0) == 0 {
                        return None;
                    }
                }
            }
        }
    }
}

impl Inbox {
    fn new() -> Self {
        let codec = Codec::new().client_mode().max_size(MAX_MESSAGE);
        Self { codec, buffer: BytesMut::new(), partial: BytesMut::new() }
    }
    /// What has come; `None` where more bytes are needed. What makes no sense is an end.
    fn take(&mut self) -> Option<Said> {
        loop {
            let frame = match self.codec.decode(&mut self.buffer) {
                // The codec looks at a frame's length when all of it has come.
                Ok(None) if self.buffer.len() > MAX_MESSAGE + MAX_HEAD => return Some(Said::End),
                Ok(frame) => frame?,
                Err(error) => {
                    tracing::debug!(%error, "an agent's WebSocket");
                    return Some(Said::End);
                }
            };
            match frame {
                Frame::Binary(data) | Frame::Text(data) => return Some(Said::Message(data)),
                Frame::Continuation(Item::FirstBinary(data) | Item::FirstText(data)) => {
                    self.partial = BytesMut::from(&data[..]);
                }
                Frame::Continuation(Item::Continue(data)) if self.add(&data) => {}
                Frame::Continuation(Item::Last(data)) if self.add(&data) => {
                    return Some(Said::Message(self.partial.split().freeze()));
                }
                Frame::Ping(data) => return Some(Said::Ping(data)),
                Frame::Pong(_) => {}
                Frame::Continuation(_) | Frame::Close(_) => return Some(Said::End),
            }
        }
    }
    /// Whether that much more is still a message.
    fn add(&mut self, data: &[u8]) -> bool {
        let fits = self.partial.len() + data.len() <= MAX_MESSAGE;
        if fits {
            self.partial.extend_from_slice(data);
        }
        fits
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, sample::Index};

    /// Most bytes that a test's messages may take; a frame may claim far more.
    const SMALL: usize = 1 << 20;

    /// What an agent says in all the ways that there are.
    fn session() -> Vec<u8> {
        let mut bytes = BytesMut::new();
        let mut codec = Codec::new();
        for message in [
            Message::Binary(Bytes::from_static(b"\x01hello")),
            Message::Ping(Bytes::from_static(b"?")),
            Message::Continuation(Item::FirstBinary(Bytes::from_static(b"\x02in"))),
            Message::Continuation(Item::Continue(Bytes::from_static(b" three"))),
            Message::Continuation(Item::Last(Bytes::from_static(b" pieces"))),
            Message::Text("\u{1}text".into()),
            Message::Binary(Bytes::from(vec![7; 70_000])),
            Message::Close(None),
        ] {
            codec.encode(message, &mut bytes).unwrap();
        }
        bytes.to_vec()
    }

    /// All that some pieces of bytes say.
    fn heard(pieces: &[&[u8]]) -> Vec<Said> {
        let (mut inbox, mut all) = (Inbox::new(), Vec::new());
        for piece in pieces {
            inbox.buffer.extend_from_slice(piece);
            while let Some(said) = inbox.take() {
                let over = said == Said::End;
                all.push(said);
                if over {
                    return all;
                }
            }
        }
        all
    }

    #[test]
    fn pieces_make_a_message() {
        let said = heard(&[&session()]);
        assert_eq!(said.len(), 6, "{said:?}");
        assert_eq!(said[2], Said::Message(Bytes::from_static(b"\x02in three pieces")));
        assert_eq!(said[5], Said::End);
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let (mut bytes, mut codec) = (BytesMut::new(), Codec::new());
        let piece = Bytes::from(vec![0; SMALL]);
        codec.encode(Message::Continuation(Item::FirstBinary(piece.clone())), &mut bytes).unwrap();
        for _ in 0..MAX_MESSAGE / SMALL {
            codec.encode(Message::Continuation(Item::Continue(piece.clone())), &mut bytes).unwrap();
        }
        assert_eq!(heard(&[&bytes]), [Said::End]);
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_before_it_has_come() {
        let claim = [&[0x82, 0x7f][..], &(1_u64 << 40).to_be_bytes()].concat();
        let piece = vec![0; SMALL];
        let mut pieces = vec![&claim[..]];
        pieces.extend((0..=MAX_MESSAGE / SMALL).map(|_| &piece[..]));
        assert_eq!(heard(&pieces), [Said::End]);
    }

    proptest! {
        /// Damaged frames end the conversation or say something else; how they are cut up makes no difference.
        #[test]
        fn damaged_frames(
            damage in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..8),
            lost in any::<Index>(),
            cut in any::<Index>(),
        ) {
            let mut bytes = session();
            for (place, byte) in damage {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            // Most damage is to be at the beginning, where the short frames are.
            bytes.drain(..lost.index(40));
            let whole = heard(&[&bytes]);
            let (first, second) = bytes.split_at(cut.index(bytes.len()));
            prop_assert_eq!(&heard(&[first, second]), &whole);
            let size: usize = whole.iter().map(|said| if let Said::Message(data) = said { data.len() } else { 0 }).sum();
            prop_assert!(size <= bytes.len());
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in any::<Index>()) {
            let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(heard(&[first, second]), heard(&[&bytes]));
        }
    }
}
