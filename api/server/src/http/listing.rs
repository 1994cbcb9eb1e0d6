//! A list as a body, made piece by piece while it is sent: nothing is parsed, and a large list
//! never lies in memory a second time.

use super::answer::{self, GZIP_FROM, pretty, takes_gzip};
use crate::verbs::Page;
use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    http::{StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use podium_kinds::Kind;
use podium_machinery::state::Object;
use serde_json::Value;
use std::{
    convert::Infallible,
    io::{self, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    vec,
};

/// About how many bytes are put together at a time; small enough for a processor's cache.
const PIECE: usize = 64 * 1024;
/// Compressed bytes that go out together.
const PACKED_PIECE: usize = 16 * 1024;

/// The page's objects, with the list's own `metadata`.
pub(crate) fn answer(request: &HttpRequest, kind: &Kind, page: Page, metadata: &Value) -> HttpResponse {
    let pieces = Pieces::new(kind, page, metadata);
    if pretty(request) {
        return answer::json(request, StatusCode::OK, pieces.whole(), &[]);
    }
    let mut response = HttpResponse::Ok();
    response.content_type("application/json");
    if pieces.size >= GZIP_FROM && takes_gzip(request) {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
        response.insert_header((header::VARY, "Accept-Encoding"));
        return response.body(Packed::new(pieces));
    }
    response.body(pieces)
}

/// The text of a list.
struct Pieces {
    head: Option<Bytes>,
    objects: vec::IntoIter<Arc<Object>>,
    size: usize,
    ended: bool,
}

impl Pieces {
    fn new(kind: &Kind, page: Page, metadata: &Value) -> Self {
        let (name, version) = (kind.list_kind, kind.api_version());
        let head = format!("{{\"kind\":{name:?},\"apiVersion\":{version:?},\"metadata\":{metadata},\"items\":[");
        let commas = page.objects.len().saturating_sub(1);
        let size = head.len() + page.objects.iter().map(|o| o.json.len()).sum::<usize>() + commas + TAIL.len();
        Self { head: Some(head.into()), objects: page.objects.into_iter(), size, ended: false }
    }
    fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut piece = BytesMut::with_capacity(PIECE.min(self.size));
        let mut first = false;
        if let Some(head) = self.head.take() {
            piece.extend_from_slice(&head);
            first = true;
        }
        while piece.len() < PIECE {
            let Some(object) = self.objects.next() else {
                piece.extend_from_slice(TAIL);
                self.ended = true;
                break;
            };
            if !std::mem::take(&mut first) {
                piece.extend_from_slice(b",");
            }
            piece.extend_from_slice(&object.json);
        }
        Some(piece.freeze())
    }
    fn whole(mut self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.size);
        while let Some(piece) = self.next() {
            whole.extend_from_slice(&piece);
        }
        whole.freeze()
    }
}

const TAIL: &[u8] = b"]}";

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size as u64)
    }
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.get_mut().next().map(Ok))
    }
}

/// The same, compressed.
struct Packed {
    pieces: Pieces,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Packed {
    fn new(pieces: Pieces) -> Self {
        Self { pieces, encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())) }
    }
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let Some(encoder) = &mut self.encoder else { return Ok(None) };
        while let Some(piece) = self.pieces.next() {
            encoder.write_all(&piece)?;
            if encoder.get_ref().len() >= PACKED_PIECE {
                return Ok(Some(std::mem::take(encoder.get_mut()).into()));
            }
        }
        self.encoder.take().map(|encoder| encoder.finish().map(Bytes::from)).transpose()
    }
}

impl MessageBody for Packed {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        Poll::Ready(self.get_mut().next().transpose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podium_types::Key;
    use serde_json::json;
    use std::{collections::BTreeMap, io::Read};

    fn page(objects: usize) -> Page {
        let text = json!({"metadata": {"name": "a"}, "data": {"text": "x".repeat(1000)}}).to_string();
        let object = |n| Object::new(Key::new("ns", "a"), "u".to_owned(), n, BTreeMap::new(), &text);
        let objects = (1..=objects as u64).map(|n| Arc::new(object(n))).collect();
        Page { objects, revision: 7, continue_token: String::new(), remaining: None }
    }
    fn pieces(objects: usize) -> Pieces {
        let kind = podium_kinds::by_resource("configmaps").unwrap();
        Pieces::new(kind, page(objects), &json!({"resourceVersion": "7"}))
    }

    #[test]
    fn pieces_are_the_list_and_as_long_as_announced() {
        for count in [0, 1, 2, 300] {
            let size = pieces(count).size;
            let whole = pieces(count).whole();
            assert_eq!(whole.len(), size);
            let list: Value = serde_json::from_slice(&whole).unwrap();
            assert_eq!((&list["kind"], list["items"].as_array().map(Vec::len)), (&json!("ConfigMapList"), Some(count)));
            assert_eq!(list["metadata"], json!({"resourceVersion": "7"}));
        }
    }

    #[test]
    fn packed_is_the_same_list() {
        let mut packed = Packed::new(pieces(300));
        let mut bytes = Vec::new();
        while let Some(piece) = packed.next().unwrap() {
            bytes.extend_from_slice(&piece);
        }
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
        assert_eq!(text, pieces(300).whole());
    }
}
