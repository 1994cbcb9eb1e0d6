//! A server on loopback, and a client that says what no good client would.

use super::*;
use actix_http::ws::{Codec, Frame};
use actix_web::{App, HttpServer};
use std::net::TcpListener;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::codec::{Decoder, Encoder};

/// Tells the length of each message, and then why no more is heard.
async fn lengths(request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, actix_web::Error> {
    let (answer, mut session, mut hearer) = open(&request, payload, &["lengths"]).await?;
    actix_web::rt::spawn(async move {
        while let Some(message) = hearer.next().await {
            session.text(message.len().to_string()).await.expect("a client that listens");
        }
        session.close(Some(hearer.end().into())).await.expect("a client that listens");
    });
    Ok(answer)
}

/// What the server says to these bytes until it closes: the lengths, and the code.
fn told(said: Vec<u8>) -> (Vec<String>, u16) {
    actix_web::rt::System::new().block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = || App::new().route("/", web::get().to(lengths));
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).expect("a server").run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let mut client = TcpStream::connect(address).await.expect("a connection");
        let hello = "GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
            sec-websocket-version: 13\r\nsec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw==\r\nsec-websocket-protocol: lengths\r\n\r\n";
        client.write_all(hello.as_bytes()).await.expect("an open connection");
        let mut buffer = BytesMut::new();
        let head = loop {
            client.read_buf(&mut buffer).await.expect("an answer");
            if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break buffer.split_to(end + 4);
            }
        };
        assert!(head.starts_with(b"HTTP/1.1 101"), "{head:?}");
        let (mut reader, mut writer) = client.into_split();
        // The server need not take it all.
        let writing = actix_web::rt::spawn(async move { drop(writer.write_all(&said).await) });
        let (mut codec, mut heard) = (Codec::new().client_mode(), Vec::new());
        let code = loop {
            match codec.decode(&mut buffer).expect("frames") {
                Some(Frame::Text(text)) => heard.push(String::from_utf8_lossy(&text).into_owned()),
                Some(Frame::Close(reason)) => break reason.map_or(0, |reason| reason.code.into()),
                Some(frame) => panic!("{frame:?}"),
                None => assert_ne!(reader.read_buf(&mut buffer).await.expect("an open connection"), 0, "{heard:?}"),
            }
        };
        writing.abort();
        handle.stop(false).await;
        (heard, code)
    })
}

fn frames(messages: Vec<Message>) -> Vec<u8> {
    let (mut bytes, mut codec) = (BytesMut::new(), Codec::new().client_mode());
    for message in messages {
        codec.encode(message, &mut bytes).expect("a frame");
    }
    bytes.to_vec()
}

fn zeroes(length: usize) -> Bytes {
    vec![0; length].into()
}

#[test]
fn messages_come_whole_or_in_pieces() {
    let said = vec![
        Message::Binary(zeroes(MAX_MESSAGE)),
        Message::Continuation(Item::FirstBinary(zeroes(2))),
        Message::Continuation(Item::Continue(zeroes(3))),
        Message::Continuation(Item::Last(zeroes(4))),
        Message::Text("text".into()),
        Message::Close(None),
    ];
    assert_eq!(told(frames(said)), (vec![MAX_MESSAGE.to_string(), "9".into(), "4".into()], 1000));
}

#[test]
fn what_is_too_long_closes_with_1009() {
    let first = || Message::Binary(zeroes(1));
    let claim = [&[0x82, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4], &[0; 100]].concat();
    let half = || zeroes(MAX_MESSAGE / 2 + 1);
    let pieces = [Message::Continuation(Item::FirstBinary(half())), Message::Continuation(Item::Continue(half()))];
    for said in [
        frames(vec![first(), Message::Binary(zeroes(MAX_MESSAGE + 1))]),
        [frames(vec![first()]), claim].concat(),
        frames([first()].into_iter().chain(pieces).collect()),
    ] {
        assert_eq!(told(said).1, 1009);
    }
}

#[test]
fn what_is_no_frame_closes_with_1002() {
    assert_eq!(told(vec![0x8f, 0x80, 0, 0, 0, 0]).1, 1002);
}
