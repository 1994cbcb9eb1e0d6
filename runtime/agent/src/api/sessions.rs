//! `/exec` and `/attach` over WebSockets.

use super::{
    channels::{Input, PROTOCOLS, STDERR, STDOUT, input, message, outcome},
    query::{Query, Refusal, attempt, container, find, refuse},
    socket::{self, Hearer},
};
use crate::{pod::container_id, shared::Shared};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, rt, web};
use actix_ws::{CloseCode, Session};
use podium_oci::{ExecConfig, Reader, Shim, Terminal, Writer};
use std::{future::Future, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bytes sent in one message.
const CHUNK: usize = 32 << 10;
/// How long output that a command's children keep open is waited for.
const LINGER: Duration = Duration::from_millis(500);
/// How long a command that has closed its output is waited for.
const MUTE: Duration = Duration::from_secs(3600);

type Target = web::Path<(String, String, String)>;

/// Streams that a client asks for.
#[derive(Clone, Copy)]
struct Wish {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
}

impl Wish {
    /// By the API's names or by the kubelet's.
    fn of(query: &Query) -> Self {
        let tty = query.flag("tty");
        Self {
            stdin: query.flag("stdin") || query.flag("input"),
            stdout: query.flag("stdout") || query.flag("output"),
            // A terminal has one output.
            stderr: !tty && (query.flag("stderr") || query.flag("error")),
            tty,
        }
    }
}

pub(super) async fn exec(
    request: HttpRequest,
    payload: web::Payload,
    path: Target,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let query = Query::of(&request);
    let (shim, id) = match running(&shared, &path) {
        Ok(found) => found,
        Err(refusal) => return refusal.into(),
    };
    let wish = Wish::of(&query);
    let args: Vec<String> = query.all("command").map(str::to_owned).collect();
    if args.is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "you must specify at least 1 command");
    }
    upgrade(&request, payload, |socket| async move {
        let config = ExecConfig {
            args,
            tty: wish.tty,
            stdin: wish.stdin,
            stdout: wish.stdout,
            stderr: wish.stderr,
            ..ExecConfig::default()
        };
        match shim.exec(&id, config).await {
            Ok(session) => {
                let wait = async move { session.wait.wait().await.map_err(|e| e.to_string()) };
                let streams = Streams {
                    stdin: session.stdin,
                    stdout: session.stdout,
                    stderr: session.stderr,
                    terminal: session.terminal,
                };
                socket.run(streams, Some(wait)).await;
            }
            Err(error) => socket.fail(error.to_string()).await,
        }
    })
    .await
}

pub(super) async fn attach(
    request: HttpRequest,
    payload: web::Payload,
    path: Target,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let wish = Wish::of(&Query::of(&request));
    let (shim, id) = match running(&shared, &path) {
        Ok(found) => found,
        Err(refusal) => return refusal.into(),
    };
    upgrade(&request, payload, move |socket| async move {
        match shim.attach(&id, wish.stdin, wish.stdout, wish.stderr).await {
            Ok(session) => {
                let guard = session.guard;
                let streams = Streams {
                    stdin: session.stdin,
                    stdout: session.stdout,
                    stderr: session.stderr,
                    terminal: session.terminal,
                };
                // The output ends with the container.
                socket.run(streams, None::<std::future::Ready<_>>).await;
                drop(guard);
            }
            Err(error) => socket.fail(error.to_string()).await,
        }
    })
    .await
}

/// The shim and the id of a container that runs.
fn running(shared: &Shared, path: &Target) -> Result<(Shim, String), Refusal> {
    let (namespace, pod, name) = (&path.0, &path.1, &path.2);
    let (_, view) = find(shared, namespace, pod)?;
    let status = container(&view, name)
        .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("container not found (\"{name}\")")))?;
    match view.shim.clone().filter(|_| status["state"]["running"].is_object()) {
        Some(shim) => Ok((shim, container_id(name, attempt(status)))),
        None => Err(Refusal(StatusCode::BAD_REQUEST, format!("container {name} is not running"))),
    }
}

