//! The guest agent: PID 1 of a minimal initramfs. It prepares the guest, lets the host save the machine, runs the plan
//! that the host orders, writes the capture to the region shared with the host, and ends the machine.

mod actor;
mod agent;
mod buffers;
mod controller;
mod devices;
mod foreign;
mod hoard;
mod milestones;
mod ops;
mod ready;
mod run;
mod setup;
mod shared_state;
mod sys;
mod tick_clock;
mod tracing;
mod worker;

use agent::Agent;
use devices::{Ports, SharedRegion, WATCHDOG_LONGEST_NS};
use rxpath_guest::{AGENT_PREFIX, EXIT_DONE, EXIT_FAILED, Order, Pass, Plan, READY, Tag};

/// From the wake-up to the start of a run, in nanoseconds of guest time: enough for the order to be read and for every
/// difference in the instructions right after a restore to be over. The longer the machine idles, the more of the idle
/// kernel's code QEMU has to translate.
const START_AFTER_NS: u64 = 6_000_000;
/// Added for each byte of the order, in nanoseconds: reading and decoding a byte takes some hundred instructions.
const READING_NS: u64 = 200;
/// The same for an order that prepares the machine: the machine may be one in which an instruction takes 16 ns.
const READING_SLOWLY_NS: u64 = 16 * READING_NS;
/// Added for a run with settings, in nanoseconds: some make the kernel wait for every CPU.
const SETTING_NS: u64 = 50_000_000;

/// Two for each of a thousand connections, and room for more; the default is 1,024.
const MOST_DESCRIPTORS: u64 = 8192;

/// How long the agent sleeps for QEMU to end, in nanoseconds of guest time.
const ENDING_NS: u64 = 10_000_000_000;

fn main() {
    let code = match serve() {
        Ok(()) => EXIT_DONE,
        Err(error) => {
            // Of all ways out, only the console works without anything prepared.
            println!("{AGENT_PREFIX}{error}");
            sys::drain_console();
            EXIT_FAILED
        }
    };
    match Ports::open() {
        Ok(ports) => {
            ports.end_machine(code);
            // QEMU ends at the next turn of its main loop. Powering off would only give it more code to translate until
            // then.
            sys::sleep_until(sys::clock_ns(libc::CLOCK_MONOTONIC) + ENDING_NS);
        }
        Err(error) => println!("{AGENT_PREFIX}{error}"),
    }
    sys::power_off();
}

/// Prepares the guest, and then obeys the host: after each order that only prepares the machine, the host saves it, and
/// whatever restores it gives the next order.
fn serve() -> Result<(), String> {
    ready::mount_all()?;
    let ports = Ports::open()?;
    let region = SharedRegion::find()?;
    ready::bring_up_network()?;
    ready::quiet_the_kernel();
    ready::balance_rarely();
    sys::allow_descriptors(MOST_DESCRIPTORS)
        .map_err(|error| format!("raising the limit of open descriptors to {MOST_DESCRIPTORS}: {error}"))?;
    let cpus = ready::keep_to_last_cpu()?;
    // Never freed: the agent ends with the machine, and unmapping would only take time.
    let agent = Box::leak(Box::new(Agent::prepare(region, cpus)?));
    let mut woken_ns = sys::clock_ns(libc::CLOCK_MONOTONIC);
    loop {
        let (order, bytes) = ports.take_order()?.ok_or("the host gave no order: expected one in fw_cfg")?;
        match order {
            Order::Prepare(preparation) => {
                sys::sleep_until(woken_ns + START_AFTER_NS + READING_SLOWLY_NS * bytes as u64);
                agent.perform(&preparation)?;
            }
            Order::EnableTracing => agent.tracing.arm()?,
            Order::Facts => {
                agent.tracing.write_facts(&mut agent.region)?;
                break;
            }
            Order::Modules => {
                agent.tracing.write_modules(&mut agent.region)?;
                break;
            }
            Order::Run(plan) => {
                run_plan(plan, agent, &ports, woken_ns + START_AFTER_NS + READING_NS * bytes as u64)?;
                break;
            }
        }
        ready::settle();
        println!("{AGENT_PREFIX}{READY}");
        woken_ns = pause(&ports);
    }
    agent.region.finish();
    Ok(())
}

/// The most guest time that a plan can take without a hang, in nanoseconds; `None` if that depends on a foreign recorder.
fn most_guest_time_ns(plan: &Plan) -> Option<u64> {
    /// For settings, setup and writing the capture.
    const BESIDE_ACTORS_NS: u64 = 10_000_000_000;
    // Milestones are measured in rounds of their own, with a deadline of their own.
    (!matches!(plan.pass, Pass::Foreign { .. }))
        .then(|| plan.deadline_ns.saturating_mul(2).saturating_add(BESIDE_ACTORS_NS))
}

/// Stops the machine for the host to save it; returns the guest time at which it went on.
fn pause(ports: &Ports) -> u64 {
    sys::drain_console();
    ports.pause_machine();
    sys::clock_ns(libc::CLOCK_MONOTONIC)
}

/// Runs a plan from `start_ns` on (CLOCK_MONOTONIC), and reports.
fn run_plan(plan: Plan, agent: &mut Agent, ports: &Ports, start_ns: u64) -> Result<(), String> {
    if most_guest_time_ns(&plan).is_some_and(|most| most <= WATCHDOG_LONGEST_NS) {
        ports.limit_guest_time();
    }
    let setting_ns = if plan.settings.is_empty() { 0 } else { SETTING_NS };
    let report = run::run(Box::leak(Box::new(plan)), agent, start_ns + setting_ns)?;
    let room = std::mem::take(&mut agent.buffers.report);
    let bytes = postcard::to_extend(&report, room).map_err(|error| format!("encoding the report: {error}"))?;
    agent.region.section(Tag::Report, 0, &bytes)?;
    // Their memory ends with the machine.
    std::mem::forget((report, bytes));
    Ok(())
}
