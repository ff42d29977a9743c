//! The direct calls in a kernel's instructions: what a function calls, and what the compiler inlined into it.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, OpKind};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, SectionKind};
use serde::{Deserialize, Serialize};

/// What a compiler calls instead of a function pointer (arch/x86/lib/retpoline.S).
const THUNK: &str = "__x86_indirect_thunk";

/// What compilers and the build put into any function. It does not show where a function was inlined.
const PLUMBING: [&str; 4] = ["__fentry__", "__x86_return_thunk", "__stack_chk_fail", "__sanitizer_cov_trace_pc"];

/// The direct calls of every function of a kernel, by canonical name: the parts that a compiler split off a function
/// (`f.cold`) belong to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallGraph {
    numbers: BTreeMap<String, u32>,
    bodies: Vec<Body>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    /// Numbers of the functions called, tail calls included. Sorted, each once.
    calls: Vec<u32>,
    through_pointer: bool,
    /// Whether its instructions were read: those of modules are not in the kernel's image.
    is_known: bool,
}

/// How the instructions of one function contain another function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Containment {
    /// By a call.
    Called,
    /// Without a call, but with everything that the function itself calls: the compiler inlined it.
    Inlined,
    /// By neither. It can still be called through a pointer.
    Absent,
    /// The instructions of one of the two are not known, or the function calls nothing that could show it.
    Unknown,
}

impl CallGraph {
    /// Reads a linked kernel.
    ///
    /// `functions` are all its function symbols, ascending by address, as it was linked (boot with `nokaslr`).
    /// Several symbols may share an address.
    /// Fails when `elf` is not a 64-bit ELF file, or a damaged one.
    pub fn of_kernel<'a>(
        elf: &[u8],
        functions: impl IntoIterator<Item = (u64, &'a str)>,
        canonical: impl for<'n> Fn(&'n str) -> &'n str,
    ) -> Result<Self, object::Error> {
        let file = ElfFile64::<LittleEndian>::parse(elf)?;
        let mut graph = Self::default();
        let mut starts: Vec<(u64, u32)> = Vec::new();
        let mut thunks = HashSet::new();
        for (address, name) in functions {
            if name.starts_with(THUNK) {
                thunks.insert(address);
            }
            let number = graph.number(canonical(name));
            if starts.last().is_none_or(|last| last.0 != address) {
                starts.push((address, number));
            }
        }
        for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
            graph.read_section(section.address(), section.data()?, &starts, &thunks);
        }
        for (number, body) in graph.bodies.iter_mut().enumerate() {
            body.calls.retain(|call| *call as usize != number);
            body.calls.sort_unstable();
            body.calls.dedup();
        }
        Ok(graph)
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.bodies.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        self.bodies.push(Body::default());
        number
    }

    fn read_section(&mut self, start: u64, code: &[u8], starts: &[(u64, u32)], thunks: &HashSet<u64>) {
        let end = start.saturating_add(code.len() as u64);
        for at in index_range(starts, start..end) {
            let (address, function) = starts[at];
            let next = starts.get(at + 1).map_or(end, |next| next.0.min(end));
            let body = &mut self.bodies[function as usize];
            body.is_known = true;
            each_transfer(&code[(address - start) as usize..(next - start) as usize], address, |target| match target {
                Some(target) if !thunks.contains(&target) => {
                    let found = starts.binary_search_by_key(&target, |start| start.0);
                    body.calls.extend(found.ok().map(|at| starts[at].1));
                }
                _ => body.through_pointer = true,
            });
        }
    }

    fn body(&self, name: &str) -> Option<(u32, &Body)> {
        let number = *self.numbers.get(name)?;
        Some((number, &self.bodies[number as usize]))
    }

    /// The functions that `function` calls directly, without what the build adds to any function; `None` where its
    /// instructions are not known.
    pub fn calls_of(&self, function: &str) -> Option<Vec<&str>> {
        let (_, body) = self.body(function)?;
        let names = self.numbers.iter().filter(|(_, number)| body.calls.binary_search(number).is_ok());
        Some(names.map(|(name, _)| name.as_str()).filter(|name| !PLUMBING.contains(name)).collect())
    }

    /// How the instructions of `caller` contain `function`.
    ///
    /// If this kernel has no such function, its calls are looked up in `elsewhere`, the graph of a different kernel: code
    /// into which the function was inlined makes the same calls.
    pub fn containment(&self, caller: &str, function: &str, elsewhere: Option<&Self>) -> Containment {
        let Some((_, body)) = self.body(caller).filter(|(_, body)| body.is_known) else { return Containment::Unknown };
        let calls = |name: &str| self.numbers.get(name).is_some_and(|number| body.calls.binary_search(number).is_ok());
        if calls(function) {
            return Containment::Called;
        }
        let known = [Some(self), elsewhere].into_iter().flatten().find(|graph| graph.numbers.contains_key(function));
        let Some((inner, through_pointer)) =
            known.and_then(|graph| Some((graph.calls_of(function)?, graph.body(function)?.1.through_pointer)))
        else {
            return Containment::Unknown;
        };
        match (inner.is_empty(), through_pointer) {
            (true, false) => Containment::Unknown,
            (_, true) if !body.through_pointer => Containment::Absent,
            _ if inner.into_iter().all(calls) => Containment::Inlined,
            _ => Containment::Absent,
        }
    }
}

