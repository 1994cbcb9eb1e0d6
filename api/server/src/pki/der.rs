//! The little DER that is needed to exchange parts of a certificate.

/// Lengths below this are one byte.
const SHORT_LENGTH: usize = 0x80;

/// A tag.
#[derive(Clone, Copy)]
pub(super) enum Tag {
    Sequence = 0x30,
    BitString = 0x03,
}

/// An element of these parts.
pub(super) fn wrapped(tag: Tag, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut whole = vec![tag as u8];
    if let (Ok(short), true) = (u8::try_from(length), length < SHORT_LENGTH) {
        whole.push(short);
    } else {
        let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        // At most eight bytes.
        whole.push(0x80 | bytes.len() as u8);
        whole.extend(bytes);
    }
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole
}

/// The first element of `bytes`, and the length of its head; `None` where it is cut off.
pub(super) fn first(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let length = usize::from(*bytes.get(1)?);
    let (head, length) = if length < SHORT_LENGTH {
        (2, length)
    } else {
        let head = 2 + (length & 0x7f);
        let long = bytes
            .get(2..head)?
            .iter()
            .try_fold(0usize, |sum, byte| sum.checked_mul(256).map(|sum| sum | usize::from(*byte)))?;
        (head, long)
    };
    Some((bytes.get(..head.checked_add(length)?)?, head))
}

/// Where `part`, a slice of `whole`, begins in it.
pub(super) fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_is_found_again() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let inner = vec![7; length];
            let mut whole = wrapped(Tag::Sequence, &[&inner]);
            let size = whole.len();
            whole.push(9);
            let (element, head) = first(&whole).unwrap();
            assert_eq!((element.len(), &element[head..]), (size, &inner[..]));
            assert_eq!(first(&whole[..size - 1]), None);
        }
    }
}
