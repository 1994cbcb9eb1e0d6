//! Protobuf's wire format: varints and length-delimited fields.

use super::Broken;

/// Wire types.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;
/// Bits of a key that tell the wire type.
const TYPE_BITS: u32 = 3;
/// Longest varint in bytes.
const MAX_VARINT: usize = 10;

/// The value of one field on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    pub(crate) fn bytes(self) -> Result<&'a [u8], Broken> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err("a field has the wrong wire type".to_owned()) }
    }
    pub(crate) fn text(self) -> Result<&'a str, Broken> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a string is not UTF-8".to_owned())
    }
    pub(crate) fn integer(self) -> Result<i64, Broken> {
        // Negative integers are their 64-bit two's complement.
        if let Self::Varint(n) = self { Ok(n.cast_signed()) } else { Err("a field has the wrong wire type".to_owned()) }
    }
    pub(crate) fn number(self) -> Result<f64, Broken> {
        match self {
            Self::Fixed64(bits) => Ok(f64::from_bits(bits)),
            Self::Fixed32(bits) => Ok(f64::from(f32::from_bits(bits))),
            _ => Err("a field has the wrong wire type".to_owned()),
        }
    }
}

/// The fields of a message, in the order in which they stand.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }
    fn take(&mut self, n: usize) -> Result<&'a [u8], Broken> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or("it ends inside a field")?;
        self.rest = tail;
        Ok(head)
    }
    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0u64;
        for i in 0..MAX_VARINT {
            let [byte] = *self.take(1)? else { break };
            value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(i).unwrap_or(0)).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number is too long".to_owned())
    }
    fn field(&mut self) -> Result<(u32, Wire<'a>), Broken> {
        let key = self.varint()?;
        let tag = u32::try_from(key >> TYPE_BITS).ok().filter(|t| *t > 0).ok_or("a field number is out of range")?;
        let value = match key & 7 {
            VARINT => Wire::Varint(self.varint()?),
            LENGTH => {
                let length = usize::try_from(self.varint()?).map_err(|_| "a length is out of range")?;
                Wire::Bytes(self.take(length)?)
            }
            FIXED64 => Wire::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| "cut")?)),
            FIXED32 => Wire::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| "cut")?)),
            odd => return Err(format!("wire type {odd} is not known")),
        };
        Ok((tag, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>), Broken>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// A message being written.
#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) out: Vec<u8>,
}

impl Writer {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
    fn key(&mut self, tag: u32, wire_type: u64) {
        self.varint(u64::from(tag) << TYPE_BITS | wire_type);
    }
    pub(crate) fn integer(&mut self, tag: u32, value: i64) {
        self.key(tag, VARINT);
        self.varint(value.cast_unsigned());
    }
    pub(crate) fn number(&mut self, tag: u32, value: f64) {
        self.key(tag, FIXED64);
        self.out.extend(value.to_bits().to_le_bytes());
    }
    pub(crate) fn bytes(&mut self, tag: u32, value: &[u8]) {
        self.key(tag, LENGTH);
        self.varint(value.len() as u64);
        self.out.extend(value);
    }
}
