//! Canonical names: a function's name without the suffixes that compilers append.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::trace::{FuncAddr, Symbols};

/// Looks up raw names: the traced kernel's symbol table.
pub trait FunctionNames {
    /// The symbol at this address, including compiler suffixes.
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

/// Compiler suffixes that a number follows: `.isra.0`, `.constprop.1`, `.part.2`.
const NUMBERED: [&str; 3] = ["isra", "constprop", "part"];

/// Removes compiler suffixes from a symbol's name: `.isra.N`, `.constprop.N`, `.part.N`, `.cold`, `.cold.N` and
/// `.llvm.HASH`, any number of them, in any order.
///
/// A name that is only a suffix stays as it is.
pub(crate) fn canonical(raw: &str) -> &str {
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

/// Canonical names by address. Equal names share one allocation.
pub struct NameTable<'a> {
    symbols: &'a dyn FunctionNames,
    by_address: HashMap<FuncAddr, Arc<str>>,
    by_name: HashSet<Arc<str>>,
}

impl<'a> NameTable<'a> {
    pub fn new(symbols: &'a dyn FunctionNames) -> Self {
        Self { symbols, by_address: HashMap::new(), by_name: HashSet::new() }
    }

    /// The canonical name of the function at this address, or the address in hexadecimal if it has no symbol.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_compiler_suffixes_is_removed() {
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
    fn a_dot_that_does_not_begin_a_compiler_suffix_stays() {
        for raw in ["", ".", ".cold", "a.b", "a.0", "foo.bar.0", ".isra.0", "foo.part.x", "init.rodata", "x.."] {
            assert_eq!(canonical(raw), raw);
        }
    }

    #[test]
    fn an_address_without_a_symbol_is_its_own_name() {
        let symbols = HashMap::from([(1, "f.isra.0".to_owned()), (2, "f.part.0".to_owned()), (3, "g".to_owned())]);
        let mut table = NameTable::new(&symbols);
        assert_eq!([1, 2, 3, 4].map(|func| table.canonical(func).to_string()), ["f", "f", "g", "0x4"]);
    }
}
