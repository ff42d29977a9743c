//! `rxpath report`: saved results as HTML, Markdown or JSON.

use std::path::{Path, PathBuf};

use super::command_line::{Common, ReportArguments};
use super::error::CommandError;
use super::{print, write};
use crate::output::warn;
use crate::report::source_url::SourceUrl;
use crate::report::{Overview, Screen, html, markdown, terminal};
use crate::suite::{Results, find_root, last_results};

/// Joins saved results and writes the requested reports; without a request, prints the table of verdicts.
pub(crate) fn report(common: &Common, arguments: &ReportArguments) -> Result<u8, CommandError> {
    let sources = SourceUrl::from_environment()?;
    let files: Vec<_> = arguments.from.iter().chain(&arguments.merge).cloned().collect();
    let results = saved_results(common, &files)?;
    let earlier = arguments.against.as_deref().map(Results::load).transpose()?;
    if let Some(file) = &arguments.json {
        results.save(file).map_err(CommandError::write(file))?;
    }
    let overview = Overview::of(&results).compared_with(earlier.as_ref()).with_sources(sources);
    if let Some(file) = &arguments.markdown {
        write(file, markdown::report(&overview, arguments.limit).as_bytes())?;
    }
    if let Some(folder) = &arguments.html {
        write_html(&overview, folder)?;
    }
    if arguments.json.is_none() && arguments.markdown.is_none() && arguments.html.is_none() {
        print(Screen::of_output().fit(&terminal::results(&results, earlier.as_ref(), common.detail())))?;
        print(terminal::hint(&results, common.detail()))?;
    }
    Ok(0)
}

/// The results in these files as one run; the last run's if there are none.
pub(super) fn saved_results(common: &Common, files: &[PathBuf]) -> Result<Results, CommandError> {
    let last = || Ok::<_, CommandError>(vec![last_results(&find_root(common.root.as_deref())?.folder)]);
    let files = if files.is_empty() { last()? } else { files.to_vec() };
    let runs = files.iter().map(|file| Results::load(file)).collect::<Result<Vec<_>, _>>()?;
    Results::merge(runs).ok_or_else(|| CommandError::Request("no results".to_owned()))
}

/// Writes the HTML report and prints the name of its first page.
pub(super) fn write_html(overview: &Overview, folder: &Path) -> Result<(), CommandError> {
    let written = html::write(overview, folder).map_err(CommandError::write(folder))?;
    let (pages, megabytes) = (written.pages, written.bytes as f64 / 1e6);
    warn(format_args!("{pages} pages, {megabytes:.1} MB: {}", folder.join("index.html").display()));
    Ok(())
}
