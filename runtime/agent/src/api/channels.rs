//! The channel subprotocols of exec and attach: the first byte of a message says which stream it belongs to
//! (k8s.io/streaming, KEP-4006).

use serde_json::json;

pub(super) const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const RESIZE: u8 = 4;
/// v5: the next byte names a stream that ended.
pub(super) const CLOSE: u8 = 255;

/// Subprotocols that we speak.
pub(super) const PROTOCOLS: [&str; 3] = ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"];

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input<'a> {
    Stdin(&'a [u8]),
    CloseStdin,
    Resize { width: u16, height: u16 },
    Other,
}

/// Reads one message.
pub(super) fn input(message: &[u8]) -> Input<'_> {
    match message.split_first() {
        Some((&STDIN, data)) => Input::Stdin(data),
        Some((&CLOSE, [STDIN])) => Input::CloseStdin,
        Some((&RESIZE, data)) => match serde_json::from_slice::<serde_json::Value>(data) {
            Ok(size) => {
                let side = |name: &str| size[name].as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
                Input::Resize { width: side("Width"), height: side("Height") }
            }
            Err(_) => Input::Other,
        },
        _ => Input::Other,
    }
}

/// A message for one stream.
pub(super) fn message(channel: u8, data: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(data.len() + 1);
    message.push(channel);
    message.extend_from_slice(data);
    message
}

/// The last word: how the command ended, as a Status on the error stream.
pub(super) fn outcome(outcome: &Result<i32, String>) -> Vec<u8> {
    let status = match outcome {
        Ok(0) => json!({ "metadata": {}, "status": "Success" }),
        Ok(code) => json!({
            "metadata": {},
            "status": "Failure",
            "message": format!("command terminated with non-zero exit code: command terminated with exit code {code}"),
            "reason": "NonZeroExitCode",
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        }),
        Err(message) => json!({
            "metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500,
        }),
    };
    message(ERROR, status.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_their_stream() {
        assert_eq!(input(b"\0abc"), Input::Stdin(b"abc"));
        assert_eq!(input(b"\0"), Input::Stdin(b""));
        assert_eq!(input(&[255, 0]), Input::CloseStdin);
        assert_eq!(input(b"\x04{\"Width\":80,\"Height\":24}"), Input::Resize { width: 80, height: 24 });
        assert_eq!(input(b"\x04nonsense"), Input::Other);
        assert_eq!(input(b""), Input::Other);
        assert_eq!(message(STDOUT, b"hi"), b"\x01hi");
    }

    #[test]
    fn exit_codes_travel_as_causes() {
        let failed = outcome(&Ok(42));
        let status: serde_json::Value = serde_json::from_slice(&failed[1..]).expect("a Status");
        assert_eq!(failed[0], ERROR);
        assert_eq!(status["reason"], "NonZeroExitCode");
        assert_eq!(status["details"]["causes"][0]["message"], "42");
        assert_eq!(&outcome(&Ok(0))[1..], br#"{"metadata":{},"status":"Success"}"#);
    }
}