fn index_range(starts: &[(u64, u32)], addresses: Range<u64>) -> Range<usize> {
    let index = |address| starts.partition_point(|start| start.0 < address);
    index(addresses.start)..index(addresses.end)
}

/// Gives the target of every direct call and jump, and `None` for every one through a register or memory.
fn each_transfer(code: &[u8], address: u64, mut take: impl FnMut(Option<u64>)) {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        match instruction.flow_control() {
            FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
                if instruction.op0_kind() == OpKind::NearBranch64 =>
            {
                take(Some(instruction.near_branch_target()));
            }
            FlowControl::IndirectCall | FlowControl::IndirectBranch => take(None),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use object::write::{Object, StandardSegment, Symbol, SymbolSection};
    use object::{Architecture, BinaryFormat, Endianness, SymbolFlags, SymbolKind, SymbolScope};

    use super::*;

    const BASE: u64 = 0;
    const RET: u8 = 0xc3;

    /// A kernel whose functions are 16 bytes each and consist of calls to the named ones, in order.
    struct Kernel(Vec<(&'static str, Vec<u8>)>);

    impl Kernel {
        fn of(functions: &[(&'static str, &[&'static str])]) -> CallGraph {
            let address = |name: &str| functions.iter().position(|one| one.0 == name).map(|at| BASE + at as u64 * 32);
            let bodies = functions.iter().map(|(name, calls)| {
                let mut code = Vec::new();
                for call in *calls {
                    match (*call, address(call)) {
                        ("*", _) => code.extend([0xff, 0xd0]),
                        (_, Some(target)) => {
                            let next = address(name).unwrap() + code.len() as u64 + 5;
                            code.push(0xe8);
                            code.extend((target.wrapping_sub(next) as i32).to_le_bytes());
                        }
                        _ => panic!("no function {call}"),
                    }
                }
                code.push(RET);
                code.resize(32, 0xcc);
                (*name, code)
            });
            Self(bodies.collect()).graph()
        }

        fn graph(self) -> CallGraph {
            let mut file = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
            let segment = file.segment_name(StandardSegment::Text).to_vec();
            let text = file.add_section(segment, b".text".to_vec(), SectionKind::Text);
            let mut functions = Vec::new();
            for (name, code) in &self.0 {
                let value = file.append_section_data(text, code, 1);
                functions.push((BASE + value, *name));
                file.add_symbol(Symbol {
                    name: name.as_bytes().to_vec(),
                    value,
                    size: code.len() as u64,
                    kind: SymbolKind::Text,
                    scope: SymbolScope::Linkage,
                    weak: false,
                    section: SymbolSection::Section(text),
                    flags: SymbolFlags::None,
                });
            }
            CallGraph::of_kernel(&file.write().unwrap(), functions, |name| name.split('.').next().unwrap_or(name))
                .unwrap()
        }
    }

    #[test]
    fn a_call_an_inlined_body_and_neither_are_told_apart() {
        let graph = Kernel::of(&[
            ("recv", &["sock_recvmsg", "fput"]),
            ("sock_recvmsg", &["security", "inet_recvmsg"]),
            ("inlines", &["security", "inet_recvmsg", "fput"]),
            ("half", &["security"]),
            ("security", &[]),
            ("inet_recvmsg", &["*"]),
            ("fput", &[]),
        ]);
        let containment = |caller, function| graph.containment(caller, function, None);
        assert_eq!(containment("recv", "sock_recvmsg"), Containment::Called);
        assert_eq!(containment("inlines", "sock_recvmsg"), Containment::Inlined);
        assert_eq!(containment("half", "sock_recvmsg"), Containment::Absent);
        assert_eq!(containment("recv", "security"), Containment::Unknown, "it calls nothing that could tell");
        assert_eq!(containment("half", "inet_recvmsg"), Containment::Absent, "half calls nothing through a pointer");
        assert_eq!(containment("recv", "no_such"), Containment::Unknown);
        assert_eq!(graph.calls_of("recv"), Some(vec!["fput", "sock_recvmsg"]));
    }

    #[test]
    fn another_kernels_body_tells_where_a_vanished_function_went() {
        let old = Kernel::of(&[("a", &["b"]), ("b", &["c", "d"]), ("c", &[]), ("d", &[])]);
        let new = Kernel::of(&[("a", &["c", "d"]), ("c", &[]), ("d", &[]), ("e", &["c"])]);
        assert_eq!(new.containment("a", "b", Some(&old)), Containment::Inlined);
        assert_eq!(new.containment("e", "b", Some(&old)), Containment::Absent);
        assert_eq!(new.containment("a", "b", None), Containment::Unknown);
    }

    #[test]
    fn a_split_off_part_belongs_to_its_function() {
        let graph = Kernel::of(&[("a", &[]), ("b", &[]), ("a.cold", &["b", "a"])]);
        assert_eq!(graph.calls_of("a"), Some(vec!["b"]));
    }

    #[test]
    fn a_thunk_is_a_call_through_a_pointer() {
        let graph =
            Kernel::of(&[("a", &["__x86_indirect_thunk_rax"]), ("__x86_indirect_thunk_rax", &["*"]), ("b", &["*"])]);
        assert_eq!(graph.calls_of("a"), Some(Vec::new()));
        assert_eq!(graph.containment("a", "b", None), Containment::Inlined);
    }

    #[test]
    fn what_is_not_an_elf_file_is_refused() {
        assert!(CallGraph::of_kernel(b"not a kernel", [(0, "a")], |name| name).is_err());
    }
}
