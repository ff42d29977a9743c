//! The functions of one kernel: their addresses and names (`/proc/kallsyms`), and which of them function_graph can
//! trace (`available_filter_functions`).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::FuncAddr;

/// No kernel has functions of its own from here on: the lowest address of modules on x86-64 (`MODULES_VADDR` in
/// `asm/pgtable_64_types.h`).
const MODULES: FuncAddr = 0xffff_ffff_a000_0000;

/// Why a symbol table could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SymbolsError {
    #[error("line {line} of kallsyms: expected `ADDRESS TYPE NAME [MODULE]`, found `{found}`")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Shortened.
        found: String,
    },
    #[error("kallsyms hides all its addresses: read it as root, with kernel.kptr_restrict at 0 or 1")]
    Hidden,
    #[error("kallsyms names no function: is it the whole file?")]
    Empty,
    #[error("kallsyms is too large: {what} beyond {most}")]
    TooLarge { what: &'static str, most: usize },
    #[error("not a stored symbol table of this version, or a damaged one ({problem}); make it again from kallsyms")]
    Stored { problem: &'static str },
}

/// Whether a kernel has a function, and whether function_graph can trace it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Presence {
    /// No symbol of this name, with or without a compiler's suffix: the function is gone, or inlined everywhere.
    Absent,
    /// The function exists, but function_graph cannot trace it.
    NotTraceable,
    /// The function exists; `available_filter_functions` was not recorded, so it may or may not be traceable.
    Present,
    /// The function exists, and function_graph records its calls.
    Traceable,
}

/// The functions of one kernel, by address. By default none is known.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// Those of the kernel itself. The images of a kernel, of which there are dozens, share one table of a few megabytes.
    kernel: Arc<Table>,
    /// Those of modules, at higher addresses.
    modules: Arc<Table>,
    traceable_known: bool,
}

/// Functions in a range of addresses.
#[derive(Debug, Default)]
struct Table {
    /// Ascending by address. Of several at one address, the first one names it.
    functions: Vec<Function>,
    /// All names, concatenated.
    names: String,
    /// Indices into `functions`, sorted by the hash of the name without suffixes. Made on first use.
    by_name: OnceLock<Vec<u32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Function {
    address: u64,
    name_from: u32,
    name_length: u16,
    traceable: bool,
}

/// A function, from both files.
struct Line<'a> {
    address: u64,
    name: &'a str,
    traceable: bool,
}

impl Symbols {
    /// Parses the two files. `traceable` may be empty if it was not recorded.
    ///
    /// Only functions are kept (types t and w, either case), without the `__pfx_` symbols that name the padding before
    /// each function.
    pub fn parse(kallsyms: &str, traceable: &str) -> Result<Self, SymbolsError> {
        let set = parse_traceable(traceable);
        let mut lines = Vec::new();
        let mut hidden = false;
        for (index, text) in kallsyms.lines().enumerate() {
            let bad = || SymbolsError::Line { line: index + 1, found: text.chars().take(80).collect() };
            let (address, kind, rest) = split_line(text).ok_or_else(bad)?;
            if !matches!(kind, "t" | "T" | "w" | "W") || rest.starts_with("__pfx_") {
                continue;
            }
            let (name, module) = split_module(rest).ok_or_else(bad)?;
            hidden |= address == 0;
            if address != 0 {
                let traceable = set.contains(&(name, module));
                lines.push(Line { address, name, traceable });
            }
        }
        match (lines.is_empty(), hidden) {
            (true, true) => Err(SymbolsError::Hidden),
            (true, false) => Err(SymbolsError::Empty),
            (false, _) => Self::from_lines(lines, !traceable.is_empty()),
        }
    }

    fn from_lines(mut lines: Vec<Line<'_>>, traceable_known: bool) -> Result<Self, SymbolsError> {
        lines.sort_by_key(|line| (line.address, !line.traceable, bounds_section(line.name), line.name));
        Self::of(&lines, traceable_known)
    }

