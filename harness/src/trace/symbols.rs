//! The functions of one kernel: their addresses and names (`/proc/kallsyms`), and which of them function_graph can trace
//! (`available_filter_functions`).

use super::FuncAddr;
use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::OnceLock,
};
use thiserror::Error;

/// Why a symbol table could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SymbolsError {
    /// A line of `/proc/kallsyms` is not of its form.
    #[error("line {line} of kallsyms: expected `ADDRESS TYPE NAME [MODULE]`, found `{found}`")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What was there, shortened.
        found: String,
    },
    /// Every address is zero.
    #[error("kallsyms hides all its addresses: read it as root, with kernel.kptr_restrict at 0 or 1")]
    Hidden,
    /// No function at all.
    #[error("kallsyms names no function: is it the whole file?")]
    Empty,
    /// More than the compact form can hold.
    #[error("kallsyms is too large: {what} beyond {most}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The most there can be.
        most: usize,
    },
    /// Bytes that [`Symbols::to_bytes`] did not write.
    #[error("not a stored symbol table of this version, or a damaged one: {why}; make it again from kallsyms")]
    Stored {
        /// What is wrong.
        why: &'static str,
    },
}

/// What a kernel has under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Presence {
    /// No such function, under this name or with a compiler's suffix: gone, or inlined everywhere.
    Absent,
    /// There, but function_graph cannot see it.
    NotTraceable,
    /// There; whether it can be traced is not known, because `available_filter_functions` was not recorded.
    Present,
    /// There, and function_graph records it when it is called.
    Traceable,
}

/// The functions of one kernel, by address.
#[derive(Clone, Debug)]
pub struct Symbols {
    /// Ascending. Of several at one address the first is the one that stands for it.
    functions: Vec<Function>,
    /// All names, one after another.
    names: String,
    /// Module names; a function's `module` counts from 1 in here, 0 is the kernel itself.
    modules: Vec<String>,
    traceable_known: bool,
    /// Functions by name, made when first asked for.
    by_name: OnceLock<Vec<u32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Function {
    address: u64,
    name_from: u32,
    name_length: u16,
    module: u16,
    traceable: bool,
}

/// A function as the two files give it.
struct Line<'a> {
    address: u64,
    name: &'a str,
    module: &'a str,
    traceable: bool,
}

impl Symbols {
    /// Reads the two files. `traceable` may be empty if it was not recorded.
    ///
    /// Kept are functions only (types t and w, either case), without the `__pfx_` symbols that name the padding before
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
                lines.push(Line { address, name, module, traceable });
            }
        }
        match (lines.is_empty(), hidden) {
            (true, true) => Err(SymbolsError::Hidden),
            (true, false) => Err(SymbolsError::Empty),
            (false, _) => Self::from_lines(lines, !traceable.is_empty()),
        }
    }

    fn from_lines(mut lines: Vec<Line<'_>>, traceable_known: bool) -> Result<Self, SymbolsError> {
        let rank = |line: &Line<'_>| (line.address, !line.traceable, bounds_section(line.name));
        lines.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| (a.name, a.module).cmp(&(b.name, b.module))));
        let mut functions = Vec::with_capacity(lines.len());
        let mut names = String::with_capacity(lines.iter().map(|line| line.name.len()).sum());
        let mut modules: Vec<String> = Vec::new();
        let mut numbers: HashMap<&str, u16> = HashMap::new();
        for line in &lines {
            let large = |what, most| SymbolsError::TooLarge { what, most };
            let module = match numbers.get(line.module) {
                _ if line.module.is_empty() => 0,
                Some(number) => *number,
                None => {
                    modules.push(line.module.to_owned());
                    let number = u16::try_from(modules.len()).map_err(|_| large("modules", u16::MAX.into()))?;
                    numbers.insert(line.module, number);
                    number
                }
            };
            functions.push(Function {
                address: line.address,
                name_from: u32::try_from(names.len()).map_err(|_| large("bytes of names", u32::MAX as usize))?,
                name_length: u16::try_from(line.name.len()).map_err(|_| large("bytes in a name", u16::MAX.into()))?,
                module,
                traceable: line.traceable,
            });
            names.push_str(line.name);
        }
        Ok(Self { functions, names, modules, traceable_known, by_name: OnceLock::new() })
    }

    /// How many functions are known.
    pub fn len(&self) -> usize {
        self.functions.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// The raw name of the function that this address lies in.
    ///
    /// The addresses that function_graph records lie a few bytes into a function that begins with a landing instruction.
    /// Of several names for one function it is a traceable one, then one that does not mark a section's bounds, then
    /// the first by spelling.
    pub fn name(&self, address: FuncAddr) -> Option<&str> {
        self.containing(address).map(|function| self.name_of(function))
    }

    /// Where the function that this address lies in begins.
    pub fn start(&self, address: FuncAddr) -> Option<FuncAddr> {
        self.containing(address).map(|function| function.address)
    }

    /// The module that the function at this address belongs to; `None` for the kernel itself.
    pub fn module(&self, address: FuncAddr) -> Option<&str> {
        let module = usize::from(self.containing(address)?.module).checked_sub(1)?;
        self.modules.get(module).map(String::as_str)
    }

    /// What this kernel has under this name, with or without a compiler's suffix (`.isra.0` and its like).
    pub fn presence(&self, name: &str) -> Presence {
        let mut found = Presence::Absent;
        for function in self.with_name(name) {
            found = found.max(match (self.traceable_known, function.traceable) {
                (false, _) => Presence::Present,
                (true, false) => Presence::NotTraceable,
                (true, true) => Presence::Traceable,
            });
        }
        found
    }

    /// The raw names under which this kernel has the function: its own, and those with a compiler's suffix. Sorted.
    pub fn variants<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let mut last = None;
        self.with_name(name).map(|function| self.name_of(function)).filter(move |raw| last.replace(*raw) != Some(*raw))
    }

    /// The raw names of all functions that can be traced.
    pub fn traceable(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().filter(|function| function.traceable).map(|function| self.name_of(function))
    }

    /// The same table with only the functions that `keep` accepts, by name and address.
    ///
    /// Addresses in a function that was left out then seem to lie in the one before it.
    pub fn only(&self, mut keep: impl FnMut(&str, FuncAddr) -> bool) -> Self {
        let mut kept = Self {
            functions: Vec::new(),
            names: String::new(),
            modules: self.modules.clone(),
            traceable_known: self.traceable_known,
            by_name: OnceLock::new(),
        };
        for function in &self.functions {
            let name = self.name_of(function);
            if keep(name, function.address) {
                kept.functions.push(Function { name_from: kept.names.len() as u32, ..*function });
                kept.names.push_str(name);
            }
        }
        kept
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

    fn with_name<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Function> {
        self.by_name()[self.range_of_prefix(name)]
            .iter()
            .map(|index| &self.functions[*index as usize])
            .filter(move |function| is_variant(self.name_of(function), name))
    }

    /// Sorts the functions by name now rather than at the first question by name.
    pub fn index(&self) {
        self.by_name();
    }

    fn by_name(&self) -> &[u32] {
        self.by_name.get_or_init(|| {
            let mut order: Vec<u32> = (0..self.functions.len() as u32).collect();
            order.sort_by_key(|index| (self.name_of(&self.functions[*index as usize]), *index));
            order
        })
    }

    /// Where, among the functions by name, those are whose names begin with this.
    fn range_of_prefix(&self, prefix: &str) -> Range<usize> {
        let order = self.by_name();
        let name = |index: &u32| self.name_of(&self.functions[*index as usize]);
        let from = order.partition_point(|index| name(index) < prefix);
        let length = order[from..].partition_point(|index| name(index).starts_with(prefix));
        from..from + length
    }
}

