//! As much of protobuf as device plugins need: fields in the order they come, none of them groups.

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a fixed width: skipped.
    Fixed,
}

impl<'a> Value<'a> {
    pub fn text(self) -> Result<String, String> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| "a string is no UTF-8".to_owned())
    }
    pub fn bytes(self) -> Result<&'a [u8], String> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err("a field has another type".to_owned()),
        }
    }
    pub fn flag(self) -> bool {
        matches!(self, Value::Number(number) if number != 0)
    }
}

/// All fields of a message.
pub(super) fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, String> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            1 => take(&mut bytes, 8).map(|_| Value::Fixed)?,
            2 => {
                let length = varint(&mut bytes)?;
                Value::Bytes(take(&mut bytes, length)?)
            }
            5 => take(&mut bytes, 4).map(|_| Value::Fixed)?,
            other => return Err(format!("unknown wire type {other}")),
        };
        out.push((key >> 3, value));
    }
    Ok(out)
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let cut = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length));
    let (head, rest) = cut.ok_or("the message is cut off")?;
    *bytes = rest;
    Ok(head)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("the message is cut off")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number is too long".to_owned())
}

/// A message that is being written. Empty fields are left out, as proto3 has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    #[cfg(test)]
    pub fn text(self, field: u64, text: &str) -> Self {
        if text.is_empty() { self } else { self.item(field, text.as_bytes()) }
    }
    /// One of a repeated field, or a message: said even where it is empty.
    pub fn item(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }
    pub fn items<'a>(self, field: u64, items: impl IntoIterator<Item = &'a String>) -> Self {
        items.into_iter().fold(self, |message, item| message.item(field, item.as_bytes()))
    }
    pub fn number(mut self, field: u64, number: u64) -> Self {
        if number != 0 {
            self.varint(field << 3);
            self.varint(number);
        }
        self
    }
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }
    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let long = "x".repeat(300);
        let bytes = Message::default().text(1, "a").text(2, "").number(3, 300).number(4, 0).items(5, [&long]).bytes();
        assert_eq!(&bytes[..6], b"\x0a\x01a\x18\xac\x02");
        let expected = [(1, Value::Bytes(b"a")), (3, Value::Number(300)), (5, Value::Bytes(long.as_bytes()))];
        assert_eq!(fields(&bytes), Ok(expected.to_vec()));
        assert_eq!(fields(b"\x09\0\0\0\0\0\0\0\0\x15\0\0\0\0").map(|f| f.len()), Ok(2));
        for wrong in
            [&b"\x0a\x05a"[..], b"\x0b", b"\x80", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x09\0"]
        {
            assert!(fields(wrong).is_err(), "{wrong:?}");
        }
    }
}
