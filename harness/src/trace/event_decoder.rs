//! Decodes a record's bytes into an event, by the layouts in the kernel's own `format` files.
//!
//! The formats are resolved into offsets once; decoding a record then allocates nothing.

use std::ops::RangeInclusive;

use super::event::{Common, Entry, Event, Exit, Switch};
use super::format::{Field, Format, FormatError};
use super::ring_page::Endian;

/// A record that is too short for the fields of its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooShort {
    /// `None` if the record is too short even for the event's number.
    pub id: Option<u16>,
    /// In bytes.
    pub length: usize,
}

/// The formats of one kernel, resolved to offsets.
#[derive(Clone, Debug)]
pub(super) struct EventDecoder {
    endian: Endian,
    common: CommonAt,
    /// Indexed by event number.
    kinds: Vec<Kind>,
    has_function_graph: bool,
}

/// Where a number is in a record.
#[derive(Clone, Copy, Debug)]
struct Number {
    at: u16,
    size: u8,
    signed: bool,
}

/// Where a task's name is in a record: `TASK_COMM_LEN` bytes, as the format says.
#[derive(Clone, Copy, Debug)]
struct Bytes {
    at: u16,
    size: u16,
}

#[derive(Clone, Copy, Debug)]
struct CommonAt {
    id: Number,
    flags: Number,
    pid: Number,
}

#[derive(Clone, Debug)]
enum Kind {
    Other,
    Entry { func: Number, depth: Number, retaddr: Option<Number>, args_at: Option<u16> },
    Exit { func: Number, depth: Number, overrun: Number },
    Switch(Box<SwitchAt>),
    Wake { pid: Number, comm: Bytes, done: bool },
    Irq { event: &'static str, number: Number },
    Marker { at: u16 },
}

#[derive(Clone, Debug)]
struct SwitchAt {
    prev_pid: Number,
    prev_comm: Bytes,
    prev_state: Number,
    next_pid: Number,
    next_comm: Bytes,
    letters: Vec<(u64, char)>,
}

impl EventDecoder {
    /// Resolves the formats of a kernel. Unknown events are allowed and become [`Event::Other`].
    pub(super) fn new(formats: &[Format], endian: Endian) -> Result<Self, FormatError> {
        let Some(first) = formats.first() else {
            return Err(FormatError::Missing { file: "the capture".into(), what: "event format".into() });
        };
        let common = CommonAt {
            id: number(first, "common_type", 2..=2)?,
            flags: number(first, "common_flags", 1..=1)?,
            pid: number(first, "common_pid", 4..=4)?,
        };
        let last = formats.iter().map(|format| format.id).max().unwrap_or(0);
        let mut kinds = vec![Kind::Other; usize::from(last) + 1];
        let mut seen = (false, false);
        for format in formats {
            let kind = resolve(format)?;
            seen.0 |= matches!(kind, Kind::Entry { .. });
            seen.1 |= matches!(kind, Kind::Exit { .. });
            kinds[usize::from(format.id)] = kind;
        }
        Ok(Self { endian, common, kinds, has_function_graph: seen.0 && seen.1 })
    }

    /// Whether the formats of function_graph's own records were given.
    pub(super) fn has_function_graph(&self) -> bool {
        self.has_function_graph
    }

    #[inline(always)]
    pub(super) fn decode<'a>(&self, data: &'a [u8]) -> Result<(Common, Event<'a>), TooShort> {
        let Some(common) = self.common(data) else {
            return Err(TooShort { id: None, length: data.len() });
        };
        let kind = self.kinds.get(usize::from(common.id)).unwrap_or(&Kind::Other);
        match self.event(kind, common.id, data) {
            Some(event) => Ok((common, event)),
            None => Err(TooShort { id: Some(common.id), length: data.len() }),
        }
    }

    #[inline(always)]
    fn common(&self, data: &[u8]) -> Option<Common> {
        let at = &self.common;
        Some(Common {
            id: self.endian.u16(data, usize::from(at.id.at))?,
            flags: *data.get(usize::from(at.flags.at))?,
            pid: self.endian.u32(data, usize::from(at.pid.at))? as i32,
        })
    }

