//! The wire between the host and the guest agent: the plan that goes in, the capture that comes out, and everything
//! else that both sides must agree on.
//!
//! The wire has types of its own: the host lowers a case to a [`Plan`], and reads a capture from the [`Section`]s that
//! come back. Both sides are built from this crate, and the agent is part of a warm image's key, so the wire needs no
//! version number; [`WIRE_MAGIC`] still guards against a region that something else wrote.

mod data;
mod plan;
mod protocol;
pub mod pure;
mod region;
mod results;

pub use data::*;
pub use plan::*;
pub use protocol::*;
pub use region::*;
pub use results::*;
