//! Header blocks: names and values with lengths, compressed by one zlib stream per direction.

use super::dictionary::dictionary;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// Longest block, decompressed; the peer sends a handful of short headers.
const MAX_BLOCK: usize = 64 << 10;
/// Room that is made for output at a time.
const STEP: usize = 4 << 10;

/// Both directions of one connection.
pub struct Codec {
    inflate: Decompress,
    deflate: Compress,
}

impl Codec {
    /// A new connection's.
    ///
    /// # Errors
    /// A compressor that refuses the dictionary.
    pub fn new() -> Result<Self, String> {
        let mut deflate = Compress::new(Compression::default(), true);
        deflate.set_dictionary(&dictionary()).map_err(|e| e.to_string())?;
        Ok(Self { inflate: Decompress::new(true), deflate })
    }

    /// Reads a block.
    ///
    /// # Errors
    /// A block that is broken, or longer than 64 KB.
    pub fn decode(&mut self, mut block: &[u8]) -> Result<Vec<(String, String)>, String> {
        let mut plain = Vec::new();
        while !block.is_empty() {
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            plain.reserve(STEP);
            match self.inflate.decompress_vec(block, &mut plain, FlushDecompress::Sync) {
                Err(error) if error.needs_dictionary().is_some() => {
                    self.inflate.set_dictionary(&dictionary()).map_err(|e| e.to_string())?;
                }
                Err(error) => return Err(error.to_string()),
                Ok(_) => {}
            }
            let taken = self.inflate.total_in() - before_in;
            block = &block[usize::try_from(taken).unwrap_or(0).min(block.len())..];
            if plain.len() > MAX_BLOCK {
                return Err("the header block is too long".to_owned());
            }
            if taken == 0 && self.inflate.total_out() == before_out {
                return Err("the header block does not end".to_owned());
            }
        }
        // What is left in the decompressor, once all input is taken.
        loop {
            let before = self.inflate.total_out();
            plain.reserve(STEP);
            match self.inflate.decompress_vec(&[], &mut plain, FlushDecompress::Sync) {
                Ok(_) if self.inflate.total_out() > before && plain.len() <= MAX_BLOCK => {}
                _ => break,
            }
        }
        parse(&plain).ok_or_else(|| "malformed header block".to_owned())
    }

    /// Writes a block.
    ///
    /// # Errors
    /// A compressor that fails.
    pub fn encode(&mut self, headers: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        let mut plain = Vec::new();
        plain.extend_from_slice(&(headers.len() as u32).to_be_bytes());
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend_from_slice(&(text.len() as u32).to_be_bytes());
            plain.extend_from_slice(text.as_bytes());
        }
        let (mut out, mut rest) = (Vec::new(), plain.as_slice());
        loop {
            let before = self.deflate.total_in();
            out.reserve(STEP);
            self.deflate.compress_vec(rest, &mut out, FlushCompress::Sync).map_err(|e| e.to_string())?;
            let taken = usize::try_from(self.deflate.total_in() - before).unwrap_or(0);
            rest = &rest[taken.min(rest.len())..];
            // Room left over means that everything is flushed.
            if rest.is_empty() && out.len() < out.capacity() {
                return Ok(out);
            }
        }
    }
}

fn parse(mut block: &[u8]) -> Option<Vec<(String, String)>> {
    fn number(block: &mut &[u8]) -> Option<usize> {
        let (head, rest) = block.split_first_chunk::<4>()?;
        *block = rest;
        usize::try_from(u32::from_be_bytes(*head)).ok()
    }
    fn text(block: &mut &[u8]) -> Option<String> {
        let length = number(block)?;
        let (head, rest) = block.split_at_checked(length)?;
        *block = rest;
        Some(String::from_utf8_lossy(head).into_owned())
    }
    let count = number(&mut block)?;
    let mut out = Vec::new();
    for _ in 0..count {
        out.push((text(&mut block)?, text(&mut block)?));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_survive_the_wire_in_a_row() {
        let (mut ours, mut theirs) = (Codec::new().expect("codec"), Codec::new().expect("codec"));
        for port in ["8080", "8081", "9999"] {
            let sent = [("streamtype", "data"), ("port", port), ("requestid", "0")];
            let block = theirs.encode(&sent).expect("encodes");
            let read = ours.decode(&block).expect("decodes");
            let expected: Vec<_> = sent.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            assert_eq!(read, expected);
        }
        assert!(ours.decode(b"no zlib at all").is_err());
    }
}
