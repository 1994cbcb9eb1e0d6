//! Brings one layer from its registry to the store: unpacked as it comes, and continued where the connection broke.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use oci_client::client::BlobResponse;
use oci_client::manifest::OciDescriptor;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, mpsc};

use super::layer;
use super::pull::{Descriptor, Source};
use super::store::Store;
use crate::error::{Error, PullError};

/// Pieces of a layer between network and unpacking.
const QUEUE: usize = 16;
/// Times in a row that a layer is asked for again without a new byte.
const TRIES: u32 = 4;
/// Pause before the first of them; doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// Who fetches a layer, others wait for: within this process nothing comes twice.
#[derive(Default)]
pub(super) struct Turns(Mutex<BTreeMap<String, Weak<Turn<()>>>>);

impl Turns {
    async fn take(&self, layer: &str) -> OwnedMutexGuard<()> {
        let turn = {
            // Nothing panics while holding this lock.
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let known = turns.get(layer).and_then(Weak::upgrade);
            let turn = known.unwrap_or_default();
            turns.insert(layer.to_owned(), Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }
}

type Stream = BoxStream<'static, io::Result<Bytes>>;

impl Source<'_> {
    /// Fetches a layer and unpacks it; `received` counts its bytes as they come.
    pub(super) async fn layer(
        &self,
        store: Arc<Store>,
        blob: &Descriptor,
        diff_id: String,
        received: &AtomicU64,
    ) -> Result<(), PullError> {
        let _turn = store.turns().take(&diff_id).await;
        if store.has_layer(&diff_id)? {
            received.fetch_add(blob.size, Relaxed);
            return Ok(());
        }
        let stream = self.open(blob).await?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let digest = blob.digest.clone();
        let unpacking = tokio::task::spawn_blocking(move || {
            layer::store(&store, Pieces { receiver, piece: Bytes::new() }, Some(&digest), &diff_id)
        });
        let broken = self.feed(blob, stream, &sender, received).await;
        drop(sender);
        let result = unpacking.await.map_err(|error| Error::Shim(error.to_string()))?;
        match (result, broken) {
            (Ok(()), _) => Ok(()),
            (Err(error @ Error::Io { .. }), None) => Err(error.into()),
            (Err(_), Some(reason)) if !is_mismatch(&reason) => Err(PullError::Unavailable(reason)),
            (Err(error), _) => Err(self.corrupt(&error.to_string())),
        }
    }

    /// Hands the blob's bytes on. What broke it off for good is returned, and handed on too.
    async fn feed(
        &self,
        blob: &Descriptor,
        mut stream: Stream,
        sender: &mpsc::Sender<io::Result<Bytes>>,
        received: &AtomicU64,
    ) -> Option<String> {
        let (mut offset, mut skip, mut tries) = (0_u64, 0_u64, 0_u32);
        loop {
            let failure = match stream.next().await {
                Some(Ok(mut piece)) => {
                    // A registry that cannot continue begins anew: what came before is passed over.
                    let passed = skip.min(piece.len() as u64);
                    skip -= passed;
                    let piece = piece.split_off(usize::try_from(passed).unwrap_or(piece.len()));
                    if piece.is_empty() {
                        continue;
                    }
                    offset += piece.len() as u64;
                    if offset > blob.size {
                        let reason = format!("layer is larger than the {} bytes of its manifest", blob.size);
                        let _ = sender.send(Err(io::Error::new(io::ErrorKind::InvalidData, reason))).await;
                        return None;
                    }
                    received.fetch_add(piece.len() as u64, Relaxed);
                    tries = 0;
                    // Unpacking gave up; it says why.
                    if sender.send(Ok(piece)).await.is_err() {
                        return None;
                    }
                    continue;
                }
                Some(Err(error)) => error,
                None if offset < blob.size => io::Error::new(io::ErrorKind::UnexpectedEof, "the layer broke off"),
                None => return None,
            };
            let reason = failure.to_string();
            if is_mismatch(&reason) {
                let _ = sender.send(Err(failure)).await;
                return Some(reason);
            }
            tracing::debug!(digest = blob.digest, offset, "continuing a layer that broke off: {reason}");
            stream = loop {
                if tries == TRIES {
                    let _ = sender.send(Err(failure)).await;
                    return Some(reason);
                }
                tokio::time::sleep(PAUSE * 2_u32.pow(tries)).await;
                tries += 1;
                match self.client.pull_blob_stream_partial(&self.at, &descriptor(blob), offset, None).await {
                    Ok(BlobResponse::Partial(sized)) => {
                        skip = 0;
                        break sized.stream;
                    }
                    Ok(BlobResponse::Full(sized)) => {
                        skip = offset;
                        break sized.stream;
                    }
                    Err(error) => tracing::debug!(digest = blob.digest, "asking for a layer again: {error}"),
                }
            };
        }
    }

    /// A blob from its beginning.
    pub(super) async fn open(&self, blob: &Descriptor) -> Result<Stream, PullError> {
        let sized = self.client.pull_blob_stream(&self.at, &descriptor(blob)).await;
        Ok(sized.map_err(|error| self.failed(error))?.stream)
    }
}

fn descriptor(blob: &Descriptor) -> OciDescriptor {
    OciDescriptor {
        media_type: blob.media_type.clone(),
        digest: blob.digest.clone(),
        size: i64::try_from(blob.size).unwrap_or(i64::MAX),
        ..OciDescriptor::default()
    }
}

/// The bytes are not those that were asked for; asking again would not help.
pub(super) fn is_mismatch(reason: &str) -> bool {
    reason.to_lowercase().contains("digest")
}

/// The network's pieces as a blocking reader.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
