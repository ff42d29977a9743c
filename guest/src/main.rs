//! The guest agent: PID 1 of a minimal initramfs. Gets the guest ready, lets the host save it, runs the plan it is given,
//! writes the capture into the region it shares with the host and ends the machine.

mod actor;
mod board;
mod controller;
mod devices;
mod foreign;
mod hands;
mod metronome;
mod milestones;
mod ops;
mod ready;
mod run;
mod setup;
mod sys;
mod tracing;

use board::SharedMemory;
use devices::{Ports, SharedRegion};
use hands::Hand;
use metronome::Metronome;
use ops::Scratch;
use rxpath_guest::{EXIT_DONE, EXIT_FAILED, Order, Tag};
use setup::Begun;
use tracing::Tracing;

/// From waking to the start of a run, in nanoseconds of guest time: room for reading the order.
const START_AFTER_NS: u64 = 50_000_000;

/// Two for each of a thousand connections, and room; the default is 1,024.
const MOST_DESCRIPTORS: u64 = 8192;

/// What a run works with, made before the machine is saved: a restored machine's QEMU translates every instruction anew, so
/// the less there is to do after, the sooner a run is over.
struct Means {
    region: SharedRegion,
    tracing: &'static Tracing,
    hands: Vec<Hand>,
    memory: SharedMemory,
    /// For setting up.
    scratch: Scratch,
    begun: Vec<Begun>,
    metronome: Metronome,
}

fn main() {
    let code = match live() {
        Ok(()) => EXIT_DONE,
        Err(why) => {
            // The console is the only way out that needs nothing to have worked before.
            println!("rxpath-agent: {why}");
            sys::drain_console();
            EXIT_FAILED
        }
    };
    match Ports::open() {
        Ok(ports) => ports.end_machine(code),
        Err(why) => println!("rxpath-agent: {why}"),
    }
    sys::power_off();
}

/// The whole life of the agent: get ready, and at each point where the host may have saved the machine, do what it asks.
fn live() -> Result<(), String> {
    ready::mount_all()?;
    ready::load_modules()?;
    let ports = Ports::open()?;
    let region = SharedRegion::find()?;
    ready::bring_up_network()?;
    ready::quiet_the_kernel();
    sys::allow_descriptors(MOST_DESCRIPTORS).map_err(|why| format!("raising the limit of descriptors: {why}"))?;
    ready::keep_to_last_cpu()?;
    let tracing: &'static Tracing = Box::leak(Box::new(Tracing::prepare()?));
    let (mut memory, mut scratch) = (SharedMemory::map()?, Scratch::new());
    let begun = setup::begin_all(&mut memory, &mut scratch)?;
    let means = Means { region, tracing, hands: hands::make()?, memory, scratch, begun, metronome: Metronome::new()? };
    // Never given back: the agent ends with the machine, and unmapping would only take time.
    let means = Box::leak(Box::new(means));
    ready::settle();
    println!("rxpath-agent: ready");
    let start_ns = pause(&ports);
    if let Some(order) = ports.take_order()? {
        return obey(order, means, start_ns);
    }
    tracing.arm()?;
    ready::settle();
    println!("rxpath-agent: armed");
    let start_ns = pause(&ports);
    match ports.take_order()? {
        Some(order) => obey(order, means, start_ns),
        None => Err("nothing to do: the host gave no order".to_owned()),
    }
}

/// Stops the machine for the host to save; gives the guest time at which what comes after may begin.
fn pause(ports: &Ports) -> u64 {
    sys::drain_console();
    ports.pause_machine();
    sys::clock_ns(libc::CLOCK_MONOTONIC) + START_AFTER_NS
}

fn obey(order: Order, means: &mut Means, start_ns: u64) -> Result<(), String> {
    match order {
        Order::Facts => means.tracing.write_facts(&mut means.region)?,
        Order::Run(plan) => {
            let report = run::run(Box::leak(Box::new(plan)), means, start_ns)?;
            let bytes = postcard::to_stdvec(&report).map_err(|why| format!("encoding the report: {why}"))?;
            means.region.section(Tag::Report, 0, &bytes)?;
        }
    }
    means.region.finish();
    Ok(())
}
