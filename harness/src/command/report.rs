//! `rxpath report`: saved results as HTML and Markdown.

use std::path::Path;

use super::arguments::{Common, ReportOptions};
use super::error::CommandError;
use crate::report::{Overview, html, markdown, terminal};
use crate::suite::{Results, find_root, last_results};

/// Makes reports of saved results.
pub fn report(common: &Common, options: &ReportOptions) -> Result<u8, CommandError> {
    let request = |why: crate::suite::ResultsError| CommandError::Request(why.to_string());
    let mut files: Vec<_> = options.from.iter().chain(&options.merge).cloned().collect();
    if files.is_empty() {
        files.push(last_results(&find_root(common.root.as_deref())?));
    }
    let runs = files.iter().map(|file| Results::load(file)).collect::<Result<Vec<_>, _>>().map_err(request)?;
    let results = Results::merge(runs).ok_or_else(|| CommandError::Request("no results".to_owned()))?;
    let earlier = options.against.as_deref().map(Results::load).transpose().map_err(request)?;
    if let Some(file) = &options.json {
        results.save(file).map_err(|why| CommandError::Machinery(format!("writing {}: {why}", file.display())))?;
    }
    let overview = Overview { earlier: earlier.as_ref(), ..Overview::of(&results) };
    if let Some(file) = &options.markdown {
        put(file, &markdown::report(&overview, options.limit))?;
    }
    if let Some(folder) = &options.html {
        write_html(&overview, folder)?;
    }
    if options.json.is_none() && options.markdown.is_none() && options.html.is_none() {
        print!("{}", terminal::results(&results));
    }
    Ok(0)
}

/// Writes the HTML report and says where it begins.
pub fn write_html(overview: &Overview, folder: &Path) -> Result<(), CommandError> {
    let failed = |why| CommandError::Machinery(format!("writing the report into {}: {why}", folder.display()));
    let written = html::write(overview, folder).map_err(failed)?;
    eprintln!("{} pages, {:.1} MB: {}", written.pages, written.bytes as f64 / 1e6, folder.join("index.html").display());
    Ok(())
}

/// Writes a text to a file; `-` is standard output.
fn put(file: &Path, text: &str) -> Result<(), CommandError> {
    if file.as_os_str() == "-" {
        print!("{text}");
        return Ok(());
    }
    std::fs::write(file, text).map_err(|why| CommandError::Machinery(format!("writing {}: {why}", file.display())))
}