    /// The table of functions that are in order.
    fn of(lines: &[Line<'_>], traceable_known: bool) -> Result<Self, SymbolsError> {
        let (kernel, modules) = lines.split_at(lines.partition_point(|line| line.address < MODULES));
        Ok(Self { kernel: shared(Table::of(kernel)?), modules: shared(Table::of(modules)?), traceable_known })
    }

    /// The raw name of the function that contains this address.
    ///
    /// The addresses that function_graph records are a few bytes into a function that starts with a landing
    /// instruction. If a function has several names, a traceable one comes first, then one that does not mark a
    /// section's bounds, then the first in alphabetical order.
    pub fn name(&self, address: FuncAddr) -> Option<&str> {
        self.table(address).name_at(address)
    }

    /// The start of the function that contains this address.
    pub fn start(&self, address: FuncAddr) -> Option<FuncAddr> {
        self.table(address).containing(address).map(|function| function.address)
    }

    /// Whether this kernel has a function of this name, with or without a compiler's suffix (such as `.isra.0`).
    pub fn presence(&self, name: &str) -> Presence {
        let mut found = Presence::Absent;
        for function in self.tables().flat_map(|table| table.with_name(name)) {
            found = found.max(match (self.traceable_known, function.traceable) {
                (false, _) => Presence::Present,
                (true, false) => Presence::NotTraceable,
                (true, true) => Presence::Traceable,
            });
        }
        found
    }

    pub fn traceable(&self) -> impl Iterator<Item = &str> {
        self.each().filter(|(_, function)| function.traceable).map(|(table, function)| table.name_of(function))
    }

    /// The address and raw name of every function, by address. Several may have one address.
    pub fn functions(&self) -> impl Iterator<Item = (FuncAddr, &str)> {
        self.each().map(|(table, function)| (function.address, table.name_of(function)))
    }

    /// Builds the index of names now rather than at the first lookup by name.
    pub fn index(&self) {
        self.tables().for_each(|table| _ = table.by_name());
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        [&*self.kernel, &*self.modules].into_iter()
    }

    fn each(&self) -> impl Iterator<Item = (&Table, &Function)> {
        self.tables().flat_map(|table| table.functions.iter().map(move |function| (table, function)))
    }

    /// The table that an address belongs to: behind its last function, the kernel goes on to the first module.
    fn table(&self, address: FuncAddr) -> &Table {
        let is_module = self.modules.functions.first().is_some_and(|first| first.address <= address);
        if is_module { &self.modules } else { &self.kernel }
    }
}

/// The same table, if it is in use already.
fn shared(table: Table) -> Arc<Table> {
    static IN_USE: Mutex<Vec<Weak<Table>>> = Mutex::new(Vec::new());
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    in_use.retain(|known| known.strong_count() > 0);
    let same = |known: &Arc<Table>| known.functions == table.functions && known.names == table.names;
    in_use.iter().filter_map(Weak::upgrade).find(same).unwrap_or_else(|| {
        let table = Arc::new(table);
        in_use.push(Arc::downgrade(&table));
        table
    })
}

impl Table {
    fn of(lines: &[Line<'_>]) -> Result<Self, SymbolsError> {
        let large = |what, most| SymbolsError::TooLarge { what, most };
        let mut functions = Vec::with_capacity(lines.len());
        let mut names = String::with_capacity(lines.iter().map(|line| line.name.len()).sum());
        for line in lines {
            functions.push(Function {
                address: line.address,
                name_from: u32::try_from(names.len()).map_err(|_| large("bytes of names", u32::MAX as usize))?,
                name_length: u16::try_from(line.name.len()).map_err(|_| large("bytes in a name", u16::MAX.into()))?,
                traceable: line.traceable,
            });
            names.push_str(line.name);
        }
        Ok(Self { functions, names, by_name: OnceLock::new() })
    }

    fn name_at(&self, address: FuncAddr) -> Option<&str> {
        self.containing(address).map(|function| self.name_of(function))
    }

    fn containing(&self, address: FuncAddr) -> Option<&Function> {
        let after = self.functions.partition_point(|function| function.address <= address);
        let start = self.functions.get(after.checked_sub(1)?)?.address;
        let first = self.functions[..after].partition_point(|function| function.address < start);
        self.functions.get(first)
    }

    fn name_of(&self, function: &Function) -> &str {
        let from = function.name_from as usize;
        &self.names[from..from + usize::from(function.name_length)]
    }

    /// The functions of this name, with or without a compiler's suffix.
    fn with_name<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Function> {
        let order = self.by_name();
        let function = |index: &u32| &self.functions[*index as usize];
        let (wanted, hash) = (hash(name), move |index: &u32| hash(self.name_of(function(index))));
        let from = order.partition_point(|index| hash(index) < wanted);
        let same_hash = order[from..].iter().take_while(move |index| hash(index) == wanted);
        same_hash.map(function).filter(move |function| is_variant(self.name_of(function), name))
    }

    fn by_name(&self) -> &[u32] {
        self.by_name.get_or_init(|| {
            let mut order: Vec<u32> = (0..self.functions.len() as u32).collect();
            order.sort_by_cached_key(|index| hash(self.name_of(&self.functions[*index as usize])));
            order
        })
    }
}

/// The hash of a name without the compiler's suffixes.
fn hash(name: &str) -> u64 {
    xxh3_64(name.split('.').next().unwrap_or(name).as_bytes())
}

/// Whether this symbol marks a section's start or end: `__cpuidle_text_start` has the address of the first function in
/// its section.
fn bounds_section(name: &str) -> bool {
    name.ends_with("_start") || name.ends_with("_end")
}

/// Splits `ADDRESS TYPE NAME…`.
fn split_line(text: &str) -> Option<(u64, &str, &str)> {
    let (address, rest) = text.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    Some((u64::from_str_radix(address, 16).ok()?, kind, rest))
}

/// Splits `NAME [MODULE]`, separated by a space or tab. The module is empty if there is none.
fn split_module(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii();
    let Some(end) = text.bytes().position(|byte| byte == b'\t' || byte == b' ') else {
        return (!text.is_empty()).then_some((text, ""));
    };
    let (name, module) = text.split_at(end);
    Some((name, module.trim_ascii_start().strip_prefix('[')?.strip_suffix(']')?))
}

/// Parses `available_filter_functions`: each line is `NAME` or `NAME [MODULE]`. Weak functions that were overridden
/// have made-up names there (`__ftrace_invalid_address___123`), which no symbol has.
fn parse_traceable(text: &str) -> HashSet<(&str, &str)> {
    text.lines().filter_map(split_module).collect()
}

/// Whether `raw` is `name`, or `name` followed only by compiler suffixes.
fn is_variant(raw: &str, name: &str) -> bool {
    let Some(rest) = raw.strip_prefix(name) else { return false };
    if rest.is_empty() {
        return true;
    }
    let Some(rest) = rest.strip_prefix('.') else { return false };
    let mut after_suffix = false;
    rest.split('.').all(|part| {
        let is_suffix = matches!(part, "isra" | "constprop" | "part" | "cold" | "llvm");
        let is_value = after_suffix && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        after_suffix = is_suffix;
        is_suffix || is_value
    })
}

/// The first bytes of a stored table; the last of them is its version.
const STORED_MAGIC: [u8; 8] = *b"rxsyms\0\x02";
/// Bytes of a stored function: address (8), length of its name (2), traceable (1).
const STORED_FUNCTION: usize = 11;

impl Symbols {
    /// Returns the table in a compact form that loads in a millisecond or two: magic (8), whether traceability is known
    /// (1), numbers of functions (4) and of name bytes (4); functions by address; names in the order of the functions.
    /// Little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sum = |of: fn(&Table) -> usize| self.tables().map(of).sum::<usize>();
        let (functions, names) = (sum(|table| table.functions.len()), sum(|table| table.names.len()));
        let mut bytes = Vec::with_capacity(32 + functions * STORED_FUNCTION + names);
        bytes.extend(STORED_MAGIC);
        bytes.push(self.traceable_known.into());
        bytes.extend((functions as u32).to_le_bytes());
        bytes.extend((names as u32).to_le_bytes());
        for (_, function) in self.each() {
            bytes.extend(function.address.to_le_bytes());
            bytes.extend(function.name_length.to_le_bytes());
            bytes.push(function.traceable.into());
        }
        self.tables().for_each(|table| bytes.extend(table.names.as_bytes()));
        bytes
    }

