//! Faults that a guest or a cache can have, each provoked for real, each with the verdict it must get.
//!
//! Not libtest: every program that starts guests must be able to become QEMU (`vm::run_launcher_if_requested`).

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use rxpath_guest::{Actor, ActorKind, Fault, Op, Pass, Plan, Policy, RunReport, Step, Tag};

use rxpath::suite::{Project, ProjectOptions, image_for_machine};
use rxpath::vm::{FaultKind, ImageKind, Machine, RunLimits, SplatKind, VmError, WarmImage, run_plan};

const KERNEL: &str = "6.12";

fn main() -> ExitCode {
    rxpath::vm::run_launcher_if_requested();
    let arguments = Arguments::from_args();
    let trials = vec![
        Trial::test("a_panic_is_told_as_a_panic", || {
            let fault = fault_of(Fault::Panic, RunLimits::default())?;
            expect(matches!(&fault, FaultKind::Kernel(splat) if splat.kind == SplatKind::Panic), &fault)
        }),
        Trial::test("a_warning_on_the_console_fails_a_run_that_ended_well", || {
            let fault = fault_of(Fault::Warn, RunLimits::default())?;
            expect(matches!(&fault, FaultKind::Kernel(splat) if splat.kind == SplatKind::Warning), &fault)
        }),
        Trial::test("an_agent_that_dies_is_told_by_the_kernel", || {
            let fault = fault_of(Fault::Die, RunLimits::default())?;
            expect(matches!(&fault, FaultKind::Kernel(splat) if splat.kind == SplatKind::Panic), &fault)
        }),
        Trial::test("an_actor_that_spins_is_found_by_the_guests_own_deadline", || {
            let report = report_of(plan(Fault::Spin))?;
            expect(report.stuck == [(0, 0)], &report.stuck)
        }),
        Trial::test("a_guest_without_progress_is_ended_by_the_hosts_deadline", || {
            let mut plan = plan(Fault::Spin);
            plan.deadline_ns = 1_000_000_000_000;
            let limits = RunLimits { patience: Duration::from_secs(2), ..RunLimits::default() };
            let fault = guest_fault(run_plan(&image(&Machine::default())?, ImageKind::Untraced, plan, &limits))?;
            expect(matches!(fault, FaultKind::HungHost { .. }), &fault)
        }),
        Trial::test("a_damaged_or_truncated_image_is_noticed_and_made_anew", damaged_images),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
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
        deadline_ns: 200_000_000,
        ..Plan::empty(Pass::Timing { milestones: None })
    }
}

fn image(machine: &Machine) -> Result<WarmImage, Failed> {
    let options = ProjectOptions { root: Some(env!("CARGO_MANIFEST_DIR").into()), ..ProjectOptions::default() };
    let project = Project::open(&options)?;
    let series = project.pins.select(&[KERNEL])?;
    let fetched = project.fetch(&series, &|_| {})?;
    Ok(image_for_machine(machine, &fetched.kernels[0], &fetched, &project.images())?)
}

fn fault_of(fault: Fault, limits: RunLimits) -> Result<FaultKind, Failed> {
    guest_fault(run_plan(&image(&Machine::default())?, ImageKind::Untraced, plan(fault), &limits))
}

fn guest_fault(outcome: Result<Vec<u8>, VmError>) -> Result<FaultKind, Failed> {
    match outcome {
        Err(VmError::Guest(fault)) => Ok(fault.kind),
        Err(other) => Err(format!("expected the guest's fault, found {other}").into()),
        Ok(_) => Err("expected a fault, and the run ended well".into()),
    }
}

fn report_of(plan: Plan) -> Result<RunReport, Failed> {
    let region = run_plan(&image(&Machine::default())?, ImageKind::Untraced, plan, &RunLimits::default())?;
    let sections = rxpath_guest::sections(&region)?;
    let report = sections.iter().find(|section| section.tag == Tag::Report).ok_or("no report")?;
    Ok(postcard::from_bytes(report.bytes)?)
}

/// On a machine of its own shape, so that no other test meets the damage.
fn damaged_images() -> Result<(), Failed> {
    let machine = Machine { memory_mib: 224, ..Machine::default() };
    let whole = image(&machine)?;
    let file = || File::options().read(true).write(true).open(whole.folder().join("untraced.image"));
    let length = file()?.metadata()?.len();
    let inode = || -> Result<u64, Failed> { Ok(file()?.metadata()?.ino()) };
    let first = inode()?;
    let mut byte = [0];
    // The last bytes are the devices' state, which every restore reads.
    file()?.read_exact_at(&mut byte, length - 100)?;
    file()?.write_all_at(&[byte[0] ^ 1], length - 100)?;
    image(&machine)?;
    let second = inode()?;
    expect(second != first, &"the image with the flipped byte was used")?;
    file()?.set_len(length / 2)?;
    image(&machine)?;
    expect(inode()? != second, &"the truncated image was used")
}

fn expect(holds: bool, found: &dyn std::fmt::Debug) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("found {found:?}").into()) }
}
