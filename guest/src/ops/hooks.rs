//! Hooks between a device and the protocols: generic XDP (bpf(2)) and tc's ingress hook (tc(8)).

use std::io::Result;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rxpath_guest::pure::netlink::{NESTED, attribute, link_header, text, traffic_header};

use super::rtnetlink::{index_of, request};
use crate::sys;

/// IFLA_XDP and its attributes (`linux/if_link.h`).
const IFLA_XDP: u16 = 43;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;
/// Generic XDP: runs in the stack, for drivers without XDP of their own.
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;

/// A command, a program type and a verdict (`linux/bpf.h`).
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TYPE_XDP: u32 = 6;
const XDP_PASS: u32 = 2;

/// TCA_KIND and TCA_OPTIONS (`linux/rtnetlink.h`).
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
/// The ingress hook, as a parent and as a handle (`linux/pkt_sched.h`).
const TC_H_INGRESS: u32 = 0xffff_fff1;
const INGRESS_HANDLE: u32 = 0xffff_0000;

/// The first fields of `union bpf_attr` for BPF_PROG_LOAD.
#[repr(C)]
struct ProgramLoad {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
}

/// Attaches an XDP program to a device that passes every packet.
pub fn xdp(device: &str) -> Result<()> {
    let program = pass_all()?;
    let link = [
        attribute(IFLA_XDP_FD, &program.as_raw_fd().to_ne_bytes()),
        attribute(IFLA_XDP_FLAGS, &XDP_FLAGS_SKB_MODE.to_ne_bytes()),
    ];
    let body = [link_header(index_of(device)?), attribute(IFLA_XDP | NESTED, &link.concat())].concat();
    request(libc::RTM_SETLINK, 0, &body)
}

/// `r0 = XDP_PASS; exit` (Documentation/bpf/instruction-set.rst).
fn pass_all() -> Result<OwnedFd> {
    let instructions: [u64; 2] = [0xb7 | u64::from(XDP_PASS) << 32, 0x95];
    let license = c"GPL";
    let load = ProgramLoad {
        program_type: BPF_PROG_TYPE_XDP,
        instruction_count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
    };
    // SAFETY: `load` has the layout that the command takes, and what it points to outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, size_of::<ProgramLoad>()) };
    let fd = sys::check(fd)?;
    // SAFETY: the descriptor was just made and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Adds tc's ingress hook to a device, with a filter that matches every packet and does nothing.
pub fn tc_ingress(device: &str) -> Result<()> {
    let index = index_of(device)?;
    let new = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
    let discipline = [traffic_header(index, INGRESS_HANDLE, TC_H_INGRESS, 0), text(TCA_KIND, "ingress")].concat();
    request(libc::RTM_NEWQDISC, new, &discipline)?;
    // Priority 1, and the protocol in network byte order (`linux/pkt_sched.h`, TC_H_MAKE).
    let info = 1 << 16 | u32::from((libc::ETH_P_ALL as u16).to_be());
    let filter = [
        traffic_header(index, 0, INGRESS_HANDLE, info),
        text(TCA_KIND, "matchall"),
        attribute(TCA_OPTIONS | NESTED, &[]),
    ];
    request(libc::RTM_NEWTFILTER, new, &filter.concat())
}
