//! The machine a guest runs on, and the QEMU command line that makes it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use rxpath_guest::{EXIT_PORT, Network, ORDER_FW_CFG_NAME, Op, Setup};
use sha2::{Digest, Sha256};

use super::initramfs;
use super::mapped;

/// A QEMU that can be run: the pinned one through its own loader, or one the user named.
#[derive(Clone, Debug)]
pub struct QemuProgram {
    /// What to execute.
    pub program: PathBuf,
    /// Arguments that come before QEMU's own.
    pub leading: Vec<OsString>,
    /// Environment that it needs.
    pub environment: Vec<(OsString, OsString)>,
    /// Identifies its bytes; part of every image's key.
    pub digest: String,
    /// Its version, for reports.
    pub version: String,
}

/// A kernel as a machine needs it.
#[derive(Clone, Debug)]
pub struct GuestKernel {
    /// Its series, for reports.
    pub series: String,
    /// The uncompressed ELF image.
    pub vmlinux: PathBuf,
    /// Identifies its bytes; part of every image's key.
    pub digest: String,
    /// Modules to load, in order.
    pub modules: Vec<KernelModule>,
    /// What the agent goes through before the machine is saved.
    pub setups: Vec<Setup>,
    /// What lies in the guest beside the agent; nothing for a case's own passes.
    pub files: Vec<GuestFile>,
}

impl GuestKernel {
    /// A machine that runs this kernel, in words: its shape, the module that the others were loaded for, what it is set to, how many
    /// files lie beside the agent, and what it goes through before it is saved, if that is much.
    pub fn on(&self, machine: &Machine) -> String {
        /// Steps of a setup that nobody would miss being told of.
        const FEW: usize = 100;
        let module = self.modules.last().map(|module| format!(", with {}", module.name));
        let files = (!self.files.is_empty()).then(|| format!(", and {} files", self.files.len()));
        let longest = self.setups.iter().map(|setup| setup.steps.len()).max().filter(|steps| *steps > FEW);
        let setup = longest.map(|steps| format!(", after {steps} steps"));
        let steps = self.setups.iter().flat_map(|setup| &setup.steps);
        let settings: String = steps.filter_map(|step| Some(format!(", {}", setting(&step.op)?))).collect();
        [Some(machine.to_string()), module, Some(settings), files, setup].into_iter().flatten().collect()
    }
}

/// What an operation sets, in words, if it sets anything.
fn setting(op: &Op) -> Option<String> {
    match op {
        Op::WriteFile { path, value } => Some(format!("{}={value}", path.rsplit('/').next().unwrap_or(path))),
        Op::Network(Network::Tun { napi: true }) => Some("NAPI".to_owned()),
        _ => None,
    }
}

/// One loadable module.
#[derive(Clone, Debug)]
pub struct KernelModule {
    /// Its name, without `.ko`.
    pub name: String,
    /// The object file.
    pub bytes: Vec<u8>,
}

/// A file in the guest: a program that is run there, or what it needs.
#[derive(Clone, Debug)]
pub struct GuestFile {
    /// Where, from the guest's root, without a slash before it: `trace-cmd/libc.so.6`.
    pub path: String,
    /// What is in it. All may execute it.
    pub bytes: Vec<u8>,
}

/// Which network devices a machine has beside lo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Nic {
    /// None.
    #[default]
    Loopback,
    /// Two virtio-net devices joined by a hub inside QEMU.
    Virtio,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Accelerator {
    /// QEMU's translator, one instruction a nanosecond, one thread: exact mode. Needs nothing of the host.
    #[default]
    Exact,
    /// The host's CPU: native mode with real time.
    Kvm,
    /// QEMU's translator, a thread for each CPU: native mode whose times mean nothing.
    Translator,
}

impl Accelerator {
    /// Its name in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Kvm => "native (KVM)",
            Self::Translator => "native (translated)",
        }
    }
}

/// The shape of a machine. Everything in it is part of a warm image's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Machine {
    /// Number of CPUs, 1 to 8.
    pub cpus: u16,
    /// Guest memory in MiB.
    pub memory_mib: u32,
    /// Network devices.
    pub nic: Nic,
    /// Additions to the kernel's command line.
    pub command_line: Vec<String>,
    /// What executes it.
    pub accelerator: Accelerator,
}

impl Default for Machine {
    fn default() -> Self {
        Self { cpus: 2, memory_mib: 256, nic: Nic::Loopback, command_line: Vec::new(), accelerator: Accelerator::Exact }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nic = match self.nic {
            Nic::Loopback => "loopback",
            Nic::Virtio => "virtio",
        };
        write!(f, "{} CPUs, {} MiB, {nic}", self.cpus, self.memory_mib)?;
        if !self.command_line.is_empty() {
            write!(f, ", {}", self.command_line.join(" "))?;
        }
        if self.accelerator == Accelerator::Exact { Ok(()) } else { write!(f, ", {}", self.accelerator.word()) }
    }
}

