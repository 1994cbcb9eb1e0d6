//! One pod: its actor performs what the state machine decides, and tells the machine what came of it.

mod actor;
mod claims;
mod facts;
mod files;
mod given;
mod grpc;
mod hooks;
mod http;
mod image;
mod image_volumes;
mod login;
mod mounts;
mod objects;
mod place;
mod plugins;
mod prepare;
mod probe;
mod publish;
mod resize;
mod restore;
mod sandbox;
mod security;
mod start;
mod teardown;
mod volumes;

pub(crate) use actor::{PodActor, PodMsg, child};
pub(crate) use place::{Place, container_id};
pub(crate) use plugins::Kept;
pub(crate) use teardown::{end, sweep};
