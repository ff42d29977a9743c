//! `rxpath show`: the call trees of a case on a kernel, or on two side by side.

use super::command_line::{Common, ShowArguments};
use super::error::CommandError;
use super::show_svg::show_svg;
use super::{check_runs_on, make_ready, named_kernels, print, warn_no_costs};
use crate::case::Case;
use crate::kernel::{Fetched, Kernel};
use crate::nearest::suggestion;
use crate::report::{CaseTrees, MatrixBars, Screen, ShowReport, ShownTrees, case_trees, side_by_side};
use crate::suite::{Observation, Project, choose, record_case};
use crate::vm::{RunLimits, cancel_on_signals};

/// Runs the traced passes and prints their paths.
pub(crate) fn show(common: &Common, arguments: &ShowArguments) -> Result<u8, CommandError> {
    if let Some(file) = &arguments.svg {
        return show_svg(common, arguments, file);
    }
    let project = Project::open(&common.project(&arguments.packages))?;
    let all = project.cases_for(std::slice::from_ref(&arguments.case))?;
    let kernels = named_kernels(&project, &arguments.kernels)?;
    cancel_on_signals();
    let fetched = make_ready(&project, &kernels)?;
    let (view, screen) = (arguments.view(), Screen::of_output());
    let mut report = Vec::new();
    let mut functions: Vec<String> = Vec::new();
    let mut is_shown = false;
    for case in choose(&all, std::slice::from_ref(&arguments.case))? {
        let observed = fetched.kernels.iter().map(|kernel| observe(&project, &fetched, case, kernel));
        let observed = observed.collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = fetched.kernels.iter().map(|kernel| kernel.name().to_string()).collect();
        let trees = observed.iter().zip(&fetched.kernels).zip(&names);
        let trees: Vec<ShownTrees> =
            trees.map(|((one, kernel), name)| ShownTrees::new(name, &kernel.release, one, &view)).collect();
        let paths = observed.iter().flat_map(|one| &one.sections).filter_map(|section| section.shown());
        functions.extend(paths.flat_map(|path| path.functions()).map(str::to_owned));
        if view.is_part() && trees.iter().all(ShownTrees::is_empty) {
            continue;
        }
        is_shown = true;
        match &trees[..] {
            _ if arguments.json => report.push(CaseTrees::new(&case.name, &case.title, &trees)),
            [old, new] => super::show(screen, &side_by_side(&case.name, &case.title, [old, new], screen.columns()))?,
            several => {
                for one in several {
                    super::show(screen, &case_trees(&case.name, &case.title, one))?;
                }
            }
        }
    }
    if !is_shown {
        return Err(nothing_to_show(arguments, &functions));
    }
    if arguments.json {
        print(serde_json::to_string_pretty(&ShowReport::new(report))? + "\n")?;
    }
    Ok(0)
}

/// The paths of a case on one kernel.
pub(super) fn observe(
    project: &Project,
    fetched: &Fetched,
    case: &Case,
    kernel: &Kernel,
) -> Result<Observation, CommandError> {
    check_runs_on(case, kernel)?;
    let bars = MatrixBars::new(1);
    let limits = RunLimits::default();
    let capture = record_case(case, kernel, &fetched.qemu, &project.images(), &limits, &bars)?;
    if let Err(error) = &capture.tracer {
        warn_no_costs(&kernel.name(), error);
    }
    let observation = capture.observation(case)?;
    bars.finish();
    Ok(observation)
}

fn nothing_to_show(arguments: &ShowArguments, functions: &[String]) -> CommandError {
    let wanted = arguments.under.as_ref().or(arguments.callers.as_ref());
    let text = match (wanted, &arguments.filter) {
        (Some(function), _) if !functions.contains(function) => {
            let help = suggestion(function, functions.iter().map(String::as_str));
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            format!("no path of {} calls `{function}`{help}", arguments.case)
        }
        (_, filter) => {
            let filter = filter.as_deref().unwrap_or_default();
            format!("no line of the paths of {} matches `{filter}`", arguments.case)
        }
    };
    CommandError::Request(text)
}