    /// Reads and validates what [`Symbols::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SymbolsError> {
        let stored = |problem| SymbolsError::Stored { problem };
        let mut rest = bytes.strip_prefix(&STORED_MAGIC).ok_or(stored("its first bytes differ"))?;
        let short = || stored("it is cut short");
        let [known] = take(&mut rest).ok_or_else(short)?;
        let function_count = u32::from_le_bytes(take(&mut rest).ok_or_else(short)?) as usize;
        let name_bytes = u32::from_le_bytes(take(&mut rest).ok_or_else(short)?) as usize;
        let table = function_count.checked_mul(STORED_FUNCTION).ok_or_else(short)?;
        let (table, names) = rest.split_at_checked(table).ok_or_else(short)?;
        if names.len() != name_bytes {
            return Err(stored("its names do not have the length it declares"));
        }
        let names = std::str::from_utf8(names).map_err(|_| stored("a name is not UTF-8"))?;
        let mut lines = Vec::with_capacity(function_count);
        let (mut from, mut before) = (0_usize, 0_u64);
        for mut row in table.chunks_exact(STORED_FUNCTION) {
            let address = u64::from_le_bytes(take(&mut row).ok_or_else(short)?);
            let name_length = u16::from_le_bytes(take(&mut row).ok_or_else(short)?);
            let [traceable] = take(&mut row).ok_or_else(short)?;
            let to = from + usize::from(name_length);
            let name = names.get(from..to).filter(|_| before <= address);
            let name = name.ok_or(stored("a function's address or name is out of order"))?;
            lines.push(Line { address, name, traceable: traceable != 0 });
            (from, before) = (to, address);
        }
        if from != names.len() {
            return Err(stored("some of its names belong to no function"));
        }
        Self::of(&lines, known != 0)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KALLSYMS: &str = "0000000000000000 A fixed_percpu_data\n\
        ffffffff81000000 T _stext\n\
        ffffffff81000000 T startup\n\
        ffffffff810000f0 t __pfx_tcp_recvmsg\n\
        ffffffff81000100 T tcp_recvmsg\n\
        ffffffff81000200 t foo.isra.0\n\
        ffffffff81000280 t foo.constprop.0.cold\n\
        ffffffff81000300 t football\n\
        ffffffff82000000 D some_data\n\
        ffffffffc0000010 t veth_xmit\t[veth]\n\
        ffffffffc0000110 t tcp_recvmsg\t[veth]\n";
    const TRACEABLE: &str = "startup\ntcp_recvmsg\n__ftrace_invalid_address___16\nveth_xmit [veth]\n";

