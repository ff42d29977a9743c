//! The faults, by what is damaged.

mod cache;
mod cases;
mod inputs;
mod output;
mod repository;
mod signals;

use super::fault::Fault;

pub(crate) fn all() -> Vec<Fault> {
    [output::faults(), inputs::faults(), cases::faults(), repository::faults(), cache::faults(), signals::faults()]
        .into_iter()
        .flatten()
        .collect()
}
