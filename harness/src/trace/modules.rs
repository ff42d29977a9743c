//! Where a kernel has loaded its modules. Two machines that load the same module may do so at different addresses: function_graph
//! takes a page of the same memory.

use serde::{Deserialize, Serialize};

use super::FuncAddr;

/// A module's address in the machine whose functions are known, and in a different one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MovedModule {
    name: String,
    from: FuncAddr,
    to: FuncAddr,
}

impl MovedModule {
    /// The modules that are in both of two /proc/modules, ordered by their addresses in the first.
    pub(crate) fn of(from: &str, to: &str) -> Vec<Self> {
        let to: Vec<_> = to.lines().filter_map(module).collect();
        let moved = from.lines().filter_map(module).filter_map(|(name, from)| {
            let (_, to) = to.iter().find(|(other, _)| *other == name)?;
            Some(Self { name: name.to_owned(), from, to: *to })
        });
        let mut moved: Vec<_> = moved.collect();
        moved.sort_by_key(|module| module.from);
        moved
    }
}

/// The name and address in a line of /proc/modules: `NAME SIZE USERS BY STATE ADDRESS`.
fn module(line: &str) -> Option<(&str, FuncAddr)> {
    let mut words = line.split(' ');
    let name = words.next()?;
    Some((name, u64::from_str_radix(words.nth(4)?.strip_prefix("0x")?, 16).ok()?))
}

/// The place of a function in the second machine. The kernel's own functions do not move.
pub(crate) fn moved(modules: &[MovedModule], address: FuncAddr) -> FuncAddr {
    let after = modules.partition_point(|module| module.from <= address);
    match after.checked_sub(1) {
        Some(at) => address - modules[at].from + modules[at].to,
        None => address,
    }
}

/// Rewrites the addresses of modules' functions in the first machine's kallsyms to those of the second. Other lines stay as they
/// are.
pub(crate) fn move_symbols(text: &mut [u8], modules: &[MovedModule]) {
    const DIGITS: usize = 16;
    for line in text.split_mut(|byte| *byte == b'\n').filter(|line| line.ends_with(b"]") && line.len() > DIGITS + 2) {
        let digits = std::str::from_utf8(&line[..DIGITS]).ok();
        let address = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if let (Some(address), b't' | b'T' | b'w' | b'W') = (address, line[DIGITS + 1]) {
            line[..DIGITS].copy_from_slice(format!("{:016x}", moved(modules, address)).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTRACED: &str = "veth 49152 0 - Live 0xffffffffc0010000\ntun 65536 0 - Live 0xffffffffc0000000\n";
    const TRACED: &str = "veth 49152 0 - Live 0xffffffffc0014000\ntun 65536 0 - Live 0xffffffffc0002000 (E)\n";

    #[test]
    fn functions_move_with_their_modules() {
        let modules = MovedModule::of(UNTRACED, TRACED);
        for (untraced, traced) in [
            (0xffff_ffff_8100_0000, 0xffff_ffff_8100_0000),
            (0xffff_ffff_c000_0010, 0xffff_ffff_c000_2010),
            (0xffff_ffff_c001_0000, 0xffff_ffff_c001_4000),
        ] {
            assert_eq!(moved(&modules, untraced), traced, "{untraced:#x}");
        }
    }

    #[test]
    fn only_functions_of_modules_move_in_kallsyms() {
        let modules = MovedModule::of(UNTRACED, TRACED);
        let mut kallsyms = *b"ffffffff81000000 T tcp_v4_rcv\nffffffffc0010010 t veth_xmit\t[veth]\nffffffffc0010010 d veth_ops\t[veth]\nshort]\n";
        move_symbols(&mut kallsyms, &modules);
        let moved = "ffffffff81000000 T tcp_v4_rcv\nffffffffc0014010 t veth_xmit\t[veth]\nffffffffc0010010 d veth_ops\t[veth]\nshort]\n";
        assert_eq!(String::from_utf8_lossy(&kallsyms), moved);
    }

    #[test]
    fn a_list_that_is_not_one_has_no_modules() {
        assert_eq!(MovedModule::of("tun 65536\n\nveth 1 2 - Live here\n", TRACED), []);
        assert_eq!(moved(&[], 1), 1);
    }
}
