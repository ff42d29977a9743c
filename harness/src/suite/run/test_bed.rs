//! A kernel on a machine, ready to run cases.

use std::path::PathBuf;
use std::sync::OnceLock;

use rxpath_guest::Plan;

use crate::case::Case;
use crate::code::CallGraph;
use crate::kernel::{Fetched, Kernel, KernelError, Qemu};
use crate::path::canonical;
use crate::path::own_times::TracerCost;
use crate::vm::{
    Accelerator, GuestFile, GuestKernel, Images, Machine, QemuProgram, RunLimits, VmError, WarmImage, agent_digest,
    order_bytes,
};

use crate::suite::kernel_metadata::{KernelMetadata, MetadataError};
use crate::suite::run::image_spec::{ImageSpec, qemu_program};
use crate::suite::run::tracer::{TracerError, tracer_cost};
use crate::suite::run::watcher::{Silent, Watcher};
use crate::suite::store::measured_with::MeasuredWith;

/// A warm image with what is needed to read its captures.
pub(crate) struct TestBed {
    pub(crate) image: WarmImage,
    pub(crate) metadata: KernelMetadata,
    /// What tracing a call costs on the machine that was booted; `None` outside exact mode, where times mean nothing.
    pub(crate) tracer: Option<Result<TracerCost, TracerError>>,
    vmlinux: PathBuf,
    call_graph: OnceLock<Option<CallGraph>>,
}

impl TestBed {
    /// The calls in the kernel's instructions, read when first asked for (about half a second). `None` if its vmlinux cannot be
    /// read.
    pub(crate) fn call_graph(&self) -> Option<&CallGraph> {
        let read = || {
            let elf = std::fs::read(&self.vmlinux).ok()?;
            CallGraph::of_kernel(&elf, self.metadata.symbols.functions(), canonical).ok()
        };
        self.call_graph.get_or_init(read).as_ref()
    }
}

impl TestBed {
    /// What the timings of a plan are measured with.
    pub(crate) fn measured_with(&self, kernel: &Kernel, compiler: Option<&str>, plan: &Plan) -> MeasuredWith {
        MeasuredWith {
            kernel: kernel.version.clone(),
            compiler: compiler.map(str::to_owned),
            qemu: self.image.qemu_version().to_owned(),
            agent: agent_digest().to_owned(),
            rxpath: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: MeasuredWith::digest_of_inputs(&self.image.key(), &order_bytes(plan)),
        }
    }
}

/// Why a kernel on a machine could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum TestBedError {
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Vm(#[from] VmError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Makes warm images ready.
#[derive(Clone, Copy)]
pub(crate) struct ImageSource<'a> {
    pub(crate) images: &'a Images,
    pub(crate) qemu: &'a QemuProgram,
    pub(crate) watcher: &'a dyn Watcher,
}

impl ImageSource<'_> {
    /// The warm image of a kernel; it is made if it is not in the cache. `files` are added to the guest's root.
    pub(crate) fn image(
        &self,
        spec: &ImageSpec,
        kernel: &Kernel,
        files: Vec<GuestFile>,
    ) -> Result<WarmImage, TestBedError> {
        let guest = GuestKernel { files, ..spec.guest_kernel(kernel)? };
        let making = |guest: &GuestKernel, reason: &str| {
            self.watcher.making_image(&guest.series, &guest.on(&spec.machine), reason);
        };
        Ok(self.images.get(&guest, &spec.machine, self.qemu, &making)?)
    }

    /// The same with the kernel's metadata and, in exact mode, the cost of tracing.
    pub(crate) fn test_bed(
        &self,
        spec: &ImageSpec,
        kernel: &Kernel,
        limits: &RunLimits,
    ) -> Result<TestBed, TestBedError> {
        let image = self.image(spec, kernel, Vec::new())?;
        let metadata = KernelMetadata::load(&image)?;
        let tracer = match spec.machine.accelerator {
            Accelerator::Exact => Some(self.tracer_cost(spec, kernel, &metadata, limits)?),
            Accelerator::Kvm | Accelerator::Translator => None,
        };
        Ok(TestBed { image, metadata, tracer, vmlinux: kernel.vmlinux(), call_graph: OnceLock::new() })
    }

    /// The cost of tracing a call, measured on the machine that was booted: what is derived from it runs the same tracer.
    pub(crate) fn tracer_cost(
        &self,
        spec: &ImageSpec,
        kernel: &Kernel,
        metadata: &KernelMetadata,
        limits: &RunLimits,
    ) -> Result<Result<TracerCost, TracerError>, TestBedError> {
        let base = self.image(&spec.base(), kernel, Vec::new())?;
        Ok(tracer_cost(&base, metadata, kernel.series, limits))
    }
}

/// The warm image that a case runs on in exact mode; it is made if it is not in the cache.
pub(crate) fn image_for_case(
    case: &Case,
    kernel: &Kernel,
    qemu: &Qemu,
    images: &Images,
    watcher: &dyn Watcher,
) -> Result<WarmImage, TestBedError> {
    let qemu = qemu_program(qemu);
    let source = ImageSource { images, qemu: &qemu, watcher };
    source.image(&ImageSpec::of(case, Accelerator::Exact), kernel, Vec::new())
}

/// The warm image that a case runs on in exact mode, with additional files in the guest's root.
pub fn image_with_files(
    case: &Case,
    kernel: &Kernel,
    fetched: &Fetched,
    images: &Images,
    files: Vec<GuestFile>,
) -> Result<WarmImage, TestBedError> {
    let qemu = qemu_program(&fetched.qemu);
    let source = ImageSource { images, qemu: &qemu, watcher: &Silent };
    source.image(&ImageSpec::of(case, Accelerator::Exact), kernel, files)
}

/// The warm image of a kernel on a machine without additional modules.
pub fn image_for_machine(
    machine: &Machine,
    kernel: &Kernel,
    fetched: &Fetched,
    images: &Images,
) -> Result<WarmImage, TestBedError> {
    let qemu = qemu_program(&fetched.qemu);
    let source = ImageSource { images, qemu: &qemu, watcher: &Silent };
    source.image(&ImageSpec::for_machine(machine.clone()), kernel, Vec::new())
}