    #[inline(always)]
    fn event<'a>(&self, kind: &Kind, id: u16, data: &'a [u8]) -> Option<Event<'a>> {
        let read = |number: &Number| self.read(number, data);
        Some(match kind {
            Kind::Entry { func, depth, retaddr, args_at } => Event::Entry(Entry {
                func: read(func)?,
                depth: read(depth)? as i64,
                retaddr: match retaddr {
                    Some(retaddr) => Some(read(retaddr)?),
                    None => None,
                },
                args: args_at.and_then(|at| data.get(usize::from(at)..)).unwrap_or(&[]),
            }),
            Kind::Exit { func, depth, overrun } => {
                Event::Exit(Exit { func: read(func)?, depth: read(depth)? as i64, overrun: read(overrun)? })
            }
            Kind::Switch(at) => Event::Switch(Switch {
                prev_pid: read(&at.prev_pid)? as i32,
                prev_comm: slice(&at.prev_comm, data)?,
                prev_state: letter(&at.letters, read(&at.prev_state)?),
                next_pid: read(&at.next_pid)? as i32,
                next_comm: slice(&at.next_comm, data)?,
            }),
            Kind::Wake { pid, comm, done: false } => Event::Waking { pid: read(pid)? as i32, comm: slice(comm, data)? },
            Kind::Wake { pid, comm, done: true } => Event::Woken { pid: read(pid)? as i32, comm: slice(comm, data)? },
            Kind::Irq { event, number } => Event::Irq { event, number: read(number)? as i64 },
            Kind::Marker { at } => Event::Marker { bytes: data.get(usize::from(*at)..)? },
            Kind::Other => Event::Other { id },
        })
    }

    #[inline(always)]
    fn read(&self, number: &Number, data: &[u8]) -> Option<u64> {
        let at = usize::from(number.at);
        Some(match (number.size, number.signed) {
            (8, _) => self.endian.u64(data, at)?,
            (4, false) => u64::from(self.endian.u32(data, at)?),
            (4, true) => i64::from(self.endian.u32(data, at)? as i32) as u64,
            (2, false) => u64::from(self.endian.u16(data, at)?),
            (2, true) => i64::from(self.endian.u16(data, at)? as i16) as u64,
            (_, false) => u64::from(*data.get(at)?),
            (_, true) => i64::from(*data.get(at)? as i8) as u64,
        })
    }
}

#[inline]
fn slice<'a>(bytes: &Bytes, data: &'a [u8]) -> Option<&'a [u8]> {
    data.get(usize::from(bytes.at)..)?.get(..usize::from(bytes.size))
}

fn resolve(format: &Format) -> Result<Kind, FormatError> {
    let long = |name| number(format, name, 4..=8);
    let int = |name| number(format, name, 4..=4);
    Ok(match format.name.as_str() {
        "funcgraph_entry" | "fgraph_retaddr_entry" => Kind::Entry {
            func: long("func")?,
            depth: long("depth")?,
            retaddr: format.field("retaddr").map(|_| long("retaddr")).transpose()?,
            args_at: format.field("args").map(|field| offset(format, field, "the end of the record")).transpose()?,
        },
        "funcgraph_exit" => Kind::Exit { func: long("func")?, depth: long("depth")?, overrun: long("overrun")? },
        "sched_switch" => Kind::Switch(Box::new(SwitchAt {
            prev_pid: int("prev_pid")?,
            prev_comm: bytes(format, "prev_comm")?,
            prev_state: long("prev_state")?,
            next_pid: int("next_pid")?,
            next_comm: bytes(format, "next_comm")?,
            letters: state_letters(&format.print),
        })),
        "sched_waking" => Kind::Wake { pid: int("pid")?, comm: bytes(format, "comm")?, done: false },
        "sched_wakeup" | "sched_wakeup_new" => {
            Kind::Wake { pid: int("pid")?, comm: bytes(format, "comm")?, done: true }
        }
        "irq_handler_entry" => Kind::Irq { event: "irq_handler_entry", number: int("irq")? },
        "irq_handler_exit" => Kind::Irq { event: "irq_handler_exit", number: int("irq")? },
        "softirq_entry" => Kind::Irq { event: "softirq_entry", number: int("vec")? },
        "softirq_exit" => Kind::Irq { event: "softirq_exit", number: int("vec")? },
        "softirq_raise" => Kind::Irq { event: "softirq_raise", number: int("vec")? },
        "raw_data" => {
            let id = format.field("id").ok_or_else(|| format.missing("field id"))?;
            Kind::Marker { at: offset(format, id, "4 bytes")? }
        }
        _ => Kind::Other,
    })
}

fn number(format: &Format, name: &str, sizes: RangeInclusive<u32>) -> Result<Number, FormatError> {
    let field = format.field(name).ok_or_else(|| format.missing(&format!("field {name}")))?;
    let usable = matches!(field.size, 1 | 2 | 4 | 8) && sizes.contains(&field.size);
    let at = offset(format, field, "an integer of 1, 2, 4 or 8 bytes")?;
    if !usable {
        return Err(unusable(format, field, "an integer of the kernel's usual size"));
    }
    Ok(Number { at, size: field.size as u8, signed: field.signed })
}

fn bytes(format: &Format, name: &str) -> Result<Bytes, FormatError> {
    let field = format.field(name).ok_or_else(|| format.missing(&format!("field {name}")))?;
    let size = u16::try_from(field.size).map_err(|_| unusable(format, field, "a short name"))?;
    Ok(Bytes { at: offset(format, field, "a short name")?, size })
}