/// Whether this names where a section of the kernel begins or ends, as `__cpuidle_text_start` does, which has the address
/// of the first function in it.
fn bounds_section(name: &str) -> bool {
    name.ends_with("_start") || name.ends_with("_end")
}

/// Splits `ADDRESS TYPE NAME…`.
fn split_line(text: &str) -> Option<(u64, &str, &str)> {
    let (address, rest) = text.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    Some((u64::from_str_radix(address, 16).ok()?, kind, rest))
}

/// Splits `NAME [MODULE]` (or with a tab), giving an empty module if there is none.
fn split_module(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii();
    let Some(end) = text.bytes().position(|byte| byte == b'\t' || byte == b' ') else {
        return (!text.is_empty()).then_some((text, ""));
    };
    let (name, module) = text.split_at(end);
    Some((name, module.trim_ascii_start().strip_prefix('[')?.strip_suffix(']')?))
}

/// `available_filter_functions`: `NAME` or `NAME [MODULE]` a line. Weak functions that were overridden stand there under
/// a made-up name (`__ftrace_invalid_address___123`), which no symbol has.
fn parse_traceable(text: &str) -> HashSet<(&str, &str)> {
    text.lines().filter_map(split_module).collect()
}

/// Whether `raw` is `name`, or `name` with nothing but compilers' suffixes after it.
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

/// First bytes of a stored table; the last one counts its versions.
const STORED_MAGIC: [u8; 8] = *b"rxsyms\0\x01";
/// Bytes of a stored function: address (8), name's length (2), module (2), traceable (1).
const STORED_FUNCTION: usize = 13;

