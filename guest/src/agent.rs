//! What a run needs, made before the machine is saved: the QEMU that restores it has to translate every instruction
//! again, so the less is left to do afterwards, the sooner a run is over.

use rxpath_guest::{MODULE_FAILED, Preparation};

use crate::buffers::Buffers;
use crate::devices::SharedRegion;
use crate::hoard::Hoard;
use crate::ops::Scratch;
use crate::ready;
use crate::setup::{self, CompletedSetup};
use crate::shared_state::SharedMemory;
use crate::sys;
use crate::tick_clock::TickClock;
use crate::tracing::Tracing;
use crate::worker::{self, WorkerThread};

pub struct Agent {
    pub region: SharedRegion,
    pub tracing: &'static Tracing,
    pub workers: Vec<WorkerThread>,
    pub memory: SharedMemory,
    /// For the agent's own steps.
    pub scratch: Scratch,
    /// By the index that a plan names.
    pub completed_setups: Vec<CompletedSetup>,
    pub tick_clock: TickClock,
    pub hoard: &'static Hoard,
    pub buffers: Buffers,
}

impl Agent {
    /// Makes everything that does not depend on the host's orders, in a machine that has come to rest.
    pub fn prepare(region: SharedRegion, cpus: usize) -> Result<Self, String> {
        let tracing: &'static Tracing = Box::leak(Box::new(Tracing::prepare()?));
        let (memory, scratch) = (SharedMemory::map()?, Scratch::new());
        let (workers, buffers) = (worker::spawn_all()?, Buffers::new());
        let hoard: &'static Hoard = Box::leak(Box::new(Hoard::new(cpus)?));
        ready::settle();
        let tick_clock = TickClock::new()?;
        let completed_setups = Vec::new();
        Ok(Self { region, tracing, workers, memory, scratch, completed_setups, tick_clock, hoard, buffers })
    }

    /// Loads the modules and performs the setups.
    pub fn perform(&mut self, preparation: &Preparation) -> Result<(), String> {
        for module in &preparation.modules {
            sys::load_module(&module.bytes).map_err(|error| {
                format!("{MODULE_FAILED}{} {}", module.name, error.raw_os_error().unwrap_or_default())
            })?;
        }
        for setup in &preparation.setups {
            let index = self.completed_setups.len();
            self.completed_setups.push(setup::complete(index, setup, &mut self.memory, &mut self.scratch)?);
        }
        self.hoard.take_kept_buffers()
    }
}
