//! The text in which a kernel describes its own records: `events/header_page` and `events/*/*/format`
//! (kernel: `kernel/trace/trace_events.c`, `f_show` and `ring_buffer_print_page_header`).

use thiserror::Error;

/// How the value of a field is found in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// It stands at the field's offset.
    Inline,
    /// At the offset stands a word: length in bytes in its upper half, offset from the record's start in its lower half.
    DataLoc,
    /// As [`Placement::DataLoc`], but the offset counts from the end of the word (kernels from 5.17 on).
    RelLoc,
}

/// One `field:` line of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The C type without name and array bounds, for example `unsigned long`.
    pub kind: String,
    /// The name, for example `common_pid`.
    pub name: String,
    /// Offset from the record's start, in bytes.
    pub offset: u32,
    /// Size in bytes; 0 for an array that runs to the record's end.
    pub size: u32,
    /// Whether the value is to be sign-extended.
    pub signed: bool,
    /// What stands between the brackets of an array (`16`, or nothing for an array without a bound).
    pub array: Option<String>,
    /// Where the value is.
    pub placement: Placement,
}

/// One event's `format` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The event's name, without its system.
    pub name: String,
    /// The number that stands in every record's `common_type`.
    pub id: u16,
    /// Every field, the common ones first.
    pub fields: Vec<Field>,
    /// What follows `print fmt:`.
    pub print: String,
}

/// The layout of a ring-buffer page: `events/header_page`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderPage {
    /// Offset of the page's time stamp (8 bytes), in bytes.
    pub timestamp_at: u32,
    /// Offset of the commit word, in bytes.
    pub commit_at: u32,
    /// Size of the commit word, the kernel's `long`: 4 or 8 bytes.
    pub commit_size: u32,
    /// Offset of the first record, in bytes.
    pub data_at: u32,
    /// Room for records, in bytes.
    pub data_size: u32,
}

impl HeaderPage {
    /// Size of a whole page (the kernel calls it a sub-buffer), in bytes.
    pub fn page_size(&self) -> usize {
        self.data_at as usize + self.data_size as usize
    }
}

/// Why a description could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// A line is not of the form that ftrace writes.
    #[error("line {line} of {file}: expected {expected}, found `{found}`")]
    Line {
        /// `header_page`, or the event's name as far as it is known.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What should have been there.
        expected: &'static str,
        /// What was, shortened.
        found: String,
    },
    /// Something that every such file has is not there.
    #[error("{file} has no {what}: is it the whole text of the kernel's own file?")]
    Missing {
        /// `header_page`, or the event's name as far as it is known.
        file: String,
        /// What was looked for.
        what: String,
    },
    /// A field has a size or place that the decoder cannot use.
    #[error("field {field} of {file} is {size} bytes at offset {offset}; expected {expected}")]
    Unusable {
        /// The event's name.
        file: String,
        /// The field's name.
        field: String,
        /// As the kernel said.
        offset: u32,
        /// As the kernel said.
        size: u32,
        /// What the decoder can use.
        expected: &'static str,
    },
}

/// A field at an offset beyond this cannot be in a record: a ring-buffer page is at most 64 KiB of data by far.
const FARTHEST_FIELD: u32 = 1 << 20;

impl Format {
    /// Reads one `format` file.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut format = Self { name: String::new(), id: 0, fields: Vec::new(), print: String::new() };
        let mut id = None;
        for (index, line) in text.lines().enumerate() {
            let file = if format.name.is_empty() { "an event's format" } else { format.name.as_str() };
            let trimmed = line.trim();
            if let Some(name) = trimmed.strip_prefix("name:") {
                format.name = name.trim().to_owned();
            } else if let Some(number) = trimmed.strip_prefix("ID:") {
                let parsed = number.trim().parse().map_err(|_| bad_line(file, index, "a number up to 65535", line))?;
                id = Some(parsed);
            } else if let Some(field) = trimmed.strip_prefix("field:") {
                let field = parse_field(field).ok_or_else(|| bad_line(file, index, FIELD_SHAPE, line))?;
                format.fields.push(field);
            } else if let Some(print) = trimmed.strip_prefix("print fmt:") {
                format.print = print.trim().to_owned();
            }
        }
        if format.name.is_empty() {
            return Err(FormatError::Missing { file: "an event's format".into(), what: "name: line".into() });
        }
        format.id = id.ok_or_else(|| format.missing("ID: line"))?;
        Ok(format)
    }

    /// The field of this name, if the kernel's event has it.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(super) fn missing(&self, what: &str) -> FormatError {
        FormatError::Missing { file: format!("the format of {}", self.name), what: what.to_owned() }
    }
}

impl HeaderPage {
    /// Reads `events/header_page`.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut fields = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if let Some(field) = line.trim().strip_prefix("field:") {
                fields.push(parse_field(field).ok_or_else(|| bad_line("header_page", index, FIELD_SHAPE, line))?);
            }
        }
        let find = |name: &str| {
            fields
                .iter()
                .find(|field: &&Field| field.name == name)
                .ok_or_else(|| FormatError::Missing { file: "header_page".into(), what: format!("field {name}") })
        };
        let (timestamp, commit, data) = (find("timestamp")?, find("commit")?, find("data")?);
        let unusable = |field: &Field, expected| FormatError::Unusable {
            file: "header_page".into(),
            field: field.name.clone(),
            offset: field.offset,
            size: field.size,
            expected,
        };
        if timestamp.size != 8 || timestamp.offset.saturating_add(8) > data.offset {
            return Err(unusable(timestamp, "8 bytes before the data"));
        }
        if !matches!(commit.size, 4 | 8) || commit.offset.saturating_add(commit.size) > data.offset {
            return Err(unusable(commit, "4 or 8 bytes before the data"));
        }
        if data.size == 0 || data.size > FARTHEST_FIELD || data.offset > FARTHEST_FIELD {
            return Err(unusable(data, "between 1 byte and 1 MiB"));
        }
        Ok(Self {
            timestamp_at: timestamp.offset,
            commit_at: commit.offset,
            commit_size: commit.size,
            data_at: data.offset,
            data_size: data.size,
        })
    }
}

