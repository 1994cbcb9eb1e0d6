//! The server's end of a WebSocket: whole messages of bounded length, whatever pieces they come in.

mod gate;

use actix_http::{
    error::PayloadError,
    ws::{Item, ProtocolError},
};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev, web};
use actix_ws::{CloseCode, Message, MessageStream, Session};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use gate::Gate;

/// Longest message taken, and so the longest frame.
pub(super) const MAX_MESSAGE: usize = 4 << 20;

/// What the client says.
pub(super) struct Hearer {
    stream: MessageStream,
    session: Session,
    /// The beginning of a message that comes in pieces.
    partial: BytesMut,
    end: CloseCode,
}

/// Answers an upgrade; the answer names the one of `protocols` that was chosen.
pub(super) async fn open(
    request: &HttpRequest,
    payload: web::Payload,
    protocols: &[&str],
) -> Result<(HttpResponse, Session, Hearer), actix_web::Error> {
    let (answer, session, stream) =
        actix_ws::handle_with_protocols(request, gated(request, payload).await?, protocols)?;
    let stream = stream.max_frame_size(MAX_MESSAGE);
    let hearer = Hearer { stream, session: session.clone(), partial: BytesMut::new(), end: CloseCode::Normal };
    Ok((answer, session, hearer))
}

/// The same bytes until a frame announces too many.
async fn gated(request: &HttpRequest, payload: web::Payload) -> Result<web::Payload, actix_web::Error> {
    let mut gate = Gate::default();
    let watched = payload.map(move |chunk| match chunk {
        Ok(bytes) if !gate.pass(&bytes, MAX_MESSAGE as u64) => Err(PayloadError::Overflow),
        chunk => chunk,
    });
    web::Payload::from_request(request, &mut dev::Payload::Stream { payload: Box::pin(watched) }).await
}

impl Hearer {
    /// The next message; `None` at the end, however it came. Pings are answered.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let message = match self.stream.recv().await? {
                Ok(message) => message,
                Err(error) => {
                    tracing::debug!(%error, "a client's WebSocket");
                    return self.refuse(if too_long(&error) { CloseCode::Size } else { CloseCode::Protocol });
                }
            };
            match message {
                Message::Binary(data) => return Some(data),
                Message::Text(text) => return Some(text.into_bytes()),
                Message::Continuation(Item::FirstBinary(data) | Item::FirstText(data)) => {
                    self.partial = BytesMut::from(&data[..]);
                }
                Message::Continuation(Item::Continue(data)) if self.add(&data) => {}
                Message::Continuation(Item::Last(data)) if self.add(&data) => {
                    return Some(self.partial.split().freeze());
                }
                Message::Continuation(_) => return self.refuse(CloseCode::Size),
                // A client that has left needs no answer.
                Message::Ping(data) => drop(self.session.pong(&data).await),
                Message::Close(_) => return None,
                Message::Pong(_) | Message::Nop => {}
            }
        }
    }

    /// Why nothing more is heard: the code to close with.
    pub(super) fn end(&self) -> CloseCode {
        self.end
    }

    fn refuse(&mut self, code: CloseCode) -> Option<Bytes> {
        self.end = code;
        None
    }

    /// Whether that much more is still a message.
    fn add(&mut self, data: &[u8]) -> bool {
        let fits = self.partial.len() + data.len() <= MAX_MESSAGE;
        if fits {
            self.partial.extend_from_slice(data);
        }
        fits
    }
}

/// Whether a length is what was wrong.
fn too_long(error: &ProtocolError) -> bool {
    match error {
        ProtocolError::Overflow => true,
        ProtocolError::Io(error) => {
            error.get_ref().and_then(|inner| inner.downcast_ref()).is_some_and(|e| matches!(e, PayloadError::Overflow))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