/// Size of the region that the guest shares with the host, in MiB. Pages that are never written cost nothing.
const REGION_MIB: u64 = 32;

/// Guest nanoseconds per instruction while booting, as a power of two. Calibration loops and delays wait for guest time to
/// pass: the faster it passes, the fewer instructions they spin. Runs use one nanosecond an instruction.
pub(super) const BOOT_SHIFT: u8 = 4;

/// What is done to an image once it is saved: one that was made otherwise is another.
const IMAGE_FORM: &str = "memory to be mapped, instructions counted from nought";

/// Initcalls that take long, and whose results no case needs: the jitter entropy source (the CPU's random numbers
/// serve), checking the signatures of built-in certificates, kprobe events. Names a kernel lacks are passed over.
const SKIPPED_INITCALLS: &str = "jent_mod_init,load_system_certificate_list,init_kprobe_trace";

/// CPU features that make the kernel copy and clear memory by repeated string instructions (arch/x86/include/asm/cpufeatures.h):
/// REP_GOOD, ERMS and FSRM, by number, which every kernel understands. QEMU's translator counts each repetition of such an
/// instruction as one, and is slow at it: copying 32 KiB to a reader came to 34,000 instructions, and comes to 6,000 without.
/// Native machines go without, too: with another way of copying, errors/bad-address would take another path.
const FAST_STRINGS: &str = "112,297,580";

/// What a QEMU process is started for.
pub(super) enum Purpose<'a> {
    /// Boot and be saved; waits for a monitor on this socket and for its word to begin. The console is standard output.
    Boot {
        /// The initramfs file.
        initramfs: &'a Path,
        /// The monitor's socket.
        monitor: &'a Path,
    },
    /// Restore this image, go on for as long as the agent has something to do without an order, and be saved again. Monitor
    /// and console as for a boot.
    EnableTracing {
        /// The saved machine.
        image: &'a Path,
        /// The monitor's socket.
        monitor: &'a Path,
    },
    /// Restore this image, obey this order, write the console to this file.
    Run {
        /// The saved machine.
        image: &'a Path,
        /// The file with the order.
        order: &'a Path,
        /// Where the console goes.
        console: &'a Path,
        /// Where the recording goes.
        recording: &'a Path,
    },
}

