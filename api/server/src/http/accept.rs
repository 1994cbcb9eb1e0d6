//! Accepts connections: TLS, then HTTP/2 or HTTP/1.1.
//!
//! The HTTP/1.1 decoder hands a connection over for WebSockets alone. A request to upgrade to SPDY/3.1 is recognised
//! here, before it is decoded; it passes as a WebSocket's, and the connection remembers what it really asked for.

use super::{app::App, entry};
use actix_http::{HttpService, Protocol};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, map_config};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::{
    App as Actix, Error,
    dev::{AppConfig, Extensions},
    web,
};
use bytes::{Buf, BytesMut};
use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Idle connections end after this long; also the interval of HTTP/2 pings.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long the head of a connection's first request may take.
const FIRST_HEAD: Duration = Duration::from_secs(10);
/// Longest head that is looked at; the decoder refuses longer ones itself.
const MAX_HEAD: usize = 64 << 10;

/// Whether the connection's first request asked for SPDY/3.1.
pub(crate) struct Spdy(Rc<Cell<bool>>);

impl Spdy {
    /// True once: only the first request can be the one.
    pub(crate) fn take(&self) -> bool {
        self.0.take()
    }
}

/// A TLS connection, of which some bytes have been read ahead.
pub(super) struct Connection {
    tls: TlsStream<TcpStream>,
    ahead: BytesMut,
    spdy: Rc<Cell<bool>>,
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.tls).poll_read(cx, out);
        }
        let length = self.ahead.len().min(out.remaining());
        out.put_slice(&self.ahead[..length]);
        self.ahead.advance(length);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, data)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, data)
    }
    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
}

/// What serves one connection after another.
pub(super) fn service(
    app: web::Data<App>,
    mut tls: rustls::ServerConfig,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()> {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (stop, ended) = (app.stop.clone(), app.stop.clone());
    let site = Actix::new().app_data(app).default_service(web::to(entry::entry)).into_factory();
    let site = site.map_err(|error: Error| error.error_response());
    let http = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(move || ended.clone().cancelled_owned())
        .on_connect_ext(connected)
        .finish(map_config(site, |()| AppConfig::default()));
    // Why one connection failed is nobody's but its client's affair.
    Acceptor::new(tls)
        .map_err(drop)
        .and_then(move |tls: TlsStream<TcpStream>| {
            let stop = stop.clone();
            async move {
                let (tcp, session) = tls.get_ref();
                let _ = tcp.set_nodelay(true);
                let address = tcp.peer_addr().ok();
                let protocol = match session.alpn_protocol() {
                    Some(b"h2") => Protocol::Http2,
                    _ => Protocol::Http1,
                };
                let spdy = Rc::new(Cell::new(false));
                let mut connection = Connection { tls, ahead: BytesMut::new(), spdy };
                if protocol == Protocol::Http1 {
                    tokio::select! {
                        () = stop.cancelled() => return Err(()),
                        seen = tokio::time::timeout(FIRST_HEAD, connection.look()) => seen.map_err(drop)?.map_err(drop)?,
                    }
                }
                Ok((connection, protocol, address))
            }
        })
        .and_then(http.map_err(drop))
}

impl Connection {
    /// Reads the first head and remembers whether it asks for SPDY.
    async fn look(&mut self) -> io::Result<()> {
        while end(&self.ahead).is_none() && self.ahead.len() < MAX_HEAD {
            if self.tls.read_buf(&mut self.ahead).await? == 0 {
                return Ok(());
            }
        }
        if let Some(head) = rewritten(&self.ahead) {
            self.ahead = head;
            self.spdy.set(true);
        }
        Ok(())
    }
}

/// Tells requests who their connection's client is, and whether it asked for SPDY.
fn connected(connection: &Connection, data: &mut Extensions) {
    let (_, session) = connection.tls.get_ref();
    if let Some(peer) = session.peer_certificates().and_then(|c| c.first()).and_then(|c| entry::peer(c)) {
        data.insert(peer);
    }
    if connection.spdy.get() {
        data.insert(Spdy(Rc::clone(&connection.spdy)));
    }
}

/// Where the head ends.
fn end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n")
}

/// The same bytes with a WebSocket's upgrade in the place of SPDY's; `None` where no SPDY is asked for.
fn rewritten(bytes: &[u8]) -> Option<BytesMut> {
    let (head, rest) = bytes.split_at_checked(end(bytes)?)?;
    let head = std::str::from_utf8(head).ok()?;
    let asks = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        name.eq_ignore_ascii_case("upgrade") && value.trim().get(..5).is_some_and(|v| v.eq_ignore_ascii_case("spdy/"))
    };
    if !head.split("\r\n").any(asks) {
        return None;
    }
    let lines: Vec<&str> = head.split("\r\n").map(|l| if asks(l) { "upgrade: websocket" } else { l }).collect();
    let mut out = BytesMut::from(lines.join("\r\n").as_bytes());
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_an_upgrade_to_spdy_is_rewritten() {
        let ask = b"POST /x HTTP/1.1\r\nHost: y\r\nUPGRADE:  SPDY/3.1\r\nConnection: Upgrade\r\n\r\n\x80\x03rest";
        let expected = b"POST /x HTTP/1.1\r\nHost: y\r\nupgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x80\x03rest";
        assert_eq!(rewritten(ask).as_deref(), Some(&expected[..]));
        for other in [
            &b"GET /x HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"[..],
            b"GET /SPDY/3.1 HTTP/1.1\r\nX-Upgrade: SPDY/3.1\r\n\r\n",
            b"POST /x HTTP/1.1\r\nHost: y\r\n\r\nUpgrade: SPDY/3.1\r\n\r\n",
            b"POST /x HTTP/1.1\r\nUpgrade: SPDY/3.1\r\n",
        ] {
            assert_eq!(rewritten(other), None);
        }
    }

    proptest! {
        /// What is read ahead may be anything.
        #[test]
        fn any_bytes_can_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = rewritten(&bytes);
            let mut head = b"GET / HTTP/1.1\r\nUpgrade: SPDY/".to_vec();
            head.extend(bytes);
            head.extend(b"\r\n\r\n");
            let _ = rewritten(&head);
        }
    }
}
