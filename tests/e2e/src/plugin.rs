//! A device plugin for tests: it registers at a node and gives what it is told to.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use h2::server::SendResponse;
use std::{path::Path, sync::Arc};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::watch,
};

/// What the plugin has: ids, and whether they are well.
pub type Having = Vec<(&'static str, bool)>;

/// What a container gets with a device.
#[derive(Clone, Debug)]
pub struct Gift {
    /// Name and value of a variable.
    pub env: (String, String),
    /// A host's path and where it is mounted.
    pub mount: (String, String),
    /// A host's device and its name inside.
    pub device: (String, String),
}

/// A field of protobuf that holds bytes; all that is needed here is short.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    [out, bytes.to_vec()].concat()
}

fn frame(message: &[u8]) -> Bytes {
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat().into()
}

fn having(list: &Having) -> Vec<u8> {
    let one = |(id, well): &(&str, bool)| {
        let health = if *well { "Healthy" } else { "Unhealthy" };
        field(1, &[field(1, id.as_bytes()), field(2, health.as_bytes())].concat())
    };
    list.iter().flat_map(one).collect()
}

fn gift(gift: &Gift) -> Vec<u8> {
    let pair = |a: &str, b: &str| [field(1, a.as_bytes()), field(2, b.as_bytes())].concat();
    let env = field(1, &pair(&gift.env.0, &gift.env.1));
    let mount = field(2, &pair(&gift.mount.1, &gift.mount.0));
    let device = field(3, &[pair(&gift.device.1, &gift.device.0), field(3, b"rw")].concat());
    field(1, &[env, mount, device].concat())
}

/// Serves as a plugin at `DIR/NAME` until it is dropped; what it has may change.
pub fn serve(dir: &Path, name: &str, list: &watch::Sender<Having>, given: Gift) -> Result<tokio::task::JoinHandle<()>> {
    let listener = UnixListener::bind(dir.join(name))?;
    let (list, given) = (list.subscribe(), Arc::new(given));
    Ok(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (list, given) = (list.clone(), given.clone());
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer(request.uri().path().to_owned(), respond, list.clone(), given.clone()));
                }
            });
        }
    }))
}

async fn answer(
    method: String,
    mut respond: SendResponse<Bytes>,
    mut list: watch::Receiver<Having>,
    given: Arc<Gift>,
) -> Result<()> {
    let mut body = respond.send_response(http_0_2::Response::new(()), false)?;
    if method.ends_with("/ListAndWatch") {
        loop {
            let message = having(&list.borrow_and_update());
            body.send_data(frame(&message), false)?;
            list.changed().await?;
        }
    }
    let message = if method.ends_with("/Allocate") { gift(&given) } else { Vec::new() };
    body.send_data(frame(&message), false)?;
    let mut trailers = http_0_2::HeaderMap::new();
    trailers.insert("grpc-status", "0".parse()?);
    Ok(body.send_trailers(trailers)?)
}

/// Introduces the plugin to the node.
pub async fn register(dir: &Path, name: &str, resource: &str) -> Result<()> {
    let stream = UnixStream::connect(dir.join("kubelet.sock")).await?;
    let (client, connection) = h2::client::handshake(stream).await?;
    let driving = tokio::spawn(connection);
    let request = http_0_2::Request::post("http://localhost/v1beta1.Registration/Register").body(())?;
    let (answer, mut body) = client.ready().await?.send_request(request, false)?;
    let message = [field(1, b"v1beta1"), field(2, name.as_bytes()), field(3, resource.as_bytes())].concat();
    body.send_data(frame(&message), true)?;
    let mut body = answer.await?.into_body();
    while let Some(chunk) = body.data().await {
        drop(chunk?);
    }
    let trailers = body.trailers().await?.context("trailers")?;
    ensure!(trailers.get("grpc-status").is_some_and(|status| status == "0"), "{trailers:?}");
    driving.abort();
    Ok(())
}