const FIELD_SHAPE: &str = "`field:TYPE NAME; offset:N; size:N; signed:0|1;`";

fn bad_line(file: &str, index: usize, expected: &'static str, found: &str) -> FormatError {
    let found = found.trim().chars().take(80).collect();
    FormatError::Line { file: file.to_owned(), line: index + 1, expected, found }
}

/// Reads what follows `field:`. `signed` may be missing, as kernels before 2.6.33 wrote it.
fn parse_field(text: &str) -> Option<Field> {
    let mut parts = text.split(';').map(str::trim);
    let declaration = parts.next()?;
    let (mut offset, mut size, mut signed) = (None, None, false);
    for part in parts.filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once(':')?;
        let number: u32 = value.trim().parse().ok()?;
        match key.trim() {
            "offset" => offset = Some(number),
            "size" => size = Some(number),
            "signed" => signed = number != 0,
            _ => {}
        }
    }
    let (offset, size) = (offset?, size?);
    if offset > FARTHEST_FIELD || size > FARTHEST_FIELD {
        return None;
    }
    let (kind, name, array, placement) = parse_declaration(declaration)?;
    Some(Field { kind, name, offset, size, signed, array, placement })
}

/// Splits `unsigned long args[6]`, `char * name`, `__data_loc char[] comm` into type, name, bound and placement.
fn parse_declaration(text: &str) -> Option<(String, String, Option<String>, Placement)> {
    let (placement, text) = match text.split_once(' ') {
        Some(("__data_loc", rest)) => (Placement::DataLoc, rest.trim()),
        Some(("__rel_loc", rest)) => (Placement::RelLoc, rest.trim()),
        _ => (Placement::Inline, text),
    };
    let (kind, rest) = text.rsplit_once([' ', '*'])?;
    let pointer = text[kind.len()..].starts_with('*');
    let mut kind = if pointer { format!("{kind}*") } else { kind.to_owned() };
    let (name, mut array) = match rest.split_once('[') {
        Some((name, bound)) => (name, Some(bound.strip_suffix(']')?.to_owned())),
        None => (rest, None),
    };
    if placement != Placement::Inline
        && let Some((element, bound)) = kind.clone().split_once('[')
    {
        array = Some(bound.trim_end_matches(']').to_owned());
        kind = element.to_owned();
    }
    (!name.is_empty()).then(|| (kind.trim().to_owned(), name.to_owned(), array, placement))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\
        \tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\
        \tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n\
        \tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";

    #[test]
    fn the_page_layout_is_what_header_page_says() {
        let header = HeaderPage::parse(HEADER).unwrap();
        assert_eq!((header.commit_size, header.data_at, header.page_size()), (8, 16, 4096));
    }

    #[test]
    fn a_page_layout_that_overlaps_its_own_data_is_refused() {
        let text = HEADER.replace("commit;\toffset:8", "commit;\toffset:12");
        assert!(matches!(HeaderPage::parse(&text), Err(FormatError::Unusable { field, .. }) if field == "commit"));
    }

    #[test]
    fn fields_keep_type_bounds_and_placement() {
        let text = "name: x\nID: 7\nformat:\n\
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
            \tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\
            \tfield:const char * name;\toffset:24;\tsize:8;\tsigned:0;\n\
            \tfield:__data_loc char[] text;\toffset:32;\tsize:4;\tsigned:0;\n\
            \tfield:__rel_loc u8[] more;\toffset:36;\tsize:4;\tsigned:0;\n\
            \tfield:unsigned long args[];\toffset:40;\tsize:0;\tsigned:0;\n\nprint fmt: \"%s\", REC->text\n";
        let format = Format::parse(text).unwrap();
        assert_eq!((format.name.as_str(), format.id, format.fields.len()), ("x", 7, 6));
        assert_eq!(format.field("comm").unwrap().array.as_deref(), Some("16"));
        assert_eq!(format.field("name").unwrap().kind, "const char *");
        let text = format.field("text").unwrap();
        assert_eq!((text.placement, text.kind.as_str()), (Placement::DataLoc, "char"));
        assert_eq!(format.field("more").unwrap().placement, Placement::RelLoc);
        assert_eq!(format.field("args").unwrap().array.as_deref(), Some(""));
    }

    #[test]
    fn a_broken_line_is_named_by_its_number() {
        let error = Format::parse("name: x\nID: 1\nformat:\n\tfield:int a;\toffset:zero;\tsize:4;\n").unwrap_err();
        assert!(matches!(&error, FormatError::Line { line: 4, .. }), "{error}");
    }

    #[test]
    fn a_file_without_an_id_is_refused() {
        assert!(matches!(Format::parse("name: x\n"), Err(FormatError::Missing { .. })));
    }
}
