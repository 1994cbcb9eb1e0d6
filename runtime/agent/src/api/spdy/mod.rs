//! Port-forward by SPDY/3.1 inside a WebSocket (KEP-4006); the frames are `podium_streams`'.

mod tunnel;

pub(super) use tunnel::tunnel;
