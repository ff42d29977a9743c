//! The HTML report: a folder of self-contained pages, linked to each other, readable from disk without a network.

mod case;
mod difference;
mod index;
mod page;
mod timings;
mod tree;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::overview::Overview;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Files.
    pub pages: usize,
    /// Size of the largest, in bytes.
    pub largest: usize,
    /// Size of all, in bytes.
    pub bytes: usize,
}

/// Writes the report into a folder, which is made; pages of the same names are replaced.
pub fn write(overview: &Overview, folder: &Path) -> io::Result<Written> {
    std::fs::create_dir_all(folder)?;
    let put = |name: &str, text: String| -> io::Result<Written> {
        std::fs::write(folder.join(name), &text)?;
        Ok(Written { pages: 1, largest: text.len(), bytes: text.len() })
    };
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get());
    let work = || -> io::Result<Written> {
        let mut written = Written::default();
        while let Some(case) = overview.cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            written.add(put(&page::case_file(case.name), case::page(overview, case))?);
            for (name, text) in difference::pages(overview, case) {
                written.add(put(&name, text)?);
            }
        }
        Ok(written)
    };
    let mut written = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_fold(Written::default(), |mut all, worker| {
            all.add(worker.join().unwrap_or_else(|_| Err(io::Error::other("a page could not be made")))?);
            Ok::<_, io::Error>(all)
        })
    })?;
    written.add(put("timings.html", timings::page(overview))?);
    written.add(put("index.html", index::page(overview))?);
    Ok(written)
}

impl Written {
    fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.largest = self.largest.max(other.largest);
        self.bytes += other.bytes;
    }
}