impl Machine {
    /// QEMU's arguments. `region` is the file that backs the region shared with the guest.
    ///
    /// Boot and run must describe the same machine: only what QEMU does not count as the machine's state may differ. A kernel
    /// is not: once booted it lies in memory, and its file need not be read again.
    pub(super) fn arguments(&self, kernel: &GuestKernel, region: &Path, purpose: &Purpose) -> Vec<OsString> {
        let mut out = Arguments::default();
        out.flag("-nodefaults").flag("-no-user-config").flag("-no-reboot");
        out.pair("-display", "none");
        out.pair("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
        out.pair("-name", format!("rxpath-{}", kernel.series));
        let accelerator = match self.accelerator {
            Accelerator::Exact | Accelerator::Translator => "tcg",
            Accelerator::Kvm => "kvm",
        };
        let mut board = format!("q35,accel={accelerator},hpet=off,usb=off,vmport=off,smbus=off,sata=off");
        if let Purpose::Run { image, .. } = purpose {
            out.pair("-object", mapped_memory(self.memory_mib, image));
            board += &format!(",memory-backend={}", mapped::MEMORY);
        }
        out.pair("-machine", board);
        match self.accelerator {
            Accelerator::Kvm => out.pair("-cpu", "host"),
            // Random numbers come from -seed, the same in every process; without a source the guest would wait for entropy.
            Accelerator::Exact | Accelerator::Translator => out.pair("-cpu", "max,-rdseed"),
        };
        self.cpu_arguments(purpose, &mut out);
        out.pair("-m", format!("{}M", self.memory_mib));
        out.pair("-seed", "1");
        out.pair("-rtc", "base=2025-01-01T00:00:00,clock=vm");
        let region_size = format!("memory-backend-file,id=region,size={REGION_MIB}M,share=on,mem-path=");
        out.pair("-object", joined(&region_size, region));
        out.pair("-device", "ivshmem-plain,memdev=region,master=on");
        out.pair("-device", "ib700");
        out.pair("-device", format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1"));
        out.pair("-action", "watchdog=pause");
        self.nic_arguments(&mut out);
        self.icount(purpose, &mut out);
        match purpose {
            Purpose::Boot { initramfs, monitor } => {
                out.pair("-kernel", &kernel.vmlinux);
                out.pair("-append", self.kernel_command_line());
                out.pair("-initrd", initramfs);
                watched_by(monitor, &mut out);
                out.flag("-S");
            }
            Purpose::EnableTracing { image, monitor } => {
                watched_by(monitor, &mut out);
                restored_from(image, &mut out);
            }
            Purpose::Run { image, order, console, .. } => {
                out.pair("-serial", joined("file:", console));
                out.pair("-fw_cfg", joined(&format!("name={ORDER_FW_CFG_NAME},file="), order));
                restored_from(image, &mut out);
            }
        }
        out.0
    }

    /// All CPUs at once; but for a run in exact mode every CPU after the first is plugged in as a device, for QEMU refuses to
    /// record a machine that is given several (system/vl.c, `qemu_apply_machine_options`: it could not replay it). The
    /// machine is the same: the saved state of one is restored into the other.
    fn cpu_arguments(&self, purpose: &Purpose, out: &mut Arguments) {
        if self.accelerator != Accelerator::Exact || !matches!(purpose, Purpose::Run { .. }) {
            out.pair("-smp", format!("cpus={},sockets=1", self.cpus));
            return;
        }
        out.pair("-smp", format!("cpus=1,maxcpus={},sockets=1", self.cpus));
        for core in 1..self.cpus {
            out.pair("-device", format!("max-x86_64-cpu,rdseed=off,socket-id=0,die-id=0,core-id={core},thread-id=0"));
        }
    }

    /// In exact mode, guest time is the count of instructions, and a run is recorded.
    ///
    /// The recording is thrown away unless a test looks at it; what is wanted is the lock that comes with it. Without it,
    /// QEMU's main loop, which skips the time in which all CPUs are idle, may look at the clock after the last CPU has halted and before its
    /// instructions are counted, if something wakes it at that very moment: guest time is then off by those. A recording
    /// QEMU holds the lock from before a CPU executes until it has counted (docs/devel/replay.rst, "Locking and thread
    /// synchronisation"; accel/tcg/tcg-accel-ops-icount.c, `icount_prepare_for_run` and `icount_process_data`). A boot cannot be
    /// recorded: the thread that saves a machine reads a clock without the lock, and QEMU 10.0 ends itself (`replay_save_clock`).
    fn icount(&self, purpose: &Purpose, out: &mut Arguments) {
        if self.accelerator != Accelerator::Exact {
            return;
        }
        match purpose {
            Purpose::Boot { .. } | Purpose::EnableTracing { .. } => {
                out.pair("-icount", format!("shift={BOOT_SHIFT},sleep=off"))
            }
            Purpose::Run { recording, .. } => {
                out.pair("-icount", joined("shift=0,sleep=off,rr=record,rrfile=", recording));
            }
        }
    }

    fn nic_arguments(&self, out: &mut Arguments) {
        match self.nic {
            Nic::Loopback => {}
            Nic::Virtio => {
                for index in 0..2 {
                    out.pair("-netdev", format!("hubport,id=port{index},hubid=0"));
                    // The defaults transmit in QEMU's main loop, whose timing is the host's: arrival would vary.
                    out.pair(
                        "-device",
                        format!("virtio-net-pci,netdev=port{index},mac=52:54:00:00:00:0{index},tx=timer,ioeventfd=off,romfile="),
                    );
                }
            }
        }
    }

    fn kernel_command_line(&self) -> String {
        let mut words = vec![
            "console=ttyS0".to_owned(),
            // Warnings and worse reach the console; anything more only costs time on the serial line.
            "loglevel=5".to_owned(),
            "nokaslr".to_owned(),
            "random.trust_cpu=on".to_owned(),
            // The watchdog compares the TSC with a slower clock and, at a larger shift, finds the two apart: 6.1 then falls
            // back to the ACPI timer, whose every reading leaves the guest. Under icount the TSC is the very clock.
            "tsc=reliable".to_owned(),
            "trace_clock=local".to_owned(),
            // Else the ticks of all CPUs come due at the same instant (kernel/time/tick-sched.c, `tick_setup_sched_timer`), and which
            // idle CPU takes its own first hangs on where QEMU's round of CPUs had stopped, which the host may move.
            "skew_tick=1".to_owned(),
            // Else an idle CPU does not tick but has a timer set to the tick in which its next timeout runs out, moved by nothing (same file,
            // `tick_nohz_next_event`): those of two CPUs are due at the very same time again whenever both wait for that tick, which since
            // Linux 6.9 each does for the other as well (kernel/time/timer_migration.c).
            "nohz=off".to_owned(),
            // A panic ends the machine (-no-reboot) instead of hanging it.
            "panic=-1".to_owned(),
            "oops=panic".to_owned(),
            "rdinit=/init".to_owned(),
            // Self-tests of ciphers go on for seconds after the boot, in threads of their own.
            "cryptomgr.notests=1".to_owned(),
            format!("initcall_blacklist={SKIPPED_INITCALLS}"),
            format!("clearcpuid={FAST_STRINGS}"),
        ];
        words.extend(self.command_line.iter().cloned());
        words.join(" ")
    }

    /// A digest of everything that goes into a warm image of this machine, as hexadecimal text.
    pub(super) fn image_key(&self, kernel: &GuestKernel, qemu: &QemuProgram) -> String {
        let nowhere = Path::new("x");
        let boot = self.arguments(kernel, nowhere, &Purpose::Boot { initramfs: nowhere, monitor: nowhere });
        let mut digest = Sha256::new();
        let mut add = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
        };
        add(IMAGE_FORM.as_bytes());
        add(kernel.digest.as_bytes());
        add(qemu.digest.as_bytes());
        add(initramfs::AGENT);
        add(&initramfs::encoded(&kernel.setups));
        for module in &kernel.modules {
            add(module.name.as_bytes());
        }
        for file in &kernel.files {
            add(file.path.as_bytes());
            add(&file.bytes);
        }
        // Paths differ from machine to machine, the rest of the command line must not.
        for argument in boot.iter().filter(|argument| *argument != kernel.vmlinux.as_os_str()) {
            add(argument.as_encoded_bytes());
        }
        hex::encode(&digest.finalize()[..16])
    }
}

/// A console on standard output, and a monitor that QEMU waits for before it does anything: whoever connects or asks later
/// wakes QEMU's main loop at a moment of the host's, which an idle guest's clock may show.
fn watched_by(monitor: &Path, out: &mut Arguments) {
    out.pair("-serial", "stdio");
    let mut listening = joined("unix:", monitor);
    listening.push(",server=on,wait=on");
    out.pair("-qmp", listening);
    // A restored machine then starts by itself instead of standing still as it was saved.
    out.pair("-global", "migration.store-global-state=off");
}

/// A run's memory: the image's pages, mapped privately at the place where they lie in it (see [`mapped`]). `rom=off` lets the
/// guest write to what is opened for reading only; the block goes by the name that it was saved under.
fn mapped_memory(memory_mib: u32, image: &Path) -> OsString {
    let (id, at) = (mapped::MEMORY, mapped::MEMORY_AT);
    let backend = format!(
        "memory-backend-file,id={id},x-use-canonical-path-for-ramblock-id=off,size={memory_mib}M,offset={at},share=off,readonly=on,rom=off,mem-path="
    );
    joined(&backend, image)
}

fn restored_from(image: &Path, out: &mut Arguments) {
    out.pair("-global", "migration.mapped-ram=on");
    // A restored machine announces itself to the network by a timer in the host's time, and under icount any such
    // timer bounds how long a CPU runs before the next one gets its turn (QEMU accel/tcg/icount-common.c,
    // icount_get_limit): for the half second that it lasts, the interleaving would be the host's.
    out.pair("-global", "migration.announce-rounds=0");
    out.pair("-incoming", joined("file:", image));
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, name: &str) -> &mut Self {
        self.0.push(name.into());
        self
    }

