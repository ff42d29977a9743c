//! QEMU's command line (qemu(1)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rxpath_guest::{EXIT_PORT, ORDER_FW_CFG_NAME};

use super::guest_folder::GuestFolder;
use super::kernel_command_line::kernel_command_line;
use super::machine::{Accelerator, GuestKernel, Machine, Nic};
use super::mapped;

/// Size of the region that the guest shares with the host, in MiB. Pages that are never written take no memory.
const REGION_MIB: u64 = 32;

/// Guest nanoseconds per instruction during a boot, as a power of two. Calibration loops and delays wait for guest time to pass:
/// the faster it passes, the fewer instructions they take. In a run, an instruction takes one nanosecond.
pub(super) const BOOT_SHIFT: u8 = 4;

/// What a QEMU process is started for.
pub(super) enum Purpose<'a> {
    /// Boot, let the agent obey its order, and be saved through the monitor.
    Boot,
    /// Restore this image, let the agent obey its order, and be saved again. The memory is in `image` itself.
    Change { image: &'a Path },
    /// Restore this image over the memory in a file, which may be the image itself, and let the agent obey its order. QEMU's
    /// recording of the run goes to a file of its own.
    Run { image: &'a Path, memory: &'a Path, recording: &'a Path },
}

/// QEMU's arguments for a machine and its kernel, with the files in `folder`.
///
/// A boot and a run must describe the same machine, because the state saved from one is restored into the other. They may differ
/// in what QEMU does not save, such as the kernel's file: a booted kernel is in memory.
pub(super) fn qemu_arguments(
    machine: &Machine,
    kernel: &GuestKernel,
    folder: &GuestFolder,
    purpose: &Purpose,
) -> Vec<OsString> {
    let mut out = Arguments::default();
    out.flag("-nodefaults").flag("-no-user-config").flag("-no-reboot");
    out.pair("-display", "none");
    out.pair("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    out.pair("-name", format!("rxpath-{}", kernel.series));
    let accelerator = match machine.accelerator {
        Accelerator::Exact | Accelerator::Translator => "tcg",
        Accelerator::Kvm => "kvm",
    };
    let mut board = format!("q35,accel={accelerator},hpet=off,usb=off,vmport=off,smbus=off,sata=off");
    if let Purpose::Change { image: memory } | Purpose::Run { memory, .. } = purpose {
        out.pair("-object", mapped_memory(machine.memory_mib, memory));
        board += &format!(",memory-backend={}", mapped::MEMORY);
    }
    out.pair("-machine", board);
    match machine.accelerator {
        Accelerator::Kvm => out.pair("-cpu", "host"),
        // Random numbers come from -seed, the same in every process. Without a source, the guest would wait for entropy.
        Accelerator::Exact | Accelerator::Translator => out.pair("-cpu", "max,-rdseed"),
    };
    cpus(machine, purpose, &mut out);
    out.pair("-m", format!("{}M", machine.memory_mib));
    out.pair("-seed", "1");
    out.pair("-rtc", "base=2025-01-01T00:00:00,clock=vm");
    let region = format!("memory-backend-file,id=region,size={REGION_MIB}M,share=on,mem-path=");
    out.pair("-object", with_path(&region, &folder.region()));
    out.pair("-device", "ivshmem-plain,memdev=region,master=on");
    out.pair("-device", "ib700");
    out.pair("-device", format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1"));
    out.pair("-action", "watchdog=pause");
    network(machine, &mut out);
    if machine.accelerator == Accelerator::Exact {
        icount(purpose, &mut out);
    }
    out.pair("-serial", with_path("file:", &folder.console()));
    out.pair("-fw_cfg", with_path(&format!("name={ORDER_FW_CFG_NAME},file="), &folder.order()));
    match purpose {
        Purpose::Boot => {
            out.pair("-kernel", &kernel.vmlinux);
            out.pair("-append", kernel_command_line(machine));
            out.pair("-initrd", folder.initramfs());
            monitor(folder, &mut out);
            out.flag("-S");
        }
        Purpose::Change { image } => {
            monitor(folder, &mut out);
            restore(image, &mut out);
        }
        Purpose::Run { image, .. } => restore(image, &mut out),
    }
    out.0
}

/// All CPUs at once, except for a run in exact mode: QEMU refuses to record a machine with several (system/vl.c,
/// `qemu_apply_machine_options`: it could not replay it), so every CPU after the first is plugged in as a device. The machine is
/// the same: the state saved from one is restored into the other.
fn cpus(machine: &Machine, purpose: &Purpose, out: &mut Arguments) {
    if machine.accelerator != Accelerator::Exact || !matches!(purpose, Purpose::Run { .. }) {
        out.pair("-smp", format!("cpus={},sockets=1", machine.cpus));
        return;
    }
    out.pair("-smp", format!("cpus=1,maxcpus={},sockets=1", machine.cpus));
    for core in 1..machine.cpus {
        out.pair("-device", format!("max-x86_64-cpu,rdseed=off,socket-id=0,die-id=0,core-id={core},thread-id=0"));
    }
}

fn network(machine: &Machine, out: &mut Arguments) {
    match machine.nic {
        Nic::Loopback => {}
        Nic::Virtio => {
            for index in 0..2 {
                out.pair("-netdev", format!("hubport,id=port{index},hubid=0"));
                // By default the device transmits in QEMU's main loop, and the time of arrival would depend on the host.
                out.pair(
                    "-device",
                    format!(
                        "virtio-net-pci,netdev=port{index},mac=52:54:00:00:00:0{index},tx=timer,ioeventfd=off,romfile="
                    ),
                );
            }
        }
    }
}

/// Makes guest time the count of instructions, and records a run.
///
/// Only tests read the recording. A run needs the lock that comes with it: QEMU's main loop skips the time in which all CPUs
/// are idle, and without the lock it can wake after the last CPU has halted but before that CPU's instructions are counted.
/// Guest time is then wrong by that many instructions. A QEMU that records holds the lock from before a CPU
/// executes until its instructions are counted (docs/devel/replay.rst, "Locking and thread synchronisation";
/// accel/tcg/tcg-accel-ops-icount.c, `icount_prepare_for_run` and `icount_process_data`). A boot cannot be recorded: the thread that
/// saves a machine reads a clock without the lock, and QEMU 10.0 then aborts (`replay_save_clock`).
fn icount(purpose: &Purpose, out: &mut Arguments) {
    match purpose {
        Purpose::Boot | Purpose::Change { .. } => out.pair("-icount", format!("shift={BOOT_SHIFT},sleep=off")),
        Purpose::Run { recording, .. } => {
            out.pair("-icount", with_path("shift=0,sleep=off,rr=record,rrfile=", recording));
        }
    }
}

/// A monitor that QEMU waits for before it does anything. A connection or a question later would wake QEMU's main loop at a
/// moment that depends on the host, which the clock of an idle guest may show.
fn monitor(folder: &GuestFolder, out: &mut Arguments) {
    let mut socket = with_path("unix:", &folder.monitor());
    socket.push(",server=on,wait=on");
    out.pair("-qmp", socket);
    // A restored machine then starts, although it was saved while it was stopped.
    out.pair("-global", "migration.store-global-state=off");
}

/// Maps the memory of a restored machine from an image (see [`mapped`]). With `rom=off` the guest may write to a file that is opened for
/// reading only. The memory needs the name that it was saved under.
fn mapped_memory(memory_mib: u32, memory: &Path) -> OsString {
    let (id, at) = (mapped::MEMORY, mapped::MEMORY_AT);
    let backend = format!(
        "memory-backend-file,id={id},x-use-canonical-path-for-ramblock-id=off,size={memory_mib}M,offset={at},share=off,readonly=on,rom=off,mem-path="
    );
    with_path(&backend, memory)
}

fn restore(image: &Path, out: &mut Arguments) {
    out.pair("-global", "migration.mapped-ram=on");
    // A restored machine announces itself to the network with a timer in host time. Under icount any such timer limits how long a
    // CPU runs before the next one gets its turn (accel/tcg/icount-common.c, `icount_get_limit`), so for the half second of the
    // announcements the interleaving of CPUs would depend on the host.
    out.pair("-global", "migration.announce-rounds=0");
    out.pair("-incoming", with_path("file:", image));
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

/// An option's value that ends with a path. QEMU wants commas in values doubled (qemu(1)).
fn with_path(text: &str, path: &Path) -> OsString {
    let mut out = text.as_bytes().to_vec();
    for byte in path.as_os_str().as_encoded_bytes() {
        out.push(*byte);
        if *byte == b',' {
            out.push(b',');
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use insta::assert_snapshot;
    use rxpath_guest::Preparation;

    use super::*;

    const IMAGE: &str = "/cache/saved,image";

    fn lines(machine: &Machine, purpose: &Purpose) -> Vec<String> {
        let kernel = GuestKernel {
            series: "6.12".to_owned(),
            vmlinux: PathBuf::from("/cache/vmlinux"),
            digest: String::new(),
            files: Vec::new(),
            booted: Preparation::default(),
            derived: None,
        };
        let mut lines: Vec<String> = Vec::new();
        for argument in qemu_arguments(machine, &kernel, &GuestFolder::named(Path::new("/guest")), purpose) {
            let argument = argument.into_string().unwrap();
            match lines.last_mut() {
                Some(line) if !argument.starts_with('-') => *line = format!("{line} {argument}"),
                _ => lines.push(argument),
            }
        }
        lines
    }

    fn boot() -> Purpose<'static> {
        Purpose::Boot
    }

    fn change() -> Purpose<'static> {
        Purpose::Change { image: Path::new(IMAGE) }
    }

    fn run() -> Purpose<'static> {
        Purpose::Run {
            image: Path::new(IMAGE),
            memory: Path::new("/cache/base,image"),
            recording: Path::new("/dev/null"),
        }
    }

    fn all(purpose: &Purpose) -> String {
        lines(&Machine::default(), purpose).join("\n")
    }

    /// How the arguments of a machine differ from those of the default one.
    fn differences(machine: &Machine, purpose: &Purpose) -> String {
        let (usual, other) = (lines(&Machine::default(), purpose), lines(machine, purpose));
        let only = |these: &[String], those: &[String], mark: char| -> Vec<String> {
            these.iter().filter(|line| !those.contains(line)).map(|line| format!("{mark} {line}")).collect()
        };
        [only(&usual, &other, '-'), only(&other, &usual, '+')].concat().join("\n")
    }

    #[test]
    fn a_boot() {
        assert_snapshot!(all(&boot()), @r"
        -nodefaults
        -no-user-config
        -no-reboot
        -display none
        -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
        -name rxpath-6.12
        -machine q35,accel=tcg,hpet=off,usb=off,vmport=off,smbus=off,sata=off
        -cpu max,-rdseed
        -smp cpus=2,sockets=1
        -m 256M
        -seed 1
        -rtc base=2025-01-01T00:00:00,clock=vm
        -object memory-backend-file,id=region,size=32M,share=on,mem-path=/guest/region
        -device ivshmem-plain,memdev=region,master=on
        -device ib700
        -device isa-debug-exit,iobase=0xf4,iosize=1
        -action watchdog=pause
        -icount shift=4,sleep=off
        -serial file:/guest/console
        -fw_cfg name=opt/rxpath/order,file=/guest/order
        -kernel /cache/vmlinux
        -append console=ttyS0 loglevel=5 nokaslr random.trust_cpu=on tsc=reliable trace_clock=local skew_tick=1 nohz=off norandmaps panic=-1 oops=panic rdinit=/init cryptomgr.notests=1 initcall_blacklist=jent_mod_init,load_system_certificate_list,init_kprobe_trace clearcpuid=112,297,580
        -initrd /guest/initramfs
        -qmp unix:/guest/monitor,server=on,wait=on
        -global migration.store-global-state=off
        -S
        ");
    }

    #[test]
    fn a_change() {
        assert_snapshot!(all(&change()), @r"
        -nodefaults
        -no-user-config
        -no-reboot
        -display none
        -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
        -name rxpath-6.12
        -object memory-backend-file,id=pc.ram,x-use-canonical-path-for-ramblock-id=off,size=256M,offset=1048576,share=off,readonly=on,rom=off,mem-path=/cache/saved,,image
        -machine q35,accel=tcg,hpet=off,usb=off,vmport=off,smbus=off,sata=off,memory-backend=pc.ram
        -cpu max,-rdseed
        -smp cpus=2,sockets=1
        -m 256M
        -seed 1
        -rtc base=2025-01-01T00:00:00,clock=vm
        -object memory-backend-file,id=region,size=32M,share=on,mem-path=/guest/region
        -device ivshmem-plain,memdev=region,master=on
        -device ib700
        -device isa-debug-exit,iobase=0xf4,iosize=1
        -action watchdog=pause
        -icount shift=4,sleep=off
        -serial file:/guest/console
        -fw_cfg name=opt/rxpath/order,file=/guest/order
        -qmp unix:/guest/monitor,server=on,wait=on
        -global migration.store-global-state=off
        -global migration.mapped-ram=on
        -global migration.announce-rounds=0
        -incoming file:/cache/saved,,image
        ");
    }

    #[test]
    fn a_run() {
        assert_snapshot!(all(&run()), @r"
        -nodefaults
        -no-user-config
        -no-reboot
        -display none
        -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
        -name rxpath-6.12
        -object memory-backend-file,id=pc.ram,x-use-canonical-path-for-ramblock-id=off,size=256M,offset=1048576,share=off,readonly=on,rom=off,mem-path=/cache/base,,image
        -machine q35,accel=tcg,hpet=off,usb=off,vmport=off,smbus=off,sata=off,memory-backend=pc.ram
        -cpu max,-rdseed
        -smp cpus=1,maxcpus=2,sockets=1
        -device max-x86_64-cpu,rdseed=off,socket-id=0,die-id=0,core-id=1,thread-id=0
        -m 256M
        -seed 1
        -rtc base=2025-01-01T00:00:00,clock=vm
        -object memory-backend-file,id=region,size=32M,share=on,mem-path=/guest/region
        -device ivshmem-plain,memdev=region,master=on
        -device ib700
        -device isa-debug-exit,iobase=0xf4,iosize=1
        -action watchdog=pause
        -icount shift=0,sleep=off,rr=record,rrfile=/dev/null
        -serial file:/guest/console
        -fw_cfg name=opt/rxpath/order,file=/guest/order
        -global migration.mapped-ram=on
        -global migration.announce-rounds=0
        -incoming file:/cache/saved,,image
        ");
    }

    #[test]
    fn kvm() {
        let kvm = Machine { accelerator: Accelerator::Kvm, ..Machine::default() };
        assert_snapshot!(differences(&kvm, &boot()), @r"
        - -machine q35,accel=tcg,hpet=off,usb=off,vmport=off,smbus=off,sata=off
        - -cpu max,-rdseed
        - -icount shift=4,sleep=off
        + -machine q35,accel=kvm,hpet=off,usb=off,vmport=off,smbus=off,sata=off
        + -cpu host
        ");
        assert_snapshot!(differences(&kvm, &change()), @r"
        - -machine q35,accel=tcg,hpet=off,usb=off,vmport=off,smbus=off,sata=off,memory-backend=pc.ram
        - -cpu max,-rdseed
        - -icount shift=4,sleep=off
        + -machine q35,accel=kvm,hpet=off,usb=off,vmport=off,smbus=off,sata=off,memory-backend=pc.ram
        + -cpu host
        ");
        assert_snapshot!(differences(&kvm, &run()), @r"
        - -machine q35,accel=tcg,hpet=off,usb=off,vmport=off,smbus=off,sata=off,memory-backend=pc.ram
        - -cpu max,-rdseed
        - -smp cpus=1,maxcpus=2,sockets=1
        - -device max-x86_64-cpu,rdseed=off,socket-id=0,die-id=0,core-id=1,thread-id=0
        - -icount shift=0,sleep=off,rr=record,rrfile=/dev/null
        + -machine q35,accel=kvm,hpet=off,usb=off,vmport=off,smbus=off,sata=off,memory-backend=pc.ram
        + -cpu host
        + -smp cpus=2,sockets=1
        ");
    }

    #[test]
    fn the_translator_in_native_mode() {
        let translator = Machine { accelerator: Accelerator::Translator, ..Machine::default() };
        assert_snapshot!(differences(&translator, &boot()), @r"
        - -icount shift=4,sleep=off
        ");
        assert_snapshot!(differences(&translator, &change()), @r"
        - -icount shift=4,sleep=off
        ");
        assert_snapshot!(differences(&translator, &run()), @r"
        - -smp cpus=1,maxcpus=2,sockets=1
        - -device max-x86_64-cpu,rdseed=off,socket-id=0,die-id=0,core-id=1,thread-id=0
        - -icount shift=0,sleep=off,rr=record,rrfile=/dev/null
        + -smp cpus=2,sockets=1
        ");
    }

    #[test]
    fn virtio_and_more_cpus_and_a_command_line() {
        let machine =
            Machine { cpus: 3, nic: Nic::Virtio, command_line: vec!["threadirqs".to_owned()], ..Machine::default() };
        assert_snapshot!(differences(&machine, &boot()), @r"
        - -smp cpus=2,sockets=1
        - -append console=ttyS0 loglevel=5 nokaslr random.trust_cpu=on tsc=reliable trace_clock=local skew_tick=1 nohz=off norandmaps panic=-1 oops=panic rdinit=/init cryptomgr.notests=1 initcall_blacklist=jent_mod_init,load_system_certificate_list,init_kprobe_trace clearcpuid=112,297,580
        + -smp cpus=3,sockets=1
        + -netdev hubport,id=port0,hubid=0
        + -device virtio-net-pci,netdev=port0,mac=52:54:00:00:00:00,tx=timer,ioeventfd=off,romfile=
        + -netdev hubport,id=port1,hubid=0
        + -device virtio-net-pci,netdev=port1,mac=52:54:00:00:00:01,tx=timer,ioeventfd=off,romfile=
        + -append console=ttyS0 loglevel=5 nokaslr random.trust_cpu=on tsc=reliable trace_clock=local skew_tick=1 nohz=off norandmaps panic=-1 oops=panic rdinit=/init cryptomgr.notests=1 initcall_blacklist=jent_mod_init,load_system_certificate_list,init_kprobe_trace clearcpuid=112,297,580 threadirqs
        ");
        assert_snapshot!(differences(&machine, &change()), @r"
        - -smp cpus=2,sockets=1
        + -smp cpus=3,sockets=1
        + -netdev hubport,id=port0,hubid=0
        + -device virtio-net-pci,netdev=port0,mac=52:54:00:00:00:00,tx=timer,ioeventfd=off,romfile=
        + -netdev hubport,id=port1,hubid=0
        + -device virtio-net-pci,netdev=port1,mac=52:54:00:00:00:01,tx=timer,ioeventfd=off,romfile=
        ");
        assert_snapshot!(differences(&machine, &run()), @r"
        - -smp cpus=1,maxcpus=2,sockets=1
        + -smp cpus=1,maxcpus=3,sockets=1
        + -device max-x86_64-cpu,rdseed=off,socket-id=0,die-id=0,core-id=2,thread-id=0
        + -netdev hubport,id=port0,hubid=0
        + -device virtio-net-pci,netdev=port0,mac=52:54:00:00:00:00,tx=timer,ioeventfd=off,romfile=
        + -netdev hubport,id=port1,hubid=0
        + -device virtio-net-pci,netdev=port1,mac=52:54:00:00:00:01,tx=timer,ioeventfd=off,romfile=
        ");
    }
}
