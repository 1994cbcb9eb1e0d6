//! Frames (SPDY draft 3, section 2.2).

use bytes::{Buf, BytesMut};

/// Longest frame sent; the length field holds no more.
const MAX_FRAME: usize = (1 << 24) - 1;
/// Longest frame taken: clients send 32 KB at a time, and what is announced is held until it is whole.
pub const MAX_TAKEN: usize = 1 << 20;
const VERSION: u16 = 3;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
/// The sender's half of the stream ends with this frame.
const FIN: u8 = 1;
/// Status of a RST_STREAM: the stream is not wanted any more.
const CANCEL: u32 = 5;

/// What a peer says, as far as we listen.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// SYN_STREAM.
    Open {
        /// The new stream.
        stream: u32,
        /// Its header block, compressed.
        headers: Vec<u8>,
        /// The peer will send nothing on it.
        fin: bool,
    },
    /// A piece of a stream.
    Data {
        /// Which.
        stream: u32,
        /// The piece.
        data: Vec<u8>,
        /// It was the last.
        fin: bool,
    },
    /// RST_STREAM.
    Reset {
        /// The stream that is given up.
        stream: u32,
    },
    /// To be answered with the same number.
    Ping {
        /// The number.
        id: u32,
    },
    /// The peer opens no more streams.
    GoAway,
    /// What needs no answer.
    Other,
}

/// Takes one whole frame from the front of `buffer`; None until it is complete.
///
/// # Errors
/// What is no SPDY/3 frame, or one longer than [`MAX_TAKEN`].
pub fn take(buffer: &mut BytesMut) -> Result<Option<Frame>, String> {
    let Some(head) = buffer.first_chunk::<8>() else { return Ok(None) };
    let first = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let (flags, length) = (head[4], u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize);
    if length > MAX_TAKEN {
        return Err(format!("a frame of {length} bytes is too long"));
    }
    if buffer.len() < 8 + length {
        return Ok(None);
    }
    buffer.advance(8);
    let body = buffer.split_to(length);
    let fin = flags & FIN != 0;
    if first & 0x8000_0000 == 0 {
        return Ok(Some(Frame::Data { stream: first, data: body.to_vec(), fin }));
    }
    let version = ((first >> 16) & 0x7fff) as u16;
    if version != VERSION {
        return Err(format!("SPDY version {version}"));
    }
    let number = |at: usize| -> Result<u32, String> {
        let bytes = body.get(at..at + 4).and_then(|b| b.first_chunk::<4>()).ok_or("a frame is too short")?;
        Ok(u32::from_be_bytes(*bytes))
    };
    Ok(Some(match first as u16 {
        SYN_STREAM => {
            // Stream, associated stream, priority and slot; then the headers.
            let headers = body.get(10..).ok_or("a frame is too short")?.to_vec();
            Frame::Open { stream: number(0)? & 0x7fff_ffff, headers, fin }
        }
        RST_STREAM => Frame::Reset { stream: number(0)? & 0x7fff_ffff },
        PING => Frame::Ping { id: number(0)? },
        GOAWAY => Frame::GoAway,
        _ => Frame::Other,
    }))
}

fn control(kind: u16, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + body.len());
    out.extend_from_slice(&(0x8000 | VERSION).to_be_bytes());
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(u32::from(flags) << 24 | body.len() as u32).to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// Accepts a stream.
pub fn reply(stream: u32, headers: &[u8]) -> Vec<u8> {
    let mut body = stream.to_be_bytes().to_vec();
    body.extend_from_slice(headers);
    control(SYN_REPLY, 0, &body)
}

/// Ends a stream for good.
pub fn reset(stream: u32) -> Vec<u8> {
    control(RST_STREAM, 0, &[stream.to_be_bytes(), CANCEL.to_be_bytes()].concat())
}

/// Answers a ping.
pub fn pong(id: u32) -> Vec<u8> {
    control(PING, 0, &id.to_be_bytes())
}

/// Data of a stream, at most 16 MB.
pub fn data(stream: u32, data: &[u8], fin: bool) -> Vec<u8> {
    let data = &data[..data.len().min(MAX_FRAME)];
    let mut out = Vec::with_capacity(8 + data.len());
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(&(u32::from(if fin { FIN } else { 0 }) << 24 | data.len() as u32).to_be_bytes());
    out.extend_from_slice(data);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_whole() {
        let mut wire = data(3, b"hello", true);
        wire.extend(pong(7));
        wire.extend(reset(5));
        let mut syn = 3_u32.to_be_bytes().to_vec();
        syn.extend([0; 6]);
        syn.extend(b"block");
        wire.extend(control(SYN_STREAM, 0, &syn));
        let mut buffer = BytesMut::new();
        let mut seen = Vec::new();
        // Byte by byte, as a WebSocket may cut them.
        for byte in wire {
            buffer.extend_from_slice(&[byte]);
            seen.extend(take(&mut buffer).expect("well formed"));
        }
        assert_eq!(
            seen,
            [
                Frame::Data { stream: 3, data: b"hello".to_vec(), fin: true },
                Frame::Ping { id: 7 },
                Frame::Reset { stream: 5 },
                Frame::Open { stream: 3, headers: b"block".to_vec(), fin: false },
            ]
        );
        assert!(take(&mut BytesMut::from(&[0x80, 2, 0, 1, 0, 0, 0, 0][..])).is_err());
    }
}
