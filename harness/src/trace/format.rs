//! Parses the texts in which a kernel describes its own records: `events/header_page` and `events/*/*/format` (kernel:
//! `kernel/trace/trace_events.c`, `f_show` and `ring_buffer_print_page_header`).

use thiserror::Error;

/// One `field:` line of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// In bytes from the record's start.
    pub(crate) offset: u32,
    /// In bytes; 0 for an array that extends to the record's end.
    pub(crate) size: u32,
    /// Whether to sign-extend the value.
    pub(crate) signed: bool,
}

/// One event's `format` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Without its system.
    pub name: String,
    /// The value of `common_type` in every record of this event.
    pub id: u16,
    /// The common fields come first.
    pub(crate) fields: Vec<Field>,
    /// The text after `print fmt:`.
    pub print: String,
}

/// The layout of a ring-buffer page, from `events/header_page`. All values are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderPage {
    /// Offset of the page's time stamp (8 bytes).
    pub timestamp_at: u32,
    pub commit_at: u32,
    /// Size of the commit word, the kernel's `long`: 4 or 8.
    pub commit_size: u32,
    pub data_at: u32,
    /// Room for records.
    pub data_size: u32,
}

impl HeaderPage {
    /// Size of a whole page (the kernel calls it a sub-buffer), in bytes.
    pub fn page_size(&self) -> usize {
        self.data_at as usize + self.data_size as usize
    }
}

/// Why a kernel's description could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    #[error("line {line} of {file}: expected {expected}, found `{found}`")]
    Line {
        /// `header_page`, or the event's name as far as it is known.
        file: String,
        /// Counted from 1.
        line: usize,
        expected: &'static str,
        /// Shortened.
        found: String,
    },
    /// A line or field that every such file has is missing.
    #[error("{file} has no {what}: is it the whole text of the kernel's own file?")]
    Missing {
        /// `header_page`, or the event's name as far as it is known.
        file: String,
        what: String,
    },
    /// A field has a size or offset that the decoder cannot use.
    #[error("field {field} of {file} is {size} bytes at offset {offset}; expected {expected}")]
    Unusable { file: String, field: String, offset: u32, size: u32, expected: &'static str },
}

/// No field is farther from the start of a record, in bytes: a ring-buffer page holds far less.
const FARTHEST_FIELD: u32 = 1 << 20;

impl Format {
    /// Parses one `format` file.
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
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(super) fn missing(&self, what: &str) -> FormatError {
        FormatError::Missing { file: format!("the format of {}", self.name), what: what.to_owned() }
    }
}

impl HeaderPage {
    /// Parses `events/header_page`.
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

/// Parses the text after `field:`. `signed` may be missing, as in kernels before 2.6.33.
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
    let name = declared_name(declaration)?.to_owned();
    Some(Field { name, offset, size, signed })
}

/// The name in a declaration: `args` in `unsigned long args[6]`, `name` in `char * name`, `comm` in `__data_loc char[] comm`.
fn declared_name(declaration: &str) -> Option<&str> {
    let (_, name) = declaration.rsplit_once([' ', '*'])?;
    let name = match name.split_once('[') {
        Some((name, bound)) => bound.ends_with(']').then_some(name)?,
        None => name,
    };
    (!name.is_empty()).then_some(name)
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
    fn a_field_has_the_name_that_its_declaration_ends_with() {
        let text = "name: x\nID: 7\nformat:\n\
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
            \tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\
            \tfield:const char *name;\toffset:24;\tsize:8;\tsigned:0;\n\
            \tfield:__data_loc char[] text;\toffset:32;\tsize:4;\tsigned:0;\n\
            \tfield:unsigned long args[];\toffset:40;\tsize:0;\tsigned:0;\n\nprint fmt: \"%s\", REC->text\n";
        let format = Format::parse(text).unwrap();
        assert_eq!((format.name.as_str(), format.id, format.print.as_str()), ("x", 7, "\"%s\", REC->text"));
        let names: Vec<&str> = format.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["common_type", "comm", "name", "text", "args"]);
        assert_eq!(format.field("name").map(|field| (field.offset, field.size)), Some((24, 8)));
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
