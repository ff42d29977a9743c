//! The cache and what a prune removes as lines of text.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::change_words::count;
use crate::suite::{CacheContents, CachedKernel, Pruned};
use crate::vm::StoredImage;

/// Lists the kernels in a cache with their sizes, the most recently used first.
pub(crate) fn kernels(cache: &Path, contents: &CacheContents) -> String {
    let mut out = String::new();
    let width = contents.kernels.iter().map(|kernel| names(kernel).chars().count()).max().unwrap_or(0).max(6);
    if !contents.kernels.is_empty() {
        let _ = writeln!(out, "{:<width$}  {:>9}  {:>16}  {:>9}  last used", "kernel", "unpacked", "images", "total");
    }
    for kernel in &contents.kernels {
        let images: u64 = kernel.images.iter().map(|image| image.bytes).sum();
        let _ = writeln!(
            out,
            "{:<width$}  {:>9}  {:>3} {:>12}  {:>9}  {}",
            names(kernel),
            size(kernel.unpacked),
            kernel.images.len(),
            size(images),
            size(kernel.bytes()),
            age(kernel.used)
        );
    }
    let of_kernels: u64 = contents.kernels.iter().map(CachedKernel::bytes).sum();
    let others = contents.bytes.saturating_sub(of_kernels);
    let _ = writeln!(
        out,
        "{} with {}, {}; QEMU, results and the rest {}; in {}",
        count(contents.kernels.iter().filter(|kernel| !kernel.names.is_empty()).count(), "kernel"),
        count(contents.kernels.iter().map(|kernel| kernel.images.len()).sum(), "warm image"),
        size(of_kernels),
        size(others),
        cache.display()
    );
    out
}

/// What `rxpath cache prune` would free.
pub(crate) fn could_free(plan: &Pruned) -> String {
    let images =
        plan.removed.kernels.iter().map(|kernel| kernel.images.len()).sum::<usize>() + plan.removed.images.len();
    format!(
        "`rxpath cache prune` frees {} ({}), and with --keep or --max-size more; `rxpath cache list` lists the images\n",
        size(plan.removed.bytes()),
        count(images, "image"),
    )
}

/// Lists the warm images in a cache.
pub(crate) fn images(cache: &Path, images: &[StoredImage]) -> String {
    let mut out = String::new();
    for image in images {
        let _ = writeln!(out, "{}", image_line(image));
    }
    let total: u64 = images.iter().map(|image| image.bytes).sum();
    let _ =
        writeln!(out, "{}, {} in {}", count(images.len(), "warm image"), size(total), cache.join("images").display());
    out
}

/// Lists what was removed, or would be, and what stays although no case needs it.
pub(crate) fn pruned(pruned: &Pruned, is_planned: bool) -> String {
    let mut out = String::new();
    let removed = if is_planned { "would remove" } else { "removed" };
    let kernel_line = |kernel: &CachedKernel| {
        let images = count(kernel.images.len(), "image");
        format!("kernel {} with {images}, last used {}  {}", names(kernel), age(kernel.used), size(kernel.bytes()))
    };
    for kernel in &pruned.removed.kernels {
        let _ = writeln!(out, "{removed}  {}", kernel_line(kernel));
    }
    for image in &pruned.removed.images {
        let _ = writeln!(out, "{removed}  {}", image_line(image));
    }
    for kernel in &pruned.in_use.kernels {
        let _ = writeln!(out, "kept, another rxpath process uses it  {}", kernel_line(kernel));
    }
    for image in &pruned.in_use.images {
        let _ = writeln!(out, "kept, another rxpath process is making it  {}", image_line(image));
    }
    for kernel in &pruned.unknown {
        let _ = writeln!(
            out,
            "{kernel} is not in the cache, so its images stay: fetch it with `rxpath kernels fetch {kernel}`"
        );
    }
    let kernels = pruned.removed.kernels.len();
    let images =
        pruned.removed.images.len() + pruned.removed.kernels.iter().map(|kernel| kernel.images.len()).sum::<usize>();
    let of_kernels = if kernels == 0 { String::new() } else { format!("{} and ", count(kernels, "kernel")) };
    let _ = writeln!(
        out,
        "{of_kernels}{} {} ({}), {} kept",
        count(images, "image"),
        if is_planned { "would be removed" } else { "removed" },
        size(pruned.removed.bytes()),
        count(pruned.removed.kept, "image")
    );
    out
}

fn names(kernel: &CachedKernel) -> String {
    match kernel.names.is_empty() {
        true => "(packages)".to_owned(),
        false => kernel.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn image_line(image: &StoredImage) -> String {
    let (kernel, machine) = match &image.info {
        Some(info) => (info.kernel.as_str(), info.machine.as_str()),
        None => ("?", "unreadable description"),
    };
    let base = image.info.as_ref().and_then(|info| info.base.as_ref());
    let base = base.map(|base| format!(" from {base}")).unwrap_or_default();
    format!("{kernel:<8} {machine:<28} {:>9}  {:<14}  {}{base}", size(image.bytes), age(image.used), image.key)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// How long ago something was, in words.
fn age(then: SystemTime) -> String {
    ago(then.elapsed().unwrap_or_default())
}

fn ago(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match (minutes, minutes / 60, minutes / (60 * 24)) {
        (0, ..) => "just now".to_owned(),
        (minutes, 0, _) => format!("{} ago", count(minutes as usize, "minute")),
        (_, hours, 0) => format!("{} ago", count(hours as usize, "hour")),
        (_, _, days) => format!("{} ago", count(days as usize, "day")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        let of = |seconds| ago(Duration::from_secs(seconds));
        assert_eq!([0, 59, 60, 3599].map(of), ["just now", "just now", "1 minute ago", "59 minutes ago"]);
        assert_eq!([3600, 86_399, 86_400, 864_000].map(of), ["1 hour ago", "23 hours ago", "1 day ago", "10 days ago"]);
        assert_eq!([999_900_000, 4_000_000_000].map(size), ["999.9 MB", "4.00 GB"]);
    }
}