/// Answers the upgrade and runs `work` on the socket.
async fn upgrade<F>(request: &HttpRequest, payload: web::Payload, work: impl FnOnce(Socket) -> F) -> HttpResponse
where
    F: Future<Output = ()> + 'static,
{
    let offered = request.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    let (answer, session, hearer) = match socket::open(request, payload, &PROTOCOLS).await {
        Ok(parts) => parts,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let chosen = answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|v| v.to_str().ok());
    if offered && chosen.is_none() {
        return refuse(StatusCode::BAD_REQUEST, format!("unable to upgrade: use one of {}", PROTOCOLS.join(", ")));
    }
    // Before v4 the error stream is text, and empty on success.
    let plain = !matches!(chosen, Some("v4.channel.k8s.io" | "v5.channel.k8s.io"));
    rt::spawn(work(Socket { session, hearer, plain }));
    answer
}

struct Streams {
    stdin: Option<Writer>,
    stdout: Option<Reader>,
    stderr: Option<Reader>,
    terminal: Option<Terminal>,
}

struct Socket {
    session: Session,
    hearer: Hearer,
    plain: bool,
}

impl Socket {
    /// Carries the streams until the command has ended, or the client has left. Without a `wait` it has ended
    /// when its output has.
    async fn run(mut self, streams: Streams, wait: Option<impl Future<Output = Result<i32, String>>>) {
        // kubectl waits for each stream's first message before it begins.
        for channel in [STDOUT, STDERR] {
            if self.session.binary(message(channel, &[])).await.is_err() {
                return;
            }
        }
        let silent = streams.stdout.is_none() && streams.stderr.is_none();
        let out = pump(self.session.clone(), STDOUT, streams.stdout);
        let err = pump(self.session.clone(), STDERR, streams.stderr);
        let output = async { tokio::join!(out, err) };
        let ended = async {
            tokio::pin!(output);
            let Some(wait) = wait else {
                output.await;
                // Who gives input alone leaves by itself.
                return if silent { std::future::pending().await } else { Ok(0) };
            };
            tokio::pin!(wait);
            tokio::select! {
                outcome = &mut wait => {
                    let _ = tokio::time::timeout(LINGER, &mut output).await;
                    outcome
                }
                // A command may close its output and go on.
                _ = &mut output => tokio::time::timeout(MUTE, &mut wait).await.unwrap_or(Ok(0)),
            }
        };
        let finished = tokio::select! {
            outcome = ended => Some(outcome),
            () = hear(&mut self.hearer, streams.stdin, streams.terminal) => None,
        };
        match finished {
            Some(outcome) => self.end(&outcome).await,
            None => drop(self.session.close(Some(self.hearer.end().into())).await),
        }
    }

    async fn fail(self, why: String) {
        self.end(&Err(why)).await;
    }

    async fn end(mut self, result: &Result<i32, String>) {
        let last = match (self.plain, result) {
            (false, _) => Some(outcome(result)),
            (true, Ok(0)) => None,
            (true, Ok(code)) => {
                let text = format!("command terminated with exit code {code}");
                Some(message(super::channels::ERROR, text.as_bytes()))
            }
            (true, Err(text)) => Some(message(super::channels::ERROR, text.as_bytes())),
        };
        if let Some(last) = last {
            // A client that left needs no last word.
            let _ = self.session.binary(last).await;
        }
        let _ = self.session.close(Some(CloseCode::Normal.into())).await;
        // The client answers the close; give it a moment, so that nothing it still sends resets the connection.
        let _ = tokio::time::timeout(LINGER, async { while self.hearer.next().await.is_some() {} }).await;
    }
}

async fn pump(mut session: Session, channel: u8, reader: Option<Reader>) {
    let Some(mut reader) = reader else { return };
    let mut chunk = vec![0; CHUNK];
    while let Ok(length) = reader.read(&mut chunk).await {
        if length == 0 || session.binary(message(channel, &chunk[..length])).await.is_err() {
            return;
        }
    }
}

/// Takes what the client says until it leaves.
async fn hear(hearer: &mut Hearer, mut stdin: Option<Writer>, terminal: Option<Terminal>) {
    while let Some(data) = hearer.next().await {
        match input(&data) {
            Input::Stdin(bytes) => {
                if let Some(writer) = &mut stdin
                    && writer.write_all(bytes).await.is_err()
                {
                    stdin = None;
                }
            }
            Input::CloseStdin => stdin = None,
            Input::Resize { width, height } => {
                if let Some(terminal) = &terminal
                    && let Err(error) = terminal.resize(width, height)
                {
                    tracing::debug!(%error, "resizing a terminal");
                }
            }
            Input::Other => {}
        }
    }
}
