//! Writes pins into the lock file's text and leaves all else of it as it is, so that a diff shows what changed.

use super::lock::{Archive, FORMAT, LockedKernel, LockedQemu, PinnedPackage};
use super::series::Series;

const HEADER: &str = "\
# Exactly which packages the kernels and QEMU of kernels.yaml are.
#
# Written by `rxpath kernels update [SERIES…]`, which leaves comments alone. Paths are relative to the archive's address,
# which comes from the machine's own apt. A digest that is changed here makes the package be refused.
";

/// The lock file's text with the given content. `old` is the text to keep comments of, if there is one. Series come in the
/// order given.
pub fn rewrite(old: Option<&str>, kernels: &[LockedKernel], qemu: &LockedQemu) -> String {
    let old = old.map(Blocks::of).unwrap_or_default();
    let mut text = if old.before.is_empty() { HEADER.to_owned() } else { old.before.concat() };
    text += &format!("format: {FORMAT}\n{}kernels:\n", old.above_kernels.concat());
    for kernel in kernels {
        let kept = old.kernels.iter().find(|block| block.series == Some(kernel.series));
        push_block(&mut text, kept, &format!("  - series: \"{}\"\n", kernel.series), "    ", &kernel_fields(kernel));
    }
    push_block(&mut text, old.qemu.as_ref(), "qemu:\n", "  ", &qemu_fields(qemu));
    text + &old.after.concat()
}

/// A part of the file with the comments above it and in it.
#[derive(Debug, Default)]
struct Block<'a> {
    series: Option<Series>,
    above: Vec<&'a str>,
    inside: Vec<&'a str>,
}

/// The file's comments and empty lines, by where they stand.
#[derive(Debug, Default)]
struct Blocks<'a> {
    /// Above `format:`.
    before: Vec<&'a str>,
    /// Between `format:` and `kernels:`.
    above_kernels: Vec<&'a str>,
    kernels: Vec<Block<'a>>,
    qemu: Option<Block<'a>>,
    /// At the end, not indented.
    after: Vec<&'a str>,
}

impl<'a> Blocks<'a> {
    fn of(text: &'a str) -> Self {
        let mut blocks = Self::default();
        let mut comments: Vec<&str> = Vec::new();
        for line in text.split_inclusive('\n') {
            let content = line.trim();
            if content.is_empty() || content.starts_with('#') {
                comments.push(line);
            } else if content.starts_with("format:") {
                blocks.before = std::mem::take(&mut comments);
            } else if line.starts_with("kernels:") {
                blocks.above_kernels = std::mem::take(&mut comments);
            } else if let Some(series) = content.strip_prefix("- series:") {
                let series = series.trim().trim_matches(['"', '\'']).parse().ok();
                blocks.kernels.push(Block { series, above: std::mem::take(&mut comments), inside: Vec::new() });
            } else if line.starts_with("qemu:") {
                blocks.qemu = Some(Block { series: None, above: std::mem::take(&mut comments), inside: Vec::new() });
            } else if let Some(block) = blocks.qemu.as_mut().or(blocks.kernels.last_mut()) {
                block.inside.append(&mut comments);
            }
        }
        blocks.after = comments;
        blocks
    }
}

fn push_block(text: &mut String, kept: Option<&Block<'_>>, first: &str, indent: &str, fields: &[String]) {
    for line in kept.map_or(&[][..], |block| &block.above) {
        text.push_str(line);
    }
    text.push_str(first);
    // Which field a comment was about cannot be known once the fields have changed; here nothing is lost.
    for line in kept.map_or(&[][..], |block| &block.inside).iter().filter(|line| !line.trim().is_empty()) {
        text.push_str(line);
    }
    for field in fields {
        *text += &format!("{indent}{field}\n");
    }
}

fn kernel_fields(kernel: &LockedKernel) -> Vec<String> {
    group_fields(&kernel.version, &kernel.suite, kernel.archive, &kernel.packages)
}

fn qemu_fields(qemu: &LockedQemu) -> Vec<String> {
    group_fields(&qemu.version, &qemu.suite, qemu.archive, &qemu.packages)
}

/// Versions are quoted: `3.10` would be a number. Nothing else can be taken for anything but what it is.
fn group_fields(version: &str, suite: &str, archive: Archive, packages: &[PinnedPackage]) -> Vec<String> {
    let archive = match archive {
        Archive::Debian => "debian",
        Archive::DebianSecurity => "debian-security",
    };
    let mut fields = vec![
        format!("version: \"{version}\""),
        format!("suite: {suite}"),
        format!("archive: {archive}"),
        "packages:".to_owned(),
    ];
    for pin in packages {
        fields.push(format!("  - package: {}", pin.package));
        fields.push(format!("    version: \"{}\"", pin.version));
        fields.push(format!("    path: {}", pin.path));
        fields.push(format!("    size: {}", pin.size));
        fields.push(format!("    sha256: {}", pin.sha256));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::digest::Sha256;
    use crate::kernel::lock::tests::{GOOD, lock};

    #[test]
    fn what_is_written_is_read_back_as_it_was() {
        let good = lock(GOOD).unwrap();
        let text = rewrite(None, &good.kernels, &good.qemu);
        let again = lock(&text).unwrap();
        assert_eq!((again.kernels, again.qemu), (good.kernels.clone(), good.qemu.clone()));
        assert_eq!(rewrite(Some(&text), &good.kernels, &good.qemu), text);
    }

    #[test]
    fn comments_stay_where_they_are_when_pins_change() {
        let good = lock(GOOD).unwrap();
        let text = rewrite(Some(GOOD), &good.kernels, &good.qemu)
            .replace("kernels:\n", "# about kernels\nkernels:\n  # about 6.1\n")
            .replace("    suite: bookworm-security\n", "    # frozen\n    suite: bookworm-security\n")
            .replace("qemu:\n", "\n# about QEMU\nqemu:\n")
            + "# the end\n";
        let mut changed = lock(&text).unwrap();
        changed.kernels[0].version = "6.1.200-1".to_owned();
        changed.kernels[0].packages[0].sha256 = Sha256::of(b"new");
        let mut other = changed.kernels[0].clone();
        other.series = Series::new(5, 10);
        other.version = "5.10.1-1".to_owned();
        other.packages[0].sha256 = Sha256::of(b"other");
        let kernels = [other, changed.kernels[0].clone()];
        let rewritten = rewrite(Some(&text), &kernels, &changed.qemu);
        let comments = |text: &str| -> Vec<String> {
            text.lines().filter(|line| line.trim().starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(comments(&rewritten), comments(&text));
        assert!(
            rewritten.contains("  # about 6.1\n  - series: \"6.1\"\n    # frozen\n    version: \"6.1.200-1\"\n"),
            "{rewritten}"
        );
        assert!(rewritten.contains("\n\n# about QEMU\nqemu:\n"));
        assert_eq!(lock(&rewritten).unwrap().kernels, kernels);
    }

    #[test]
    fn pins_that_did_not_change_keep_their_lines() {
        let good = lock(GOOD).unwrap();
        let text = rewrite(None, &good.kernels, &good.qemu);
        let mut qemu = good.qemu.clone();
        qemu.version = "1:10.0.14".to_owned();
        let rewritten = rewrite(Some(&text), &good.kernels, &qemu);
        let changed = text.lines().zip(rewritten.lines()).filter(|(old, new)| old != new).count();
        assert_eq!((changed, text.lines().count()), (1, rewritten.lines().count()));
    }
}
