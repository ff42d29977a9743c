//! The wire between the host and the guest agent: the plan that goes in, the capture that comes out.
//!
//! The types of the wire are not the types of the domain: the host lowers a case to a [`Plan`] and lifts a capture out of
//! the [`Section`]s that come back. Both sides are built from this crate, and the agent is part of a warm image's key,
//! so the wire needs no versions of its own; [`WIRE_MAGIC`] guards against a foreign region all the same.

mod plan;
mod region;
mod results;

pub use plan::*;
pub use region::*;
pub use results::*;
