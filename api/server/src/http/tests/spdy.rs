//! SPDY/3.1 as old clients speak it, against an agent that knows WebSockets alone.

use super::{
    relay::{agent_doing, connect, head, pod_on},
    *,
};
use actix_http::ws::{Codec as Ws, Frame as Message, Message as Say};
use bytes::BytesMut;
use podium_streams::{Codec, Frame, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::{Decoder, Encoder};

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: abc=\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n\r\n";

/// The server's end of a WebSocket, over anything.
async fn next<S: tokio::io::AsyncRead + Unpin>(stream: &mut S, codec: &mut Ws, buffer: &mut BytesMut) -> Message {
    loop {
        if let Some(frame) = codec.decode(buffer).unwrap() {
            return frame;
        }
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server left");
    }
}

async fn say<S: tokio::io::AsyncWrite + Unpin>(stream: &mut S, codec: &mut Ws, data: &[u8]) {
    let mut out = BytesMut::new();
    codec.encode(Say::Binary(data.to_vec().into()), &mut out).unwrap();
    stream.write_all(&out).await.unwrap();
}

/// A SYN_STREAM, as clients send it.
fn open(id: u32, headers: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80, 3, 0, 1, 0];
    out.extend_from_slice(&(10 + headers.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(headers);
    out
}

/// Asks for the upgrade and returns the connection with the answer's head.
async fn upgrade(
    c: &Cluster,
    path: &str,
    version: &str,
) -> (impl tokio::io::AsyncRead + tokio::io::AsyncWrite, String) {
    let mut stream = connect(c).await;
    let request = format!(
        "POST /api/v1/namespaces/default/pods/p/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\
        Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: {version}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = head(&mut stream).await.to_lowercase();
    (stream, answer)
}

#[test]
fn exec_is_translated_to_the_agents_channels() {
    with_server(|c| async move {
        // Echoes stdin to stdout in capitals; at the end of it, exits with 3.
        let (port, agent) = agent_doing(c.pki.path(), ACCEPTED, |mut stream| async move {
            let (mut codec, mut buffer, mut input) = (Ws::new(), BytesMut::new(), Vec::new());
            loop {
                match next(&mut stream, &mut codec, &mut buffer).await {
                    Message::Binary(data) if data[0] == 0 => input.extend_from_slice(&data[1..]),
                    Message::Binary(data) if data[..] == [255, 0] => break,
                    other => panic!("{other:?}"),
                }
            }
            say(&mut stream, &mut codec, &[b"\x01", input.to_ascii_uppercase().as_slice()].concat()).await;
            say(&mut stream, &mut codec, b"\x02warned").await;
            say(&mut stream, &mut codec, b"\x03{\"status\":\"Failure\",\"message\":\"exit code 3\"}").await;
            let mut out = BytesMut::new();
            codec.encode(Say::Close(None), &mut out).unwrap();
            stream.write_all(&out).await.unwrap();
        })
        .await;
        pod_on(&c, port).await;
        let path = "exec?command=tr&stdin=true&stdout=true&stderr=true";
        let (stream, answer) = upgrade(&c, path, "v4.channel.k8s.io, v3.channel.k8s.io").await;
        assert!(answer.starts_with("http/1.1 101 ") && answer.contains("upgrade: spdy/3.1"), "{answer}");
        assert!(answer.contains("x-stream-protocol-version: v4.channel.k8s.io"), "{answer}");
        tokio::pin!(stream);
        let (mut codec, mut buffer) = (Codec::new().unwrap(), BytesMut::new());
        for (id, kind) in [(1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")] {
            stream.write_all(&open(id, &codec.encode(&[("streamtype", kind)]).unwrap())).await.unwrap();
        }
        stream.write_all(&[0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 9]).await.unwrap();
        for (text, last) in [("hel", false), ("lo", true)] {
            stream.write_all(&frame::data(3, text.as_bytes(), last)).await.unwrap();
        }
        let (mut texts, mut ends, mut pinged) = (std::collections::BTreeMap::<u32, Vec<u8>>::new(), 0, false);
        while ends < 3 {
            match frame::take(&mut buffer).unwrap() {
                Some(Frame::Data { stream, data, fin }) => {
                    texts.entry(stream).or_default().extend(data);
                    ends += usize::from(fin);
                }
                Some(Frame::Ping { id }) => pinged = id == 9,
                Some(_) => {}
                None => assert!(stream.read_buf(&mut buffer).await.unwrap() > 0, "the server left: {texts:?}"),
            }
        }
        let text = |id: u32| String::from_utf8_lossy(&texts[&id]).into_owned();
        assert_eq!((text(5), text(7)), ("HELLO".to_owned(), "warned".to_owned()));
        assert_eq!(text(1), "{\"status\":\"Failure\",\"message\":\"exit code 3\"}");
        assert!(pinged);
        drop(stream.shutdown().await);
        let asked = agent.await.unwrap();
        assert!(asked.starts_with("GET /exec/default/p/c?command=tr&stdin=true"), "{asked}");
        assert!(asked.contains("sec-websocket-protocol: v5.channel.k8s.io"), "{asked}");
    });
}

#[test]
fn port_forward_passes_in_binary_messages() {
    with_server(|c| async move {
        let (port, agent) = agent_doing(c.pki.path(), ACCEPTED, |mut stream| async move {
            let (mut codec, mut buffer) = (Ws::new(), BytesMut::new());
            for _ in 0..2 {
                let Message::Binary(data) = next(&mut stream, &mut codec, &mut buffer).await else { panic!() };
                say(&mut stream, &mut codec, &data).await;
            }
        })
        .await;
        pod_on(&c, port).await;
        let (stream, answer) = upgrade(&c, "portforward", "portforward.k8s.io").await;
        assert!(answer.contains("x-stream-protocol-version: portforward.k8s.io"), "{answer}");
        tokio::pin!(stream);
        for text in ["ping", "pong"] {
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut echo = [0; 4];
            stream.read_exact(&mut echo).await.unwrap();
            assert_eq!(echo, text.as_bytes());
        }
        assert!(agent.await.unwrap().contains("sec-websocket-protocol: SPDY/3.1+portforward.k8s.io"));
    });
}

#[test]
fn what_cannot_be_spoken_is_refused_before_the_upgrade() {
    with_server(|c| async move {
        pod_on(&c, 1).await;
        let (_, answer) = upgrade(&c, "exec?command=ls&stdout=true", "v9.channel.k8s.io").await;
        assert!(answer.starts_with("http/1.1 403 "), "{answer}");
        let (_, answer) = upgrade(&c, "exec?command=ls&stdout=true", "v4.channel.k8s.io").await;
        assert!(answer.starts_with("http/1.1 500 "), "{answer}");
    });
}
