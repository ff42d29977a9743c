//! Writes ring-buffer pages as a kernel does: any byte order and size of long, every encoding of a time and a length.

use rxpath::trace::Endian;

/// A traced machine: its byte order, its `long`, its page size, and one of the layouts that kernels have had.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub endian: Endian,
    /// 4 or 8 bytes.
    pub long: usize,
    /// 0: as 5.10; 1: as 6.12; 2: as 6.18 with arguments; 3: as 7.3 with return address and arguments.
    pub layout: usize,
    /// Room for records on a page, in bytes.
    pub data_size: usize,
}

/// The contents of a record.
#[derive(Clone, Debug)]
pub(crate) enum Contents {
    Entry { func: u64, depth: u32, args: Vec<u32> },
    Exit { func: u64, depth: u32, overrun: u32 },
    Marker(Vec<u8>),
    Unknown { words: u16 },
}

/// The encoding of a record's time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timing {
    /// The record's own delta.
    Delta(u64),
    /// A time extend before it.
    Extend(u64),
    /// An absolute time stamp before it, this much later than the last record.
    Absolute(u64),
    /// A discarded record before it, with this delta and this many words.
    AfterDiscarded { delta: u64, words: u32 },
}

const ENTRY: u16 = 11;
const EXIT: u16 = 10;
const MARKER: u16 = 18;
/// An event without a format.
pub(crate) const UNKNOWN: u16 = 400;
const DELTA_BITS: u32 = 27;

impl Machine {
    /// Bytes before a page's data.
    pub(crate) fn header(&self) -> usize {
        8 + self.long
    }

    pub(crate) fn has_retaddr(&self) -> bool {
        self.layout == 3
    }

    /// `events/header_page` and the formats.
    pub(crate) fn describe(&self) -> (String, Vec<String>) {
        let field = |kind: &str, name: &str, offset: usize, size: usize| {
            format!("\tfield:{kind} {name};\toffset:{offset};\tsize:{size};\tsigned:0;\n")
        };
        let header = field("u64", "timestamp", 0, 8)
            + &field("local_t", "commit", 8, self.long)
            + &field("int", "overwrite", 8, 1)
            + &field("char", "data", self.header(), self.data_size);
        let common = field("unsigned short", "common_type", 0, 2)
            + &field("unsigned char", "common_flags", 2, 1)
            + &field("unsigned char", "common_preempt_count", 3, 1)
            + &field("int", "common_pid", 4, 4);
        let format = |name: &str, id: u16, fields: &[(&str, usize)]| {
            let mut text = format!("name: {name}\nID: {id}\nformat:\n{common}\n");
            let mut offset = 8;
            for (name, size) in fields {
                text += &field("unsigned", name, offset, *size);
                offset += size;
            }
            text + "\nprint fmt: \"\"\n"
        };
        let entry = match self.layout {
            0 | 1 => format("funcgraph_entry", ENTRY, &[("func", self.long), ("depth", 4)]),
            2 => format("funcgraph_entry", ENTRY, &[("func", self.long), ("depth", 4), ("args[]", 0)]),
            _ => format(
                "fgraph_retaddr_entry",
                ENTRY,
                &[("func", self.long), ("depth", self.long), ("retaddr", self.long), ("args[]", 0)],
            ),
        };
        let exit = match self.layout {
            0 => {
                let long = self.long;
                format(
                    "funcgraph_exit",
                    EXIT,
                    &[("func", long), ("overrun", long), ("calltime", 8), ("rettime", 8), ("depth", 4)],
                )
            }
            1 => format(
                "funcgraph_exit",
                EXIT,
                &[("func", self.long), ("depth", 4), ("overrun", 4), ("calltime", 8), ("rettime", 8)],
            ),
            2 => format(
                "funcgraph_exit",
                EXIT,
                &[("func", self.long), ("retval", self.long), ("depth", 4), ("overrun", 4)],
            ),
            _ => format("funcgraph_exit", EXIT, &[("func", self.long), ("depth", 4), ("overrun", 4)]),
        };
        (header, vec![entry, exit, format("raw_data", MARKER, &[("id", 4), ("buf[]", 0)])])
    }

    /// The arguments as this machine records them, in bytes: none where the layout has none.
    pub(crate) fn arguments(&self, args: &[u32]) -> Vec<u8> {
        match self.layout {
            0 | 1 => Vec::new(),
            _ => args.iter().flat_map(|arg| self.number((*arg).into(), self.long)).collect(),
        }
    }

    fn number(&self, value: u64, size: usize) -> Vec<u8> {
        match self.endian {
            Endian::Little => value.to_le_bytes()[..size].to_vec(),
            Endian::Big => value.to_be_bytes()[8 - size..].to_vec(),
        }
    }

