//! SPDY/3.1, as far as `kubectl port-forward` speaks it inside a WebSocket (KEP-4006): framing, the header dictionary
//! and a tunnel. Deliberately absent: server push, priorities, flow control (the peer does none), settings.

mod dictionary;
mod frame;
mod headers;
mod tunnel;

pub(super) use tunnel::tunnel;
