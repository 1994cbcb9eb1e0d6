//! Watches the lengths that frames announce (RFC 6455, 5.2): the codec looks at one when all of the frame has
//! come, and would keep whatever a client sends until then.

/// Longest head of a frame.
const MAX_HEAD: usize = 14;

/// What of a frame has passed.
#[derive(Default)]
pub(super) struct Gate {
    head: [u8; MAX_HEAD],
    /// Bytes of the head that are known.
    known: usize,
    /// Bytes of the payload that are still to come.
    left: u64,
}

impl Gate {
    /// Lets more bytes pass; whether each frame that begins in them is at most `limit` long.
    pub(super) fn pass(&mut self, mut bytes: &[u8], limit: u64) -> bool {
        while let Some(&byte) = bytes.first() {
            if self.left > 0 {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= here as u64;
                bytes = &bytes[here..];
                continue;
            }
            self.head[self.known] = byte;
            self.known += 1;
            bytes = &bytes[1..];
            if let Some(length) = self.length() {
                if length > limit {
                    return false;
                }
                (self.known, self.left) = (0, length);
            }
        }
        true
    }

    /// Length of the payload, once the head is whole.
    fn length(&self) -> Option<u64> {
        let second = self.head[1];
        let (wide, mask) = (second & 0x7f, usize::from(second >> 7) * 4);
        let digits = match wide {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        if self.known < 2 || self.known < 2 + digits + mask {
            return None;
        }
        let number = self.head[2..2 + digits].iter().fold(0, |sum, digit| sum << 8 | u64::from(*digit));
        Some(if digits == 0 { u64::from(wide) } else { number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_http::ws::{Codec, Message};
    use bytes::BytesMut;
    use proptest::prelude::*;
    use tokio_util::codec::Encoder;

    /// Frames of those lengths, as a client or as a server writes them.
    fn frames(lengths: &[usize], client: bool) -> Vec<u8> {
        let mut codec = if client { Codec::new().client_mode() } else { Codec::new() };
        let mut bytes = BytesMut::new();
        for length in lengths {
            codec.encode(Message::Binary(vec![0xff; *length].into()), &mut bytes).expect("a frame");
        }
        bytes.to_vec()
    }

    proptest! {
        #[test]
        fn the_longest_frame_decides(
            lengths in proptest::collection::vec(prop_oneof![0_usize..300, 65_500_usize..65_600], 1..6),
            limit in prop_oneof![0_u64..300, 65_500_u64..65_600],
            client: bool,
            step in 1_usize..70_000,
        ) {
            let bytes = frames(&lengths, client);
            let mut gate = Gate::default();
            let passes = bytes.chunks(step).all(|piece| gate.pass(piece, limit));
            prop_assert_eq!(passes, lengths.iter().all(|length| *length as u64 <= limit));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
            let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
            let (mut whole, mut parts) = (Gate::default(), Gate::default());
            let expected = whole.pass(&bytes, 200);
            prop_assert_eq!(parts.pass(first, 200) && parts.pass(second, 200), expected);
        }
    }

    #[test]
    fn a_claim_is_refused_with_its_head() {
        let claim = [&[0x82, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat();
        assert!(Gate::default().pass(&claim[..claim.len() - 1], 1 << 20));
        assert!(!Gate::default().pass(&claim, 1 << 20));
    }
}
