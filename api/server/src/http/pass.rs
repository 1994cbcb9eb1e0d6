//! A neighbour's answer, passed on as it comes.

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

/// The data of a body, until it ends or the server stops; trailers are left out.
pub(crate) fn data(mut body: Incoming, stop: CancellationToken) -> impl Stream<Item = Result<Bytes, hyper::Error>> {
    async_stream::stream! {
        loop {
            let frame = tokio::select! {
                () = stop.cancelled() => break,
                frame = body.frame() => frame,
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        yield Ok(data);
                    }
                }
                Some(Err(error)) => {
                    yield Err(error);
                    break;
                }
                None => break,
            }
        }
    }
}