fn offset(format: &Format, field: &Field, expected: &'static str) -> Result<u16, FormatError> {
    u16::try_from(field.offset).map_err(|_| unusable(format, field, expected))
}

fn unusable(format: &Format, field: &Field, expected: &'static str) -> FormatError {
    FormatError::Unusable {
        file: format!("the format of {}", format.name),
        field: field.name.clone(),
        offset: field.offset,
        size: field.size,
        expected,
    }
}

/// Parses the kernel's table of task states in sched_switch's `print fmt`: `{ 0x00000001, "S" }, …`.
fn state_letters(print: &str) -> Vec<(u64, char)> {
    let mut letters = Vec::new();
    for pair in print.split('{').skip(1) {
        let Some((bits, rest)) = pair.split_once(',') else { continue };
        let bits = bits.trim().trim_start_matches("0x");
        let Ok(bits) = u64::from_str_radix(bits, 16) else { continue };
        let letter = rest.trim().strip_prefix('"').and_then(|rest| rest.chars().next());
        if let Some(letter) = letter.filter(|letter| letter.is_ascii_alphabetic()) {
            letters.push((bits, letter));
        }
    }
    letters
}

/// The letter of a task state: `R` if no bit of the table is set, as when only the bit for "preempted"
/// (`TASK_REPORT_MAX`) is.
fn letter(letters: &[(u64, char)], state: u64) -> char {
    letters.iter().find(|(bits, _)| state & bits != 0).map_or('R', |(_, letter)| *letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: &str = "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n\
        \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";

    fn format(name: &str, id: u16, fields: &str, print: &str) -> Format {
        Format::parse(&format!("name: {name}\nID: {id}\nformat:\n{COMMON}{fields}\nprint fmt: {print}\n")).unwrap()
    }

    #[test]
    fn an_entry_with_return_address_is_read_where_the_format_puts_it() {
        let packed = "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n\
            \tfield:unsigned long retaddr;\toffset:20;\tsize:8;\tsigned:0;\n";
        let decoder = EventDecoder::new(&[format("fgraph_retaddr_entry", 16, packed, "\"\"")], Endian::Little).unwrap();
        let mut data = vec![16, 0, 0x18, 0, 7, 0, 0, 0];
        data.extend(0xffff_ffff_8100_0004_u64.to_le_bytes());
        data.extend(3_u32.to_le_bytes());
        data.extend(0xffff_ffff_8200_0000_u64.to_le_bytes());
        let (common, event) = decoder.decode(&data).unwrap();
        assert!(common.interrupted().hardirq && common.interrupted().softirq && !common.interrupted().nmi);
        let expected = Entry { func: 0xffff_ffff_8100_0004, depth: 3, retaddr: Some(0xffff_ffff_8200_0000), args: &[] };
        assert_eq!(event, Event::Entry(expected));
        assert_eq!(decoder.decode(&data[..24]), Err(TooShort { id: Some(16), length: 24 }));
    }

    #[test]
    fn arguments_are_what_the_record_has_beyond_its_fixed_fields() {
        let fields = "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:unsigned long depth;\toffset:16;\tsize:8;\tsigned:0;\n\
            \tfield:unsigned long args[];\toffset:24;\tsize:0;\tsigned:0;\n";
        let decoder = EventDecoder::new(&[format("funcgraph_entry", 11, fields, "\"\"")], Endian::Big).unwrap();
        let mut data = vec![0, 11, 0, 0, 0, 0, 0, 9];
        data.extend(1_u64.to_be_bytes());
        data.extend(2_u64.to_be_bytes());
        let bare = decoder.decode(&data).unwrap().1;
        assert_eq!(bare, Event::Entry(Entry { func: 1, depth: 2, retaddr: None, args: &[] }));
        data.extend(5_u64.to_be_bytes());
        let Event::Entry(entry) = decoder.decode(&data).unwrap().1 else { panic!("not an entry") };
        assert_eq!(entry.args, 5_u64.to_be_bytes());
    }

    #[test]
    fn task_states_follow_the_kernels_own_table() {
        let letters = state_letters(r#"{ 0x00000001, "S" }, { 0x00000002, "D" }, { 0x00000080, "I" }) : "R""#);
        assert_eq!([0, 1, 2, 0x80, 0x100, 0x82].map(|state| letter(&letters, state)), ['R', 'S', 'D', 'I', 'R', 'D']);
    }

    #[test]
    fn an_event_that_lacks_a_field_is_refused_by_name() {
        let error = EventDecoder::new(&[format("funcgraph_exit", 10, "", "\"\"")], Endian::Little).unwrap_err();
        assert!(error.to_string().contains("funcgraph_exit"), "{error}");
    }
}
