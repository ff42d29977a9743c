//! The kernel's command line (Documentation/admin-guide/kernel-parameters.txt).

use super::machine::Machine;

/// Initcalls that take long and whose results no case needs: the jitter entropy source (the CPU's random numbers are enough), the
/// signatures of built-in certificates, kprobe events. A kernel ignores names that it lacks.
const SKIPPED_INITCALLS: &str = "jent_mod_init,load_system_certificate_list,init_kprobe_trace";

/// CPU features that make the kernel copy and clear memory with repeated string instructions: REP_GOOD, ERMS and FSRM
/// (arch/x86/include/asm/cpufeatures.h), as numbers, which every kernel understands. QEMU's translator counts each repetition as
/// an instruction, and is slow at it: copying 32 KiB to a reader took 34,000 instructions, and takes 6,000 without these features.
/// Native machines go without them too, because errors/bad-address would otherwise take a different path.
const FAST_STRINGS: &str = "112,297,580";

const WORDS: [&str; 13] = [
    "console=ttyS0",
    // Warnings and worse are printed. More would only take time on the serial line.
    "loglevel=5",
    "nokaslr",
    "random.trust_cpu=on",
    // The clock watchdog compares the TSC with a slower clock and, with a large shift, finds that they differ. 6.1 then uses the
    // ACPI timer, and each read of that timer leaves the guest. Under icount, the TSC is guest time itself.
    "tsc=reliable",
    "trace_clock=local",
    // Without it the ticks of all CPUs are due at the same instant (kernel/time/tick-sched.c, `tick_setup_sched_timer`). Which idle
    // CPU handles its tick first then depends on where QEMU's round-robin loop last stopped, and so on the host.
    "skew_tick=1",
    // Without it an idle CPU does not tick; its timer is set to the tick of its next timeout, without a skew (same file,
    // `tick_nohz_next_event`). The timers of two CPUs are then due at the same instant whenever both wait for that tick. Since
    // Linux 6.9, each also waits for the other's timeouts (kernel/time/timer_migration.c).
    "nohz=off",
    // Otherwise the addresses of a process's mappings are random, and finding one of them (mm/mmap.c, `find_vma`) costs a
    // different number of instructions on each kernel.
    "norandmaps",
    // A panic resets the machine, which ends QEMU (-no-reboot).
    "panic=-1",
    "oops=panic",
    "rdinit=/init",
    // The self-tests of ciphers would run for seconds after the boot, in threads of their own.
    "cryptomgr.notests=1",
];

pub(super) fn kernel_command_line(machine: &Machine) -> String {
    let mut words = WORDS.map(str::to_owned).to_vec();
    words.push(format!("initcall_blacklist={SKIPPED_INITCALLS}"));
    words.push(format!("clearcpuid={FAST_STRINGS}"));
    words.extend(machine.command_line.iter().cloned());
    words.join(" ")
}
