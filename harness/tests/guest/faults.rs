//! Faults of a guest or a cache, each provoked for real, each with the verdict that it must get.

use std::error::Error;
use std::time::Duration;

use rxpath_guest::{Actor, ActorKind, Doing, Fault, Op, Pass, Plan, Policy, RunReport, Step, Tag};

use rxpath::suite::image_for_machine;
use rxpath::vm::{FaultKind, Hang, ImageKind, Machine, Patience, RunLimits, SplatKind, VmError, WarmImage, run_plan};

use super::Tested;
use super::common::project;

const KERNEL: &str = "6.12";

#[test]
fn a_panic_is_reported_as_a_panic() -> Tested {
    assert_splat(Fault::Panic, SplatKind::Panic)
}

#[test]
fn a_warning_on_the_console_fails_a_run_that_ended_well() -> Tested {
    assert_splat(Fault::Warn, SplatKind::Warning)
}

#[test]
fn the_kernel_reports_an_agent_that_dies() -> Tested {
    assert_splat(Fault::Die, SplatKind::Panic)
}

#[test]
fn an_actor_that_spins_is_found_by_the_guests_own_deadline() -> Tested {
    let region = run_plan(&image(&Machine::default())?, ImageKind::Untraced, plan(Fault::Spin), &RunLimits::default())?;
    let sections = rxpath_guest::sections(&region)?;
    let report = sections.iter().find(|section| section.tag == Tag::Report).ok_or("no report")?;
    let report: RunReport = postcard::from_bytes(report.bytes)?;
    let [stuck] = &report.stuck[..] else { return Err(format!("{:?}", report.stuck).into()) };
    assert_eq!((stuck.actor, stuck.step, stuck.rounds, &stuck.doing), (0, 0, 0, &Doing::Running));
    Ok(())
}

#[test]
fn a_guest_that_does_not_end_is_ended_by_its_cpu_time() -> Tested {
    let mut plan = plan(Fault::Spin);
    plan.deadline_ns = 1_000_000_000_000;
    let fault = fault_within(Patience { stalled: Duration::MAX, cpu: Duration::from_secs(2) }, plan)?;
    assert!(matches!(fault, FaultKind::Hung { hang: Hang::Endless(_), .. }), "{fault:?}");
    Ok(())
}

#[test]
fn a_guest_whose_agent_waits_forever_is_stopped_by_its_watchdog() -> Tested {
    let forever = Op::Poll { fds: Vec::new(), timeout_ns: None, masked: false };
    let step = Step { when: Vec::new(), op: forever, into: None, recorded: false };
    let plan = Plan { setup: vec![step], ..Plan::empty(Pass::Timing { milestones: None }) };
    let fault = fault_within(Patience { stalled: Duration::from_secs(5), cpu: Duration::MAX }, plan)?;
    assert!(matches!(fault, FaultKind::Hung { hang: Hang::Stalled(_), .. }), "{fault:?}");
    Ok(())
}

/// A plan with one actor that does nothing but this.
fn plan(fault: Fault) -> Plan {
    let step = Step { when: Vec::new(), op: Op::Fault(fault), into: None, recorded: true };
    let actor = Actor {
        name: "actor".to_owned(),
        kind: ActorKind::Thread,
        cpu: 0,
        policy: Policy::Other,
        netns: 0,
        steps: vec![step],
    };
    Plan {
        iterations: 1,
        actors: vec![actor],
        // The agent notices after 100 ms of guest time, for which a spinning guest needs 40 s of CPU time.
        deadline_ns: 50_000_000,
        ..Plan::empty(Pass::Timing { milestones: None })
    }
}

fn image(machine: &Machine) -> Result<WarmImage, Box<dyn Error>> {
    let project = project()?;
    let series = project.pins.select(&[KERNEL])?;
    let fetched = project.fetch(&series, &|_| {})?;
    Ok(image_for_machine(machine, &fetched.kernels[0], &fetched, &project.images())?)
}

fn assert_splat(fault: Fault, expected: SplatKind) -> Tested {
    let image = image(&Machine::default())?;
    let found = guest_fault(run_plan(&image, ImageKind::Untraced, plan(fault), &RunLimits::default()))?;
    assert!(matches!(&found, FaultKind::Kernel(splat) if splat.kind == expected), "{found:?}");
    Ok(())
}

fn fault_within(patience: Patience, plan: Plan) -> Result<FaultKind, Box<dyn Error>> {
    let limits = RunLimits { patience: Some(patience), ..RunLimits::default() };
    guest_fault(run_plan(&image(&Machine::default())?, ImageKind::Untraced, plan, &limits))
}

fn guest_fault(outcome: Result<Vec<u8>, VmError>) -> Result<FaultKind, Box<dyn Error>> {
    match outcome {
        Err(VmError::Guest(fault)) => Ok(fault.kind),
        Err(other) => Err(format!("expected the guest's fault, found {other}").into()),
        Ok(_) => Err("expected a fault, and the run ended well".into()),
    }
}
