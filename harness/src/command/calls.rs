//! `rxpath calls`: where a function is called, by what, and what it costs, from saved results.

use super::command_line::{CallsArguments, Common};
use super::error::CommandError;
use super::report::saved_results;
use super::{print, show};
use crate::nearest::{any_of, nearest, suggestion};
use crate::path::profiles::Visibility;
use crate::path::{Profiles, canonical};
use crate::report::source_url::SourceUrl;
use crate::report::{Overview, Screen, calls_text, functions};
use crate::suite::Results;

/// Prints one function of the saved results.
pub(crate) fn calls(common: &Common, arguments: &CallsArguments) -> Result<u8, CommandError> {
    let sources = SourceUrl::from_environment()?;
    let mut results = saved_results(common, &arguments.from)?;
    choose_kernels(&mut results, &arguments.kernels)?;
    let overview = Overview::of(&results).with_sources(sources);
    let all = functions(&overview);
    let Some(view) = all.get(canonical(&arguments.function)) else {
        return Err(unknown(&arguments.function, all.keys().copied()));
    };
    match arguments.json {
        true => _ = print(serde_json::to_string_pretty(view)? + "\n")?,
        false => show(Screen::of_output(), &calls_text(view, overview.cases.len()))?,
    }
    Ok(0)
}

/// Leaves out all kernels but these, if there are any.
fn choose_kernels(results: &mut Results, names: &[String]) -> Result<(), CommandError> {
    for name in names {
        if !results.kernels.iter().any(|kernel| kernel.name == **name) {
            let valid: Vec<&str> = results.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
            let help = suggestion(name, valid).map(|help| format!(": {help}")).unwrap_or_default();
            return Err(CommandError::Request(format!("the results have no kernel called `{name}`{help}")));
        }
    }
    if !names.is_empty() {
        let is_chosen = |kernel: &str| names.iter().any(|name| name == kernel);
        results.kernels.retain(|kernel| is_chosen(&kernel.name));
        results.cases.retain(|case| is_chosen(&case.kernel));
        results.functions.retain(|one| is_chosen(&one.kernel));
    }
    Ok(())
}

fn unknown<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> CommandError {
    let mut text = format!("no path in these results calls `{name}`");
    if is_left_out(canonical(name)) {
        text.push_str("; paths leave it out, unless a case chooses a different profile or expects it");
    }
    let near = nearest(name, known);
    if !near.is_empty() {
        text.push_str(&format!("; did you mean {}?", any_of(near)));
    }
    CommandError::Request(text)
}

/// Whether the default profile leaves a function out of paths.
fn is_left_out(name: &str) -> bool {
    let filter = Profiles::embedded().ok().and_then(|profiles| profiles.select::<&str, &str>(&[], &[]).ok());
    filter.is_some_and(|filter| matches!(filter.visibility(name), Visibility::Hidden | Visibility::Inlined))
}