    fn record(&self, pid: i32, contents: &Contents) -> Vec<u8> {
        let id = match contents {
            Contents::Entry { .. } => ENTRY,
            Contents::Exit { .. } => EXIT,
            Contents::Marker(_) => MARKER,
            Contents::Unknown { .. } => UNKNOWN,
        };
        let mut bytes = self.number(id.into(), 2);
        bytes.extend([0, 0]);
        bytes.extend(self.number(pid as u32 as u64, 4));
        match contents {
            Contents::Entry { func, depth, args } => {
                bytes.extend(self.number(*func, self.long));
                bytes.extend(self.number((*depth).into(), if self.layout == 3 { self.long } else { 4 }));
                if self.has_retaddr() {
                    bytes.extend(self.number(0x1234, self.long));
                }
                bytes.extend(self.arguments(args));
            }
            Contents::Exit { func, depth, overrun } => {
                let (func, depth) = (self.number(*func, self.long), self.number((*depth).into(), 4));
                let overrun = |size| self.number((*overrun).into(), size);
                bytes.extend(func);
                match self.layout {
                    0 => bytes.extend([overrun(self.long), vec![0; 16], depth].concat()),
                    1 => bytes.extend([depth, overrun(4), vec![0; 16]].concat()),
                    2 => bytes.extend([vec![7; self.long], depth, overrun(4)].concat()),
                    _ => bytes.extend([depth, overrun(4)].concat()),
                }
            }
            Contents::Marker(payload) => {
                bytes.extend(self.number(1, 4));
                bytes.extend(payload);
            }
            Contents::Unknown { words } => bytes.extend(vec![0x5a; usize::from(*words) * 4]),
        }
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}

/// Encodes pages.
pub(crate) struct Encoder {
    machine: Machine,
    pages: Vec<u8>,
    data: Vec<u8>,
    page_time: u64,
    time: u64,
    missed: Option<(u64, bool)>,
}

impl Encoder {
    pub(crate) fn new(machine: Machine, time: u64) -> Self {
        Self { machine, pages: Vec::new(), data: Vec::new(), page_time: time, time, missed: None }
    }

    /// Marks the first page: this many records are missing before it, and whether to store their number.
    pub(crate) fn missed(&mut self, count: u64, stored: bool) {
        self.missed = Some((count, stored));
    }

    /// Whether the first page has room for the number, or contains it if it is already written.
    pub(crate) fn count_fits(&self) -> bool {
        let written = self.missed.is_none();
        if written {
            let commit = self.machine.number_at(&self.pages, 8, self.machine.long);
            return commit & (1 << 30) != 0;
        }
        self.data.len() + self.machine.long <= self.machine.data_size
    }

    /// Writes a record and returns its time.
    pub(crate) fn write(&mut self, timing: Timing, pid: i32, contents: &Contents) -> u64 {
        let record = self.machine.record(pid, contents);
        let mut head = Vec::new();
        let mut time = self.time;
        let delta = match timing {
            Timing::Delta(delta) => delta,
            Timing::Extend(delta) => {
                head.extend(self.extend(30, delta));
                time += delta;
                0
            }
            Timing::Absolute(delta) => {
                time += delta;
                head.extend(self.extend(31, time & ((1 << 59) - 1)));
                0
            }
            Timing::AfterDiscarded { delta, words } => {
                head.extend(self.word(29, delta));
                head.extend(self.machine.number(u64::from(words) * 4 + 4, 4));
                head.extend(vec![0xee; words as usize * 4]);
                time += delta;
                1
            }
        };
        time += delta;
        if record.len() <= 28 * 4 && !record.is_empty() {
            head.extend(self.word(record.len() as u32 / 4, delta));
        } else {
            head.extend(self.word(0, delta));
            head.extend(self.machine.number(record.len() as u64 + 4, 4));
        }
        head.extend(record);
        if self.data.len() + head.len() > self.machine.data_size {
            self.flush();
            // The first record of a page has the page's own time, and nothing before it.
            self.page_time = time;
            self.time = time;
            return self.write(Timing::Delta(0), pid, contents);
        }
        self.data.extend(head);
        self.time = time;
        time
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.pages
    }

    fn word(&self, kind: u32, delta: u64) -> Vec<u8> {
        let word = match self.machine.endian {
            Endian::Little => u64::from(kind) | delta << 5,
            Endian::Big => u64::from(kind) << DELTA_BITS | delta,
        };
        self.machine.number(word, 4)
    }

    fn extend(&self, kind: u32, time: u64) -> Vec<u8> {
        let mut bytes = self.word(kind, time & ((1 << DELTA_BITS) - 1));
        bytes.extend(self.machine.number(time >> DELTA_BITS, 4));
        bytes
    }

    /// Ends a page as `ring_buffer_read_page` returns it: the flags are added to the commit word as negative ints.
    fn flush(&mut self) {
        let machine = self.machine.clone();
        let mut commit = self.data.len() as i64;
        let mut data = std::mem::take(&mut self.data);
        if let Some((count, stored)) = self.missed.take() {
            commit += i64::from(i32::MIN);
            if stored && data.len() + machine.long <= machine.data_size {
                data.extend(machine.number(count, machine.long));
                commit += 1 << 30;
            }
        }
        data.resize(machine.data_size, 0);
        self.pages.extend(machine.number(self.page_time, 8));
        self.pages.extend(machine.number(commit as u64, machine.long));
        self.pages.extend(data);
    }
}

impl Machine {
    fn number_at(&self, bytes: &[u8], at: usize, size: usize) -> u64 {
        let bytes = &bytes[at..at + size];
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self.endian {
            Endian::Little => bytes.iter().rev().fold(0, add),
            Endian::Big => bytes.iter().fold(0, add),
        }
    }
}