    fn pair(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push(name.into());
        self.0.push(value.into());
    }
}

/// An option's text with a path at its end; QEMU wants commas in values doubled (qemu(1)).
fn joined(text: &str, path: &Path) -> OsString {
    let mut out = text.as_bytes().to_vec();
    for byte in path.as_os_str().as_encoded_bytes() {
        out.push(*byte);
        if *byte == b',' {
            out.push(b',');
        }
    }
    std::os::unix::ffi::OsStringExt::from_vec(out)
}

#[cfg(test)]
mod tests {
    use rxpath_guest::Step;

    use super::*;

    #[test]
    fn machines_that_are_set_up_otherwise_are_told_apart_in_words() {
        let on = |ops: Vec<Op>| {
            let steps = ops.into_iter().map(|op| Step { when: Vec::new(), op, into: None, recorded: false });
            let setups = vec![Setup { slots: 0, steps: steps.collect() }];
            let kernel = GuestKernel {
                series: "6.12".to_owned(),
                vmlinux: PathBuf::new(),
                digest: String::new(),
                modules: Vec::new(),
                setups,
                files: Vec::new(),
            };
            kernel.on(&Machine::default())
        };
        let plain = "2 CPUs, 256 MiB, loopback";
        assert_eq!(on(Vec::new()), plain);
        let sysctl = Op::WriteFile { path: "/proc/sys/net/core/dev_weight".to_owned(), value: "1".to_owned() };
        let tun = |napi| Op::Network(Network::Tun { napi });
        assert_eq!(on(vec![sysctl.clone(), tun(false)]), format!("{plain}, dev_weight=1"));
        assert_eq!(on(vec![sysctl, tun(true)]), format!("{plain}, dev_weight=1, NAPI"));
    }
}