impl Symbols {
    /// The table in a compact form that loads in a millisecond or two: magic (8), whether traceability is known (1), counts of
    /// modules (2), functions (4) and name bytes (4); module names, each with its length (1) before it; functions
    /// by address; names in the functions' order. All little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + self.functions.len() * STORED_FUNCTION + self.names.len());
        bytes.extend(STORED_MAGIC);
        bytes.push(self.traceable_known.into());
        bytes.extend((self.modules.len() as u16).to_le_bytes());
        bytes.extend((self.functions.len() as u32).to_le_bytes());
        bytes.extend((self.names.len() as u32).to_le_bytes());
        for module in &self.modules {
            // MODULE_NAME_LEN (include/linux/module.h) is 64 less a word.
            let name = &module.as_bytes()[..module.len().min(255)];
            bytes.push(name.len() as u8);
            bytes.extend(name);
        }
        for function in &self.functions {
            bytes.extend(function.address.to_le_bytes());
            bytes.extend(function.name_length.to_le_bytes());
            bytes.extend(function.module.to_le_bytes());
            bytes.push(function.traceable.into());
        }
        bytes.extend(self.names.as_bytes());
        bytes
    }

    /// Reads what [`Symbols::to_bytes`] wrote, and checks all of it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SymbolsError> {
        let stored = |why| SymbolsError::Stored { why };
        let mut rest = bytes.strip_prefix(&STORED_MAGIC).ok_or(stored("its first bytes are others"))?;
        let short = || stored("it is cut short");
        let [known] = take(&mut rest).ok_or_else(short)?;
        let module_count = u16::from_le_bytes(take(&mut rest).ok_or_else(short)?);
        let function_count = u32::from_le_bytes(take(&mut rest).ok_or_else(short)?) as usize;
        let name_bytes = u32::from_le_bytes(take(&mut rest).ok_or_else(short)?) as usize;
        let mut modules = Vec::new();
        for _ in 0..module_count {
            let [length] = take(&mut rest).ok_or_else(short)?;
            let (name, after) = rest.split_at_checked(length.into()).ok_or_else(short)?;
            modules.push(String::from_utf8(name.to_vec()).map_err(|_| stored("a module's name is not UTF-8"))?);
            rest = after;
        }
        let table = function_count.checked_mul(STORED_FUNCTION).ok_or_else(short)?;
        let (table, names) = rest.split_at_checked(table).ok_or_else(short)?;
        if names.len() != name_bytes {
            return Err(stored("its names have another length than it says"));
        }
        let names = String::from_utf8(names.to_vec()).map_err(|_| stored("a name is not UTF-8"))?;
        let mut functions = Vec::with_capacity(function_count);
        let (mut from, mut before) = (0_usize, 0_u64);
        for mut row in table.chunks_exact(STORED_FUNCTION) {
            let address = u64::from_le_bytes(take(&mut row).ok_or_else(short)?);
            let name_length = u16::from_le_bytes(take(&mut row).ok_or_else(short)?);
            let module = u16::from_le_bytes(take(&mut row).ok_or_else(short)?);
            let [traceable] = take(&mut row).ok_or_else(short)?;
            let to = from + usize::from(name_length);
            if address < before || module > module_count || names.get(from..to).is_none() {
                return Err(stored("a function's address, module or name is out of order"));
            }
            functions.push(Function {
                address,
                name_from: from as u32,
                name_length,
                module,
                traceable: traceable != 0,
            });
            (from, before) = (to, address);
        }
        if from != names.len() {
            return Err(stored("some of its names belong to no function"));
        }
        Ok(Self { functions, names, modules, traceable_known: known != 0, by_name: OnceLock::new() })
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
    fn a_function_of_a_module_keeps_its_module() {
        assert_eq!(symbols().module(0xffff_ffff_c000_0014), Some("veth"));
        assert_eq!(symbols().module(0xffff_ffff_8100_0104), None);
    }

    #[test]
    fn a_name_is_found_with_a_compilers_suffix_and_not_as_part_of_another() {
        let symbols = symbols();
        assert_eq!(symbols.variants("foo").collect::<Vec<_>>(), ["foo.constprop.0.cold", "foo.isra.0"]);
        assert_eq!(symbols.variants("tcp_recvmsg").collect::<Vec<_>>(), ["tcp_recvmsg"]);
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
    fn hidden_addresses_are_told_apart_from_an_empty_file() {
        let hidden = Symbols::parse("0000000000000000 T a\n0000000000000000 t b\n", "").unwrap_err();
        assert_eq!(hidden, SymbolsError::Hidden);
        assert_eq!(Symbols::parse("", "").unwrap_err(), SymbolsError::Empty);
        assert!(matches!(Symbols::parse("x\n", ""), Err(SymbolsError::Line { line: 1, .. })));
    }

    #[test]
    fn a_stored_table_answers_as_before_is_refused_when_cut_short_and_never_panics_when_damaged() {
        let symbols = symbols();
        let bytes = symbols.to_bytes();
        let again = Symbols::from_bytes(&bytes).unwrap();
        assert_eq!(again.functions, symbols.functions);
        assert_eq!(
            (again.presence("foo"), again.name(0xffff_ffff_c000_0011)),
            (Presence::NotTraceable, Some("veth_xmit"))
        );
        for cut in 0..bytes.len() {
            assert!(Symbols::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x80;
            if let Ok(symbols) = Symbols::from_bytes(&damaged) {
                symbols.name(u64::MAX);
                symbols.presence("foo");
            }
        }
    }

    #[test]
    fn a_restricted_table_keeps_names_and_traceability() {
        let few = symbols().only(|name, _| name.starts_with("foo") || name == "startup");
        assert_eq!(few.len(), 4);
        assert_eq!((few.presence("startup"), few.presence("tcp_recvmsg")), (Presence::Traceable, Presence::Absent));
        assert_eq!(few.name(0xffff_ffff_8100_0201), Some("foo.isra.0"));
    }
}