    fn symbols() -> Symbols {
        Symbols::parse(KALLSYMS, TRACEABLE).unwrap()
    }

    #[test]
    fn an_address_a_few_bytes_into_a_function_has_that_functions_name() {
        assert_eq!(symbols().name(0xffff_ffff_8100_0104), Some("tcp_recvmsg"));
        assert_eq!(symbols().start(0xffff_ffff_8100_0104), Some(0xffff_ffff_8100_0100));
        assert_eq!(symbols().name(0xffff_ffff_8000_0000), None);
    }

    #[test]
    fn of_two_names_for_one_function_the_traceable_one_stands_for_it() {
        assert_eq!(symbols().name(0xffff_ffff_8100_0000), Some("startup"));
        let bounds = Symbols::parse("81000000 T __cpuidle_text_start\n81000000 t default_idle\n", "").unwrap();
        assert_eq!(bounds.name(0x8100_0000), Some("default_idle"));
    }

    #[test]
    fn a_name_is_found_with_a_compilers_suffix_and_not_as_part_of_another() {
        let symbols = symbols();
        assert_eq!(symbols.presence("foo"), Presence::NotTraceable);
        assert_eq!(symbols.presence("tcp_recvmsg"), Presence::Traceable);
        assert_eq!(symbols.presence("foot"), Presence::Absent);
        assert_eq!(symbols.presence("some_data"), Presence::Absent);
    }

    #[test]
    fn without_the_list_of_traceable_functions_nothing_is_called_untraceable() {
        let symbols = Symbols::parse(KALLSYMS, "").unwrap();
        assert_eq!(symbols.presence("foo"), Presence::Present);
    }

    #[test]
    fn hidden_addresses_and_an_empty_file_are_different_errors() {
        let hidden = Symbols::parse("0000000000000000 T a\n0000000000000000 t b\n", "").unwrap_err();
        assert_eq!(hidden, SymbolsError::Hidden);
        assert_eq!(Symbols::parse("", "").unwrap_err(), SymbolsError::Empty);
        assert!(matches!(Symbols::parse("x\n", ""), Err(SymbolsError::Line { line: 1, .. })));
    }

    #[test]
    fn images_share_the_functions_of_their_kernel_and_not_those_of_their_modules() {
        let one = symbols();
        let moved = Symbols::parse(&KALLSYMS.replace("ffffffffc00000", "ffffffffc00040"), TRACEABLE).unwrap();
        assert!(Arc::ptr_eq(&one.kernel, &moved.kernel) && Arc::ptr_eq(&one.modules, &symbols().modules));
        assert_eq!(
            (one.name(0xffff_ffff_c000_0012), moved.name(0xffff_ffff_c000_0012)),
            (Some("veth_xmit"), Some("football"))
        );
        assert_eq!(moved.name(0xffff_ffff_c000_4012), Some("veth_xmit"));
        assert_eq!(moved.presence("veth_xmit"), Presence::Traceable);
    }

    #[test]
    fn a_stored_table_answers_as_before() {
        let again = Symbols::from_bytes(&symbols().to_bytes()).unwrap();
        assert!(again.functions().eq(symbols().functions()));
        assert_eq!(again.presence("foo"), Presence::NotTraceable);
        assert_eq!(again.name(0xffff_ffff_c000_0011), Some("veth_xmit"));
    }

    #[test]
    fn a_stored_table_that_is_cut_short_is_refused() {
        let bytes = symbols().to_bytes();
        for cut in 0..bytes.len() {
            assert!(Symbols::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_stored_table_is_refused_or_stays_in_order() {
        let bytes = symbols().to_bytes();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x80;
            if let Ok(symbols) = Symbols::from_bytes(&damaged) {
                assert!(symbols.functions().is_sorted_by_key(|(address, _)| address), "byte {at}");
            }
        }
    }
}
