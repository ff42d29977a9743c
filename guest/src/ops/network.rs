//! The guest's network besides `lo`: a second namespace, and veth, virtio-net and TUN devices (netdevice(7)).

use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::OnceLock;

use rxpath_guest::Network;
use rxpath_guest::pure::netlink::{NESTED, attribute, link_header, text};

use super::rtnetlink::{index_of, request};
use super::{Call, hooks, netfilter};
use crate::sys;

/// The first and the second namespace, open so that they stay alive.
static NAMESPACES: OnceLock<[File; 2]> = OnceLock::new();

const NEAR: [u8; 4] = [10, 0, 0, 1];
const FAR: [u8; 4] = [10, 0, 0, 2];
const NETMASK: [u8; 4] = [255, 255, 255, 0];
/// IFLA_… of `linux/if_link.h`, VETH_INFO_PEER of `linux/veth.h`.
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
/// TUNSETIFF (`linux/if_tun.h`).
const TUNSETIFF: libc::Ioctl = 0x4004_54ca_u32 as libc::Ioctl;
const IFF_NAPI: i32 = 0x10;

pub fn set_up(network: &Network) -> Call {
    Call::prepared(match network {
        Network::Veth => veth().map(|()| 0),
        Network::Virtio => virtio().map(|()| 0),
        Network::Tun { napi } => tun(*napi),
        Network::Xdp { device } => hooks::xdp(device).map(|()| 0),
        Network::NetfilterDrop { port } => netfilter::drop_port(*port).map(|()| 0),
        Network::TcIngress { device } => hooks::tc_ingress(device).map(|()| 0),
    })
}

/// Moves the calling thread into a network namespace.
pub fn enter(netns: u8) -> Result<()> {
    let Some(namespace) = namespaces()?.get(usize::from(netns)) else {
        return Err(Error::from_raw_os_error(libc::EINVAL));
    };
    // SAFETY: takes no pointers; the descriptor is open.
    sys::check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// Calls `action` in a network namespace and returns to the first one.
pub fn within<T>(netns: u8, action: impl FnOnce() -> Result<T>) -> Result<T> {
    enter(netns)?;
    let result = action();
    enter(0)?;
    result
}

fn namespaces() -> Result<&'static [File; 2]> {
    if NAMESPACES.get().is_none() {
        let first = File::open("/proc/thread-self/ns/net")?;
        // SAFETY: takes no pointers; only this thread changes its namespace.
        sys::check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
        let second = File::open("/proc/thread-self/ns/net")?;
        let up = sys::interface_up("lo");
        // SAFETY: takes no pointers; the descriptor is open.
        sys::check(unsafe { libc::setns(first.as_raw_fd(), libc::CLONE_NEWNET) })?;
        up?;
        let _ = NAMESPACES.set([first, second]);
    }
    NAMESPACES.get().ok_or_else(|| Error::from_raw_os_error(libc::EIO))
}

fn veth() -> Result<()> {
    let far = namespaces()?[1].as_raw_fd();
    let peer = [link_header(0), text(IFLA_IFNAME, "veth1"), attribute(IFLA_NET_NS_FD, &far.to_ne_bytes())].concat();
    let data = attribute(IFLA_INFO_DATA | NESTED, &attribute(VETH_INFO_PEER | NESTED, &peer));
    let info = [text(IFLA_INFO_KIND, "veth"), data].concat();
    let body = [link_header(0), text(IFLA_IFNAME, "veth0"), attribute(IFLA_LINKINFO | NESTED, &info)].concat();
    let new = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    request(libc::RTM_NEWLINK, new as u16, &body)?;
    configure("veth0", NEAR)?;
    within(1, || configure("veth1", FAR))
}

fn virtio() -> Result<()> {
    let far = namespaces()?[1].as_raw_fd();
    let body = [link_header(index_of("eth1")?), attribute(IFLA_NET_NS_FD, &far.to_ne_bytes())].concat();
    request(libc::RTM_NEWLINK, 0, &body)?;
    configure("eth0", NEAR)?;
    within(1, || configure("eth1", FAR))
}

/// Makes a TUN device without packet information and returns its descriptor.
fn tun(napi: bool) -> Result<i64> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = named("tun0");
    let napi = if napi { IFF_NAPI } else { 0 };
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | napi) as i16;
    ioctl(file.as_raw_fd(), TUNSETIFF, &request)?;
    configure("tun0", NEAR)?;
    Ok(file.into_raw_fd().into())
}

/// Gives an interface its address and brings it up.
fn configure(name: &str, address: [u8; 4]) -> Result<()> {
    // SAFETY: takes no pointers; the descriptor is owned from here on.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    sys::check(socket)?;
    // SAFETY: the descriptor was just opened and has no other owner.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    for (kind, value) in [(libc::SIOCSIFADDR, address), (libc::SIOCSIFNETMASK, NETMASK)] {
        let mut request = named(name);
        // The request contains a struct sockaddr_in: family, port, address.
        // SAFETY: ifru_addr is plain data, and any bytes are a valid sockaddr.
        let field = unsafe { &mut request.ifr_ifru.ifru_addr };
        field.sa_family = libc::AF_INET as u16;
        for (to, from) in field.sa_data[2..6].iter_mut().zip(value) {
            *to = from as libc::c_char;
        }
        ioctl(socket.as_raw_fd(), kind as libc::Ioctl, &request)?;
    }
    sys::interface_up(name)
}

fn named(name: &str) -> libc::ifreq {
    // SAFETY: an all-zero ifreq is a valid value of that plain C structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    request
}

fn ioctl(fd: i32, kind: libc::Ioctl, request: &libc::ifreq) -> Result<()> {
    // SAFETY: these requests take an ifreq, and `request` outlives the call.
    sys::check(unsafe { libc::ioctl(fd, kind, request) }).map(drop)
}
