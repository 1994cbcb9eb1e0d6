//! SPDY: frames and compressed header blocks, whole and in pieces.

use crate::{bounds::held, mutate::damaged};
use bytes::BytesMut;
use podium_streams::{
    Codec,
    frame::{self, Frame},
};
use proptest::prelude::*;

/// A session as a client writes it: a stream opened, data, a ping's answer, an end.
fn session() -> Vec<u8> {
    let mut codec = Codec::new().unwrap();
    let headers = codec.encode(&[("streamtype", "stdin"), ("port", "80"), ("requestid", "0")]).unwrap();
    let mut open = vec![0x80, 3, 0, 1, 0];
    open.extend_from_slice(&u32::try_from(headers.len() + 10).unwrap().to_be_bytes()[1..]);
    open.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    open.extend_from_slice(&headers);
    [open, frame::data(1, b"hello", false), frame::pong(7), frame::reset(1), frame::data(1, b"", true)].concat()
}

/// Reads until the bytes end or are refused.
fn taken(buffer: &mut BytesMut) -> Vec<Result<Frame, String>> {
    let mut codec = Codec::new().unwrap();
    let mut frames = Vec::new();
    loop {
        match frame::take(buffer) {
            Ok(None) => return frames,
            Ok(Some(frame)) => {
                if let Frame::Open { headers, .. } = &frame
                    && let Err(why) = codec.decode(headers)
                {
                    frames.push(Err(why));
                    return frames;
                }
                frames.push(Ok(frame));
            }
            Err(why) => {
                frames.push(Err(why));
                return frames;
            }
        }
    }
}

proptest! {
    #[test]
    fn a_damaged_session(bytes in damaged(vec![session()]), cut: proptest::sample::Index) {
        let whole = held(bytes.len(), || taken(&mut BytesMut::from(&bytes[..])));
        // The same frames where the bytes come in two pieces, as far as a decoder that starts anew goes.
        let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
        let mut buffer = BytesMut::from(first);
        let mut found = Vec::new();
        let mut refused = false;
        while let Some(frame) = next(&mut buffer, &mut refused) {
            found.push(frame);
        }
        buffer.extend_from_slice(second);
        while let Some(frame) = next(&mut buffer, &mut refused) {
            found.push(frame);
        }
        let good: Vec<Frame> = whole.into_iter().filter_map(Result::ok).collect();
        prop_assert!(found.starts_with(&good), "{found:?} {good:?}");
    }

    #[test]
    fn header_blocks(bytes in damaged(vec![block()])) {
        held(bytes.len(), || Codec::new().unwrap().decode(&bytes).is_ok());
    }
}

fn next(buffer: &mut BytesMut, refused: &mut bool) -> Option<Frame> {
    if *refused {
        return None;
    }
    frame::take(buffer).unwrap_or_else(|_| {
        *refused = true;
        None
    })
}

fn block() -> Vec<u8> {
    Codec::new().unwrap().encode(&[("streamtype", "error"), ("x", &"y".repeat(300))]).unwrap()
}

/// A block that is small on the wire and large when it is inflated.
#[test]
fn a_bomb_of_headers_is_refused() {
    let large = "0".repeat(8 << 20);
    let bytes = Codec::new().unwrap().encode(&[("x", &large)]).unwrap();
    assert!(held(bytes.len(), || Codec::new().unwrap().decode(&bytes)).is_err());
}

#[test]
fn the_session_is_whole() {
    let frames = taken(&mut BytesMut::from(&session()[..]));
    assert_eq!(frames.len(), 5, "{frames:?}");
    assert!(frames.iter().all(Result::is_ok));
}
