//! The HTML report: a folder of self-contained pages that link to each other, readable from disk without a network.

mod case_page;
mod case_picture;
mod claims_page;
mod difference_page;
mod difference_picture;
mod difference_summary;
mod function_page;
mod index_page;
mod kernels_page;
mod layout;
mod matrix_table;
mod path_tree;
mod problem_words;
mod timings_page;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::functions::{FunctionView, functions};
use super::overview::Overview;

pub(crate) use kernels_page::page as diff_page;

/// The file of the page on what changed between two kernels.
pub(crate) const DIFF_PAGE: &str = "diff.html";

/// The number and sizes of the written files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub pages: usize,
    /// The size of the largest page, in bytes.
    pub largest: usize,
    /// The size of all pages, in bytes.
    pub bytes: usize,
}

/// Writes the report into a folder. Creates the folder, and replaces pages of the same names.
pub fn write(overview: &Overview, folder: &Path) -> io::Result<Written> {
    std::fs::create_dir_all(folder)?;
    let put = |name: &str, text: String| -> io::Result<Written> {
        std::fs::write(folder.join(name), &text)?;
        Ok(Written { pages: 1, largest: text.len(), bytes: text.len() })
    };
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get());
    let cases = overview.cases.len();
    let functions: Vec<FunctionView> = functions(overview).into_values().filter(|view| view.cases > 0).collect();
    let work = || -> io::Result<Written> {
        let mut written = Written::default();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if let Some(case) = overview.cases.get(at) {
                written.add(put(&layout::case_file(case.name), case_page::page(overview, case))?);
                for (name, text) in difference_page::pages(overview, case) {
                    written.add(put(&name, text)?);
                }
            } else if let Some(view) = functions.get(at - cases) {
                written.add(put(&layout::function_file(view.function), function_page::page(view, cases))?);
            } else {
                return Ok(written);
            }
        }
    };
    let mut written = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_fold(Written::default(), |mut all, worker| {
            all.add(worker.join().unwrap_or_else(|_| Err(io::Error::other("a thread that writes pages panicked")))?);
            Ok::<_, io::Error>(all)
        })
    })?;
    written.add(put(claims_page::CLAIMS_PAGE, claims_page::page(overview))?);
    written.add(put("timings.html", timings_page::page(overview))?);
    written.add(put("index.html", index_page::page(overview, &functions))?);
    Ok(written)
}

impl Written {
    fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.largest = self.largest.max(other.largest);
        self.bytes += other.bytes;
    }
}
