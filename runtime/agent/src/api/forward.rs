//! `/portForward`: channels over a WebSocket (kube-rs, Python), or SPDY frames inside one (kubectl).

use super::{
    connect::connect,
    query::{Query, find, refuse},
    socket::{self, Hearer},
    spdy,
};
use crate::shared::Shared;
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, rt, web};
use actix_ws::Session;
use std::{collections::BTreeMap, path::PathBuf};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::mpsc,
};

const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
const PROTOCOLS: [&str; 3] = [TUNNEL, "v4.channel.k8s.io", "portforward.k8s.io"];
/// Bytes sent in one message.
const CHUNK: usize = 32 << 10;
/// Ports of one WebSocket: a channel number is a byte, and a port has two.
const MAX_PORTS: usize = 127;

pub(super) async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    path: web::Path<(String, String)>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let netns = match find(&shared, &path.0, &path.1) {
        Ok((_, view)) if view.shim.is_some() => view.netns.clone(),
        Ok(_) => return refuse(StatusCode::BAD_REQUEST, "unable to forward port because pod is not running"),
        Err(refusal) => return refusal.into(),
    };
    let (answer, session, hearer) = match socket::open(&request, payload, &PROTOCOLS).await {
        Ok(parts) => parts,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let chosen = answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|v| v.to_str().ok());
    match chosen {
        Some(TUNNEL) => {
            rt::spawn(spdy::tunnel(session, hearer, netns));
        }
        None if request.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL) => {
            return refuse(StatusCode::BAD_REQUEST, format!("unable to upgrade: use one of {}", PROTOCOLS.join(", ")));
        }
        _ => match ports(&Query::of(&request)) {
            Ok(ports) => {
                rt::spawn(channels(session, hearer, netns, ports));
            }
            Err(text) => return refuse(StatusCode::BAD_REQUEST, text),
        },
    }
    answer
}

fn ports(query: &Query) -> Result<Vec<u16>, String> {
    let texts = query.all("ports").chain(query.all("port")).flat_map(|list| list.split(','));
    let ports: Result<Vec<u16>, String> = texts
        .map(|text| match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!("unable to parse {text:?} as a port")),
        })
        .collect();
    let ports = ports?;
    if ports.is_empty() || ports.len() > MAX_PORTS {
        return Err("query parameter \"ports\" is required".to_owned());
    }
    Ok(ports)
}

/// Each port has a data channel (even) and an error channel (odd); the first message of both is the port itself.
async fn channels(mut session: Session, mut hearer: Hearer, netns: Option<PathBuf>, ports: Vec<u16>) {
    let mut writers: BTreeMap<u8, OwnedWriteHalf> = BTreeMap::new();
    let (done, mut ended) = mpsc::channel::<()>(ports.len());
    let mut open = 0;
    for (index, port) in (0_u8..).zip(ports) {
        let (data, error) = (index * 2, index * 2 + 1);
        let [low, high] = port.to_le_bytes();
        for channel in [data, error] {
            if session.binary(vec![channel, low, high]).await.is_err() {
                return;
            }
        }
        match connect(netns.clone(), port).await {
            Ok(stream) => {
                let (reader, writer) = stream.into_split();
                writers.insert(data, writer);
                open += 1;
                let (session, done) = (session.clone(), done.clone());
                rt::spawn(async move {
                    pump(session, data, reader).await;
                    // The receiver is gone when the client is.
                    let _ = done.send(()).await;
                });
            }
            Err(why) => {
                let mut text = vec![error];
                text.extend_from_slice(why.to_string().as_bytes());
                if session.binary(text).await.is_err() {
                    return;
                }
            }
        }
    }
    while open > 0 {
        tokio::select! {
            _ = ended.recv() => open -= 1,
            received = hearer.next() => {
                let Some(bytes) = received else { break };
                if let Some((channel, data)) = bytes.split_first()
                    && let Some(writer) = writers.get_mut(channel)
                    && writer.write_all(data).await.is_err()
                {
                    writers.remove(channel);
                }
            }
        }
    }
    let _ = session.close(Some(hearer.end().into())).await;
}

async fn pump(mut session: Session, channel: u8, mut reader: OwnedReadHalf) {
    let mut chunk = vec![channel; CHUNK + 1];
    while let Ok(length) = reader.read(&mut chunk[1..]).await {
        if length == 0 || session.binary(chunk[..=length].to_vec()).await.is_err() {
            return;
        }
    }
}
