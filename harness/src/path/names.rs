//! Canonical names: one name for what every compiler and kernel calls a little differently.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::trace::{FuncAddr, Symbols};

/// Where the raw name of a traced function comes from: the traced kernel's symbol table.
pub trait FunctionNames {
    /// The symbol at this address, with whatever suffix the compiler gave it.
    fn raw_name(&self, func: FuncAddr) -> Option<&str>;
}

impl FunctionNames for Symbols {
    fn raw_name(&self, func: FuncAddr) -> Option<&str> {
        self.name(func)
    }
}

impl FunctionNames for HashMap<FuncAddr, String> {
    fn raw_name(&self, func: FuncAddr) -> Option<&str> {
        self.get(&func).map(String::as_str)
    }
}

/// Suffixes that a compiler appends with a number: `.isra.0`, `.constprop.1`, `.part.2`.
const NUMBERED: [&str; 3] = ["isra", "constprop", "part"];

/// A symbol's name without what a compiler appended: `.isra.N`, `.constprop.N`, `.part.N`, `.cold`, `.cold.N` and
/// `.llvm.HASH`, repeatedly, in any order.
///
/// Only a suffix goes: a name that is nothing else stays as it is.
pub fn canonical(raw: &str) -> &str {
    let mut name = raw;
    while let Some(shorter) = without_one_suffix(name) {
        name = shorter;
    }
    name
}

fn without_one_suffix(name: &str) -> Option<&str> {
    let (head, last) = name.rsplit_once('.')?;
    if head.is_empty() {
        return None;
    }
    if last == "cold" || NUMBERED.contains(&last) {
        return Some(head);
    }
    if last.is_empty() || !last.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let (shorter, kind) = head.rsplit_once('.')?;
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    let fits = kind == "llvm" || is_number && (kind == "cold" || NUMBERED.contains(&kind));
    (fits && !shorter.is_empty()).then_some(shorter)
}

/// Canonical names by address, each made once and shared.
pub struct NameTable<'a> {
    symbols: &'a dyn FunctionNames,
    by_address: HashMap<FuncAddr, Arc<str>>,
    by_name: HashSet<Arc<str>>,
}

impl<'a> NameTable<'a> {
    /// An empty table over one kernel's symbols.
    pub fn new(symbols: &'a dyn FunctionNames) -> Self {
        Self { symbols, by_address: HashMap::new(), by_name: HashSet::new() }
    }

    /// The canonical name of the function at this address; its address in hexadecimal if no symbol is known.
    pub fn canonical(&mut self, func: FuncAddr) -> Arc<str> {
        if let Some(name) = self.by_address.get(&func) {
            return name.clone();
        }
        let name: Arc<str> = match self.symbols.raw_name(func) {
            Some(raw) => canonical(raw).into(),
            None => format!("0x{func:x}").into(),
        };
        let name = self.by_name.get(&name).cloned().unwrap_or(name);
        self.by_name.insert(name.clone());
        self.by_address.insert(func, name.clone());
        name
    }

    /// The raw names behind a canonical one, of the functions asked for so far; sorted, each once.
    pub fn raw_names(&self, canonical: &str) -> Vec<&'a str> {
        let functions = self.by_address.iter().filter(|(_, name)| &***name == canonical);
        let mut raw: Vec<&str> = functions.filter_map(|(func, _)| self.symbols.raw_name(*func)).collect();
        raw.sort_unstable();
        raw.dedup();
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiler_suffixes_go_however_many_there_are() {
        for (raw, name) in [
            ("tcp_v4_rcv", "tcp_v4_rcv"),
            ("ip_rcv_finish_core.constprop.0", "ip_rcv_finish_core"),
            ("ip_rcv_finish_core.isra.0", "ip_rcv_finish_core"),
            ("tcp_schedule_loss_probe.part.0", "tcp_schedule_loss_probe"),
            ("foo.isra.0.cold", "foo"),
            ("foo.constprop.12.isra.3.part.4", "foo"),
            ("foo.cold.7", "foo"),
            ("foo.llvm.1234567890abcdef", "foo"),
            ("foo.part.0.llvm.99", "foo"),
            ("foo.isra", "foo"),
        ] {
            assert_eq!(canonical(raw), name, "{raw}");
        }
    }

    #[test]
    fn what_is_no_suffix_stays() {
        for raw in ["", ".", ".cold", "a.b", "a.0", "foo.bar.0", ".isra.0", "foo.part.x", "init.rodata", "x.."] {
            assert_eq!(canonical(raw), raw);
        }
    }

    #[test]
    fn raw_names_stay_available() {
        let symbols = HashMap::from([(1, "f.isra.0".to_owned()), (2, "f.part.0".to_owned()), (3, "g".to_owned())]);
        let mut table = NameTable::new(&symbols);
        assert_eq!([1, 2, 3, 4].map(|func| table.canonical(func).to_string()), ["f", "f", "g", "0x4"]);
        assert_eq!(table.raw_names("f"), ["f.isra.0", "f.part.0"]);
        assert_eq!(table.raw_names("h"), Vec::<&str>::new());
    }
}
