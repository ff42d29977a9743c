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
mod room;
mod run;
mod setup;
mod sys;
mod tracing;

use board::SharedMemory;
use devices::{Ports, SharedRegion};
use hands::Hand;
use metronome::Metronome;
use ops::Scratch;
use room::Room;
use rxpath_guest::{EXIT_DONE, EXIT_FAILED, Order, Tag};
use setup::Begun;
use tracing::Tracing;

/// From waking to the start of a run, in nanoseconds of guest time: what differed in the instructions right after a restore is over
/// by then, and the order read. The longer the machine idles, the more of what an idle kernel does has to be translated.
const START_AFTER_NS: u64 = 6_000_000;
/// As much more for each byte of the order. Reading and decoding one takes some hundred instructions.
const READING_NS: u64 = 200;
/// As much more for a run with settings: some make the kernel wait for all CPUs to have seen them.
const SETTING_NS: u64 = 50_000_000;

/// Two for each of a thousand connections, and room; the default is 1,024.
const MOST_DESCRIPTORS: u64 = 8192;

/// How long the agent sleeps for QEMU to end, in nanoseconds of guest time.
const ENDING_NS: u64 = 10_000_000_000;

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
    room: Room,
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
        Ok(ports) => {
            ports.end_machine(code);
            // QEMU ends once its main loop has its turn. Until then powering off would only be more code to translate.
            sys::sleep_until(sys::clock_ns(libc::CLOCK_MONOTONIC) + ENDING_NS);
        }
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
    let (hands, room) = (hands::make()?, Room::new());
    ready::settle();
    let metronome = Metronome::new()?;
    let means = Means { region, tracing, hands, memory, scratch, begun, metronome, room };
    // Never given back: the agent ends with the machine, and unmapping would only take time.
    let means = Box::leak(Box::new(means));
    println!("rxpath-agent: ready");
    let woken_ns = pause(&ports);
    if let Some(order) = ports.take_order()? {
        return obey(order, means, woken_ns);
    }
    tracing.arm()?;
    ready::settle();
    println!("rxpath-agent: armed");
    let woken_ns = pause(&ports);
    match ports.take_order()? {
        Some(order) => obey(order, means, woken_ns),
        None => Err("nothing to do: the host gave no order".to_owned()),
    }
}

/// Stops the machine for the host to save; gives the guest time at which it went on.
fn pause(ports: &Ports) -> u64 {
    sys::drain_console();
    ports.pause_machine();
    sys::clock_ns(libc::CLOCK_MONOTONIC)
}

fn obey((order, bytes): (Order, usize), means: &mut Means, woken_ns: u64) -> Result<(), String> {
    match order {
        Order::Facts => means.tracing.write_facts(&mut means.region)?,
        Order::Run(plan) => {
            let setting_ns = if plan.sysctls.is_empty() && plan.files.is_empty() { 0 } else { SETTING_NS };
            let start_ns = woken_ns + START_AFTER_NS + READING_NS * bytes as u64 + setting_ns;
            let report = run::run(Box::leak(Box::new(plan)), means, start_ns)?;
            let room = std::mem::take(&mut means.room.bytes);
            let bytes = postcard::to_extend(&report, room).map_err(|why| format!("encoding the report: {why}"))?;
            means.region.section(Tag::Report, 0, &bytes)?;
            // Their memory ends with the machine.
            std::mem::forget((report, bytes));
        }
    }
    means.region.finish();
    Ok(())
}
