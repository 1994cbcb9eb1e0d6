//! Building and reading netlink messages (RFC 3549 section 2.3.2; `linux/netlink.h`).

/// Length of the header every message begins with.
pub(super) const HEADER: usize = 16;
/// Type and length before an attribute's payload.
const ATTRIBUTE: usize = 4;
/// Upper bits of an attribute's type are flags.
const TYPE_MASK: u16 = 0x3fff;
const NESTED: u16 = 0x8000;

/// Messages that go out in one system call.
#[derive(Default)]
pub(crate) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Where each message starts.
    pub(super) starts: Vec<usize>,
}

impl Batch {
    /// Begins a message; attributes follow. `NLM_F_REQUEST` is understood.
    pub fn message(&mut self, kind: u16, flags: i32, header: &[u8]) -> &mut Self {
        self.finish();
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&((flags | libc::NLM_F_REQUEST) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        self.raw(header)
    }

    /// Bytes as they are, padded to the alignment.
    pub fn raw(&mut self, payload: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(payload);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// One attribute.
    pub fn attribute(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        // Payloads are names, addresses and keys: far below the 64 KiB that the length holds.
        let length = (ATTRIBUTE + payload.len()) as u16;
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.raw(payload)
    }

    /// A text attribute, with the final NUL that the kernel expects.
    pub fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut payload = text.as_bytes().to_vec();
        payload.push(0);
        self.attribute(kind, &payload)
    }

    /// An attribute made of what `fill` appends. Its length must stay below 64 KiB.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        fill(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// Asks for an acknowledgement of the last message.
    pub fn acknowledge_last(&mut self) {
        if let Some(start) = self.starts.last() {
            let flags = u16::from_ne_bytes([self.bytes[start + 6], self.bytes[start + 7]]) | libc::NLM_F_ACK as u16;
            self.bytes[start + 6..start + 8].copy_from_slice(&flags.to_ne_bytes());
        }
    }

    /// Number of messages so far.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Writes the length of the last message.
    pub(super) fn finish(&mut self) {
        if let Some(start) = self.starts.last() {
            let length = (self.bytes.len() - start) as u32;
            self.bytes[*start..start + 4].copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// The attributes in a piece of a message: type without flags, and payload. Ends at the first malformed one.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..ATTRIBUTE)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & TYPE_MASK;
        let payload = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, payload))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_as_they_went_in() {
        let mut batch = Batch::default();
        batch.message(1, 0, &[]).attribute(3, &[1, 2, 3]).nest(4, |inner| {
            inner.text(5, "ab").attribute(6, &[]);
        });
        batch.finish();
        assert_eq!(batch.bytes.len() % 4, 0);
        let all: Vec<_> = attributes(&batch.bytes[HEADER..]).collect();
        assert_eq!(all[0], (3, &[1, 2, 3][..]));
        assert_eq!(all[1].0, 4);
        let inner: Vec<_> = attributes(all[1].1).collect();
        assert_eq!(inner, [(5, &b"ab\0"[..]), (6, &[][..])]);
    }

    #[test]
    fn malformed_attributes_end_the_walk() {
        for bytes in [&[1][..], &[3, 0, 1, 0], &[200, 0, 1, 0, 9, 9, 9, 9]] {
            assert_eq!(attributes(bytes).count(), 0, "{bytes:?}");
        }
    }
}
