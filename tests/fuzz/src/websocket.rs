//! WebSocket frames of clients, as server and agent read them.

use crate::{bounds::held, mutate::damaged};
use actix_http::ws::{Codec, Frame, Item, Message};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tokio_util::codec::{Decoder, Encoder};

/// Longest frame that is taken; one may claim any length.
const FRAME_LIMIT: usize = 64 << 10;

/// A session of exec as a client writes it: channels, a resize, pieces, a ping, an end.
fn session() -> Vec<u8> {
    let (mut bytes, mut codec) = (BytesMut::new(), Codec::new().client_mode());
    for message in [
        Message::Binary(Bytes::from_static(b"\0ls\n")),
        Message::Binary(Bytes::from_static(b"\x04{\"Width\":80,\"Height\":24}")),
        Message::Continuation(Item::FirstBinary(Bytes::from_static(b"\0a"))),
        Message::Ping(Bytes::from_static(b"?")),
        Message::Continuation(Item::Last(Bytes::from_static(b"b"))),
        Message::Text("0bHM=".into()),
        Message::Binary(Bytes::from_static(b"\xff\0")),
        Message::Close(None),
    ] {
        codec.encode(message, &mut bytes).unwrap();
    }
    bytes.to_vec()
}

/// Frames until the bytes end or are refused, and whether they were.
fn taken(pieces: &[&[u8]]) -> (Vec<Frame>, bool) {
    let (mut codec, mut buffer, mut frames) = (Codec::new().max_size(FRAME_LIMIT), BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

fn size(frame: &Frame) -> usize {
    match frame {
        Frame::Text(data) | Frame::Binary(data) | Frame::Ping(data) | Frame::Pong(data) => data.len(),
        Frame::Continuation(
            Item::FirstText(data) | Item::FirstBinary(data) | Item::Continue(data) | Item::Last(data),
        ) => data.len(),
        Frame::Close(_) => 0,
    }
}

proptest! {
    #[test]
    fn a_damaged_session(bytes in damaged(vec![session()]), cut: proptest::sample::Index) {
        let (whole, refused) = held(bytes.len(), || taken(&[&bytes]));
        prop_assert!(whole.iter().map(size).sum::<usize>() <= bytes.len());
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        prop_assert_eq!(taken(&[first, second]), (whole, refused));
    }
}

/// A frame that claims to be large takes no more memory than its bytes.
#[test]
fn a_claim_takes_no_memory() {
    for length in [[0, 0, 0, 0, 0x10, 0, 0, 0], [0x7f; 8]] {
        let claims = [&[0x82, 0xff][..], &length, &[1, 2, 3, 4]].concat();
        assert!(held(claims.len(), || taken(&[&claims])).0.is_empty());
    }
}

#[test]
fn the_session_is_whole() {
    let (frames, refused) = taken(&[&session()]);
    assert_eq!((frames.len(), refused), (8, false), "{frames:?}");
}
